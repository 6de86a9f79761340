"""What the pages tell a new user to type, as it stands there, against the simulated platforms; and what they print."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from tests.docs.pages import DOCS, README, SUBMITTER, fences
from tests.support.cli import OPERATOR, TIMEOUT_S, WHENFINAL, Cli, Ended


def _section(page: Path, heading: str) -> str:
    return page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


QUICKSTART, BEING_TOLD = _section(README, "Quickstart without a key"), _section(README, "Being told")
_, START, SUBMIT, WAIT = fences(QUICKSTART, "sh")
(SERVE_PRINTS,) = fences(QUICKSTART, "text")
SUBMIT_ANSWER, WAIT_ANSWER = fences(QUICKSTART, "json")
WAIT_MEMBERS = list(json.loads(WAIT_ANSWER))
(WEBHOOK,) = fences(BEING_TOLD, "http")
(CLIENT,) = fences(_section(README, "Python client"), "python")
CREATE, PROBE = fences((DOCS / "webhooks.md").read_text(encoding="utf-8"), "sh")[0].splitlines()
(ENDPOINT,) = fences((DOCS / "webhooks.md").read_text(encoding="utf-8"), "python")
START_ENDPOINT = fences((DOCS / "webhooks.md").read_text(encoding="utf-8"), "sh")[1].splitlines()[-1]
(FOLLOWER,) = fences(_section(SUBMITTER, "The client"), "python")
STANDARD_URL = "http://127.0.0.1:8000"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.fixture
def url(simulated: Cli) -> Iterator[str]:
    """A service that the providers reach, as in the quickstart."""
    port = _free_port()
    home = simulated.with_settings(WHENFINAL_PUBLIC_URL=f"http://127.0.0.1:{port}")
    with home.running("serve", "--port", str(port)) as server:
        yield server.url


def _at_hand(cli: Cli, **more: str) -> dict[str, str]:
    """What a shell has that knows the settings of a simulator, the command and the API's key."""
    return {**cli.environment, **more, "KEY": OPERATOR, "PATH": f"{WHENFINAL.parent}:{os.environ['PATH']}"}


def _typed(cli: Cli, *command: str) -> Ended:
    done = subprocess.run(
        command, cwd=cli.folder, env=_at_hand(cli), capture_output=True, timeout=TIMEOUT_S, check=False
    )
    return Ended(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


@contextmanager
def _running(cli: Cli, *command: str, **more: str) -> Iterator[Iterator[str]]:
    """The lines that it writes on stdout, until the test has seen enough; they end when patience does."""
    with subprocess.Popen(command, cwd=cli.folder, env=_at_hand(cli, **more), stdout=subprocess.PIPE, text=True) as it:
        deadline = Timer(TIMEOUT_S, it.kill)
        deadline.start()
        assert it.stdout is not None
        try:
            yield iter(it.stdout)
        finally:
            deadline.cancel()
            it.kill()


def test_serve_prints_what_the_readme_prints(cli: Cli) -> None:
    _, *words = START.split()
    with cli.running(*words, "--port", "0") as server:
        port = server.url.rpartition(":")[2]
        printed = "".join(server.lines).replace(f":{port}", ":8000")
    assert re.fullmatch(_pattern(SERVE_PRINTS), printed), printed


def _pattern(sample: str) -> str:
    """Three dots stand for an id, a key, a port, a name, or the rest of a line."""
    quoted = re.escape(sample).replace(r"wf_\.\.\.", r"wf_[\w-]+").replace(r"\.\.\.;", "[^ ]+;")
    return quoted.replace(r",\ \.\.\.", "[^\n]*")


def test_the_curl_lines_submit_and_wait_for_the_end_and_print_what_the_readme_prints(simulated: Cli, url: str) -> None:
    submit = SUBMIT.replace("export KEY=wf_...\n", "")
    made = json.loads(_typed(simulated, "sh", "-c", submit.replace(STANDARD_URL, url)).out)
    _check_sample(
        json.loads(SUBMIT_ANSWER.replace(", ...}", "}")), {name: made[name] for name in _names(SUBMIT_ANSWER)}
    )
    wait = WAIT.replace(STANDARD_URL, url).replace("tsk_...", made["id"])
    _check_sample(json.loads(WAIT_ANSWER), json.loads(_typed(simulated, "sh", "-c", wait).out))


def _names(sample: str) -> list[str]:
    return list(json.loads(sample.replace(", ...}", "}")))


def _check_sample(sample: Any, real: Any) -> None:
    """Times and numbers differ from run to run, and so does what stands in place of three dots."""
    assert type(sample) is type(real), (sample, real)
    if isinstance(sample, dict):
        assert set(sample) == set(real)
        for name, value in sample.items():
            _check_sample(value, real[name])
    elif isinstance(sample, list):
        assert len(sample) == len(real)
        for value, given in zip(sample, real, strict=True):
            _check_sample(value, given)
    elif isinstance(sample, str) and _TIME.fullmatch(sample):
        assert _TIME.fullmatch(real)
    elif isinstance(sample, str):
        assert real.startswith(sample.removesuffix("...")), (sample, real)
        assert sample.endswith("...") or sample == real
    elif not isinstance(sample, int) or isinstance(sample, bool):
        assert sample == real


@pytest.mark.parametrize("sample", [CLIENT, FOLLOWER], ids=["plain", "async"])
def test_a_sample_of_each_client_is_typed(sample: str, tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(sample)
    environment = {**os.environ, "MYPYPATH": str(README.parent)}
    check = (sys.executable, "-m", "mypy", "--strict", "--config-file=", "sample.py")
    done = subprocess.run(check, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_lines_run_as_they_stand(simulated: Cli, url: str) -> None:
    ended = _typed(simulated, sys.executable, "-c", CLIENT.replace(STANDARD_URL, url))
    assert ended.status == 0, ended.err
    assert re.match(r"succeeded \['http://", ended.out)
    assert "# succeeded ['http://...']" in CLIENT


def test_the_command_line_needs_no_server_and_no_key_of_the_api(simulated: Cli) -> None:
    (simulated.folder / "FILE").write_text(json.dumps({"provider": "tokenbay", "video": _video("happyhorse-1.0-t2v")}))
    ended = _typed(simulated, "sh", "-c", "whenfinal submit FILE --wait")
    assert ended.status == 0, ended.err
    assert re.search(r"^state +succeeded$", ended.out, re.MULTILINE)


def test_a_webhook_has_the_headers_and_the_members_that_the_readme_prints(simulated: Cli) -> None:
    home = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
    with home.running("serve", "--port", "0"), _listening() as (address, received, came):
        order = {"provider": "hiapi", "video": _order()["video"], "notify": {"url": address}}
        assert home.run("submit", "-", stdin=json.dumps(order)).status == 0
        assert came.wait(TIMEOUT_S)
    headers, body = received[0]
    head, _, sample = WEBHOOK.partition("\n\n")
    assert {line.partition(":")[0] for line in head.splitlines()[1:]} <= {name.lower() for name in headers}
    printed = json.loads(sample.replace(", ...}", "}"))
    assert set(printed) == set(body)
    assert set(printed["data"]) == set(body["data"])
    assert set(body["data"]["task"]) == set(WAIT_MEMBERS[: WAIT_MEMBERS.index("polls") + 1])


Received = list[tuple[Mapping[str, str], Any]]


@contextmanager
def _listening() -> Iterator[tuple[str, Received, threading.Event]]:
    """An endpoint that keeps what it is sent, and its address."""
    received: Received = []
    came = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            received.append((dict(self.headers), json.loads(content)))
            self.send_response(204)
            self.end_headers()
            came.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
            """Write nothing to stderr."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hooks", received, came
        finally:
            server.shutdown()
            thread.join()


def test_the_ways_of_being_told_report_the_end_of_a_task(simulated: Cli) -> None:
    home = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
    (home.folder / "hooks.py").write_text(ENDPOINT)
    port = _free_port()
    with home.running("serve", "--port", "0") as server:
        made = _typed(home, "sh", "-c", CREATE.replace("https://you.example/", f"http://127.0.0.1:{port}/"))
        name, secret = made.out.split()[1], made.out.split()[-1]
        serve = START_ENDPOINT.replace("8001", str(port)).split()
        with _running(home, *serve, WEBHOOK_SECRET=secret) as heard:
            tests = (_typed(home, "sh", "-c", PROBE.replace("sub_...", name)).out for _ in range(TIMEOUT_S))
            assert any(said.startswith("delivered: answered 204") for said in tests)
            order = {**_order(), "labels": {"team": "ads"}}
            assert home.run("submit", "-", stdin=json.dumps(order)).status == 0
            task = next(line for line in heard if "task.succeeded" in line).split()[2]
        with _running(home, sys.executable, "-c", FOLLOWER.replace(STANDARD_URL, server.url)) as followed:
            assert next(followed) == f"1 task.succeeded {task}\n"
        assert "`GET /v1/events/stream?after=SEQ`" in BEING_TOLD
        stream = f'exec curl -sN "{server.url}/v1/events/stream?after=0" -H "Authorization: Bearer $KEY"'
        with _running(home, "sh", "-c", stream) as streamed:
            assert "id: 1\n" in streamed


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _order() -> dict[str, Any]:
    """The body of the first submit."""
    body: dict[str, Any] = json.loads(re.findall(r"-d '(.*?)'", SUBMIT, re.DOTALL)[0])
    return body


def _video(model: str) -> dict[str, str]:
    return {"model": model, "prompt": "A fox in snow"}
