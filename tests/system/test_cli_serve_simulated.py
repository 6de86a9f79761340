"""`serve --simulate`: the service and the simulated platforms in one command, for a first try without any setting."""

import json
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from submitter import SyncClient
from submitter.model import TaskState
from submitter.providers.registry import ADAPTERS
from submitter.simulator import PLATFORMS
from tests.support.cli import OPERATOR, TIMEOUT_S, Cli, Process, request_line

PORT_OF_SIMULATOR = re.compile(r"simulating [0-9]+ platforms on http://127\.0\.0\.1:(\d+);")
COMMAND = ("serve", "--simulate", "--port", "0")


def _is_closed(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) != 0


def _simulator_port(server: Process) -> int:
    found = PORT_OF_SIMULATOR.search(server.line_with("simulating"))
    assert found
    return int(found[1])


def _exported(server: Process) -> dict[str, str]:
    """The settings of another terminal, as the command names them."""
    words = server.line_with("use it in another terminal").partition("export ")[2].split()
    return dict(word.split("=", 1) for word in words)


@pytest.fixture(name="temporary")
def _temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where temporary ledgers are made."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(name="cli")
def _cli(tmp_path: Path, temporary: Path) -> Cli:
    """A machine on which nothing is set."""
    return Cli(folder=tmp_path, environment={"TMPDIR": str(temporary)})


def test_a_new_user_submits_lists_and_stops_and_nothing_stays(cli: Cli, temporary: Path) -> None:
    with cli.running(*COMMAND) as server:
        port = _simulator_port(server)
        assert "the ledger is temporary" in server.line_with("simulating")
        shell = Cli(folder=cli.folder, environment=_exported(server))
        assert shell.environment["WHENFINAL_URL"] == server.url
        with SyncClient(server.url, shell.environment["WHENFINAL_API_KEY"]) as client:
            ended = [
                client.submit(**json.loads(request_line(provider=name)), wait_s=TIMEOUT_S)
                for name in ("hiapi", "tokenbay")
            ]
        assert [task.state for task in ended] == [TaskState.SUCCEEDED] * 2
        assert ended[0].callback_expected
        assert ended[0].polls == 0
        assert "tokenbay" in shell.run("providers", "list").out
        assert list(temporary.iterdir()) != []
        assert server.stop(signal.SIGINT) == 0
        assert _is_closed(port)
    assert (cli.files(), list(temporary.iterdir())) == (set(), [])


def test_an_event_of_an_account_reaches_the_service_without_any_setting(cli: Cli) -> None:
    with cli.running(*COMMAND) as server:
        simulator = f"http://127.0.0.1:{_simulator_port(server)}"
        with SyncClient(server.url, _exported(server)["WHENFINAL_API_KEY"]) as client:
            task = client.submit(**json.loads(request_line(provider="dashscope")), wait_s=TIMEOUT_S)
            theirs = client.tasks.get(task.id).provider_task_id
            address = client.providers.callback_address("dashscope").address
        assert task.state is TaskState.SUCCEEDED
        books = httpx.get(f"{simulator}/_simulator/books", trust_env=False).json()["tasks"]
        while not (posted := next(each for each in books if each["task_id"] == theirs)["callbacks"]):
            books = httpx.get(f"{simulator}/_simulator/books", trust_env=False).json()["tasks"]
        assert posted[0]["status"] in {200, 204}
        front = httpx.get(simulator, trust_env=False).text
        assert f"dashscope posts the callbacks of its account to {address}" in front


def test_a_webhook_reaches_a_listener_on_this_machine(cli: Cli) -> None:
    with cli.running(*COMMAND) as server:
        shell = Cli(folder=cli.folder, environment=_exported(server))
        with SyncClient(server.url, shell.environment["WHENFINAL_API_KEY"]) as client, shell.running("listen") as other:
            other.line_with("listening on")
            client.submit(**json.loads(request_line()), wait_s=TIMEOUT_S)
            delivered = [each.id for each in client.deliveries.all(state="delivered")]
            while not delivered:
                delivered = [each.id for each in client.deliveries.all(state="delivered")]


def test_both_end_with_a_process_that_is_killed(cli: Cli) -> None:
    with cli.running(*COMMAND) as server:
        assert server.url
        port = _simulator_port(server)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        assert _is_closed(port)


def test_no_other_provider_is_used_whatever_is_set(cli: Cli) -> None:
    """Keys of real accounts are for real money."""
    real = {
        "WHENFINAL_PROVIDERS": "hiapi,mygate=newapi",
        "HIAPI_API_KEY": "a-real-key",
        "HIAPI_BASE_URL": "http://127.0.0.1:9",
        "MYGATE_API_KEY": "a-real-key",
        "MYGATE_BASE_URL": "http://127.0.0.1:9",
        "WHENFINAL_PUBLIC_URL": "https://hooks.example.com",
        "WHENFINAL_API_KEYS": f"test:submit+read+operate:{OPERATOR}",
    }
    with cli.with_settings(**real).running(*COMMAND) as server:
        names = ", ".join(
            f"{name} ({'callback' if ADAPTERS[name].CAPABILITIES.callback else 'polled'})" for name in PLATFORMS
        )
        assert server.line_with("serving").strip().endswith(f"providers: {names}")
        with SyncClient(server.url, OPERATOR) as client:
            assert client.submit(**json.loads(request_line()), wait_s=TIMEOUT_S).state is TaskState.SUCCEEDED


def test_a_ledger_that_is_set_stays(cli: Cli) -> None:
    home = cli.with_settings(WHENFINAL_DATABASE_URL="sqlite:///kept.db")
    with home.running(*COMMAND) as server:
        assert "what is unfinished in the ledger that is set is polled there" in server.line_with("simulating")
        assert server.url
        assert server.stop() == 0
    assert "kept.db" in cli.files()


def test_the_lines_are_json_where_the_log_is(cli: Cli) -> None:
    with cli.with_settings(WHENFINAL_LOG_FORMAT="json").running(*COMMAND) as server:
        server.line_with('"event": "serving"')
        assert server.stop() == 0
    told = [json.loads(line) for line in server.lines if line.strip()]
    assert {"simulating", "api_key_made", "serving"} <= {line["event"] for line in told}


def test_a_port_in_use_and_a_wrong_setting_are_told_in_a_line_and_leave_nothing(cli: Cli, temporary: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli.run("serve", "--simulate", "--port", str(taken.getsockname()[1]))
    assert (done.status, "it is in use" in done.err) == (1, True)
    wrong = cli.with_settings(WHENFINAL_WAIT_MAX_S="soon").run("serve", "--simulate", "--port", "0")
    assert (wrong.status, "WHENFINAL_WAIT_MAX_S" in wrong.err, "Traceback" in wrong.err) == (2, True, False)
    assert list(temporary.iterdir()) == []
