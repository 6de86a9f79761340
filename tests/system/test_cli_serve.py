"""`serve`, `web`, `worker`: how they start, share one ledger, stop and come back."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.support.cli import API_KEYS, OPERATOR, TIMEOUT_S, Cli, Process, read_settings, request_line

HEADERS = {"Authorization": f"Bearer {OPERATOR}"}


@contextmanager
def _api(process: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.url, headers=HEADERS, timeout=TIMEOUT_S, trust_env=False) as client:
        yield client


def _submit(api: httpx.Client, prompt: str = "a fox", provider: str = "hiapi") -> Any:
    answer = api.post("/v1/tasks", content=request_line(prompt, provider), headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    return answer.json()


def _end_of(api: httpx.Client, task: str) -> Any:
    return api.get(f"/v1/tasks/{task}", params={"wait": 45}).json()


def _until(is_so: Callable[[], bool]) -> None:
    last = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < last
        time.sleep(0.05)


@contextmanager
def _sent(process: Process, method: str, path: str, body: str = "") -> Iterator[HTTPConnection]:
    """A request that is on its way when this begins; its answer is read later."""
    connection = HTTPConnection(process.url.removeprefix("http://"), timeout=TIMEOUT_S)
    connection.request(method, path, body=body, headers={**HEADERS, "Content-Type": "application/json"})
    with closing(connection):
        yield connection


def _is_closed(process: Process) -> bool:
    host, _, port = process.url.removeprefix("http://").partition(":")
    with socket.socket() as knock:
        return knock.connect_ex((host, int(port))) != 0


def test_serving_says_its_address_ledger_and_providers_in_one_line(simulated: Cli) -> None:
    with simulated.running("serve", "--port", "0") as server:
        line = server.line_with("serving ")
        assert "http://127.0.0.1:" in line
        assert "ledger whenfinal.db" in line
        assert "hiapi (polled, no public URL), dashscope (polled)" in line
        assert server.stop() == 0
    assert "Traceback" not in "".join(server.lines)


def test_the_first_key_is_shown_once_and_opens_the_api(cli: Cli) -> None:
    with cli.running("serve", "--port", "0") as server:
        key = server.line_with("API key").split()[-1]
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.get(f"{server.url}/v1/tasks", headers=headers, timeout=TIMEOUT_S, trust_env=False)
        assert server.line_with("look at it").strip().endswith(f"{server.url}/ops")
        assert (answer.status_code, server.stop()) == (200, 0)
    with cli.running("serve", "--port", "0") as again:
        assert again.url
        assert key not in "".join(again.lines)


def test_a_key_that_only_reads_does_not_stand_in_for_the_first_key(cli: Cli) -> None:
    cli.run("keys", "create", "a", "--scope", "read")
    with cli.running("serve", "--port", "0") as server:
        key = server.line_with("API key").split()[-1]
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.get(f"{server.url}/v1/keys", headers=headers, timeout=TIMEOUT_S, trust_env=False)
        assert (answer.status_code, len(answer.json()["keys"])) == (200, 2)
        assert server.stop() == 0


def test_a_start_without_any_key_that_may_operate_says_how_to_make_one(cli: Cli) -> None:
    read_only = cli.with_settings(WHENFINAL_API_KEYS=f"reader:read:{'k' * 40}")
    with read_only.running("serve", "--port", "0") as server:
        assert "whenfinal keys create NAME --scope operate" in server.line_with("no_key_may_operate")
        assert server.url
        assert server.stop() == 0


def test_without_a_dashboard_the_first_start_names_none(cli: Cli) -> None:
    with cli.with_settings(WHENFINAL_DASHBOARD="off").running("serve", "--port", "0") as server:
        assert server.url
        assert server.line_with("try it")
        assert "/ops" not in "".join(server.lines)
        assert server.stop() == 0


def test_a_taken_port_is_one_line_with_the_hint_before_anything_is_made(simulated: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = simulated.run("serve", "--port", str(port))
    assert ended.status == 1
    assert ended.err == (
        f"whenfinal: can not listen on 127.0.0.1:{port}; "
        "it is in use: stop the other program, or choose another port with --port\n"
    )
    assert simulated.files() == set()


@pytest.mark.parametrize(("command", "event"), [(("serve", "--port", "0"), "serving"), (("worker",), "working")])
def test_a_log_of_json_is_json_from_its_first_line(cli: Cli, command: tuple[str, ...], event: str) -> None:
    with cli.with_settings(WHENFINAL_LOG_FORMAT="json").running(*command) as process:
        process.line_with(f'"event": "{event}"')
        assert process.stop() == 0
    lines = [json.loads(line) for line in process.lines if line]
    assert {"event", "level", "timestamp"} <= set.intersection(*(set(line) for line in lines))
    assert event in [line["event"] for line in lines]


def test_a_worker_answers_its_metrics_on_a_port_of_its_own(simulated: Cli) -> None:
    beside = simulated.with_settings(WHENFINAL_METRICS_PORT="0", WHENFINAL_API_KEYS=API_KEYS)
    with beside.running("worker") as worker:
        url = worker.line_with("metrics at ").rpartition(" ")[2].strip()
        answer = httpx.get(url, headers=HEADERS, timeout=TIMEOUT_S, trust_env=False)
        assert (answer.status_code, "whenfinal_build_info" in answer.text) == (200, True)
        assert httpx.get(url, timeout=TIMEOUT_S, trust_env=False).status_code == 401
        assert worker.stop() == 0


def test_a_taken_port_for_metrics_is_one_line_with_the_setting_before_anything_is_made(simulated: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = simulated.with_settings(WHENFINAL_METRICS_PORT=str(port)).run("worker")
    assert ended.status == 1
    assert ended.err == (
        f"whenfinal: can not listen on 127.0.0.1:{port}; "
        "it is in use: stop the other program, or choose another port with WHENFINAL_METRICS_PORT\n"
    )
    assert simulated.files() == set()


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-host.invalid"])
def test_an_address_that_is_not_here_is_one_line_with_the_hint(cli: Cli, host: str) -> None:
    ended = cli.run("serve", "--host", host, "--port", "0")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "--host" in ended.err


def test_a_ledger_that_can_not_be_opened_is_one_line_without_a_traceback(simulated: Cli) -> None:
    (simulated.folder / "whenfinal.db").mkdir()
    ended = simulated.run("serve", "--port", "0")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "unable to open database file" in ended.err


def test_a_submit_in_flight_is_answered_when_the_server_is_told_to_stop(cli: Cli) -> None:
    with cli.running("simulate", "--port", "0", "--speed", "20") as simulator:  # a slow reply takes 3 s
        settings = read_settings(simulator)
        del settings["WHENFINAL_PUBLIC_URL"]
        beside = cli.with_settings(**settings, WHENFINAL_API_KEYS=API_KEYS)
        with beside.running("serve", "--port", "0") as server:
            slow = request_line("x #simulate:reply_slow")
            with _sent(server, "POST", "/v1/tasks", slow) as request, _api(server) as api:
                _until(lambda: api.get("/v1/tasks").json()["tasks"] != [])
                assert server.stop() == 0
                answer = request.getresponse()
                assert (answer.status, json.load(answer)["state"]) == (202, "submitted")


def test_who_waits_is_answered_when_the_server_is_told_to_stop(simulated: Cli) -> None:
    with simulated.running("serve", "--port", "0") as server, _api(server) as api:
        task = _submit(api, "x #simulate:stuck")["id"]
        with _sent(server, "GET", f"/v1/tasks/{task}?wait=45") as request:
            assert api.get("/healthz").status_code == 200  # what was sent before this has been read
            assert server.stop() == 0
            assert json.load(request.getresponse())["id"] == task


def test_a_second_signal_ends_at_once(simulated: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a provider that takes the submit and never answers
        beside = simulated.with_settings(HIAPI_BASE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with (
            beside.running("serve", "--port", "0") as server,
            _sent(server, "POST", "/v1/tasks", request_line()) as request,
        ):
            held, _ = silent.accept()
            with held:
                server.popen.send_signal(signal.SIGTERM)
                _until(lambda: _is_closed(server))
                assert server.popen.poll() is None
                assert server.stop() == -signal.SIGTERM
            with pytest.raises(ConnectionError):
                request.getresponse()


def test_web_and_worker_share_the_work_over_one_file(simulated: Cli) -> None:
    with simulated.running("web", "--port", "0") as web, simulated.running("worker") as worker, _api(web) as api:
        worker.line_with("working; ledger")
        assert _end_of(api, _submit(api)["id"])["state"] == "succeeded"
        assert (web.stop(), worker.stop()) == (0, 0)


def test_two_servers_on_one_file_make_one_event_a_task(simulated: Cli) -> None:
    with (
        simulated.running("serve", "--port", "0") as one,
        simulated.running("serve", "--port", "0") as other,
        _api(one) as here,
        _api(other) as there,
    ):
        tasks = [_submit(api, f"fox {number}", "tokenbay")["id"] for number in range(5) for api in (here, there)]
        assert {_end_of(there, task)["state"] for task in tasks} == {"succeeded"}
        events = here.get("/v1/events").json()["events"]
        assert sorted(event["task"]["id"] for event in events) == sorted(tasks)
        assert (one.stop(), other.stop()) == (0, 0)


def test_a_server_that_was_killed_goes_on_where_it_was(simulated: Cli) -> None:
    with simulated.running("serve", "--port", "0") as server, _api(server) as api:
        tasks = [_submit(api, f"fox {number}")["id"] for number in range(3)]
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    with simulated.running("serve", "--port", "0") as again, _api(again) as api:
        assert {_end_of(api, task)["state"] for task in tasks} == {"succeeded"}
        assert len(api.get("/v1/events").json()["events"]) == 3
        assert again.stop() == 0


def test_ctrl_c_stops_a_worker_well(simulated: Cli) -> None:
    with simulated.running("worker") as worker:
        worker.line_with("working;")
        assert worker.stop(signal.SIGINT) == 0
    assert "Traceback" not in "".join(worker.lines)


def test_migrate_makes_the_ledger_and_may_be_run_again(cli: Cli) -> None:
    assert [cli.run("migrate").status for _ in range(2)] == [0, 0]
    assert "whenfinal.db" in cli.files()


def test_wrong_settings_stop_the_start_with_a_line_each(cli: Cli) -> None:
    ended = cli.with_settings(WHENFINAL_DATABSE_URL="x", WHENFINAL_LEASE_S="long").run("serve", "--port", "0")
    assert (ended.status, ended.out) == (2, "")
    assert "did you mean WHENFINAL_DATABASE_URL?" in ended.err
    assert "WHENFINAL_LEASE_S: it is not a number" in ended.err
    assert all(line.startswith("whenfinal: ") for line in ended.err.splitlines())
    assert cli.files() == set()
