"""What the README tells a new user to type, as it stands there, against the simulated platforms."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

import pytest

from tests.docs.readme import README
from tests.support.cli import OPERATOR, PATIENCE_S, WHENFINAL, Cli, Ended


def _blocks(section: str, language: str) -> list[str]:
    text = README.read_text(encoding="utf-8").partition(f"## {section}")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


SH, PYTHON = _blocks("First use", "sh"), _blocks("First use", "python")
CREATE, CURL = _blocks("Being told", "sh")
ENDPOINT, FOLLOWER = _blocks("Being told", "python")
ASK = re.compile(r"^curl [^\n]*tsk_\.\.\..*$", re.MULTILINE)
STANDARD_URL = "http://127.0.0.1:8000"


@pytest.fixture
def url(simulated: Cli) -> Iterator[str]:
    with simulated.running("serve", "--port", "0") as server:
        yield server.url


def _at_hand(cli: Cli, **more: str) -> dict[str, str]:
    """What a shell has that knows the settings of a simulator, the command and the API's key."""
    return {**cli.environment, **more, "KEY": OPERATOR, "PATH": f"{WHENFINAL.parent}:{os.environ['PATH']}"}


def _typed(cli: Cli, *command: str) -> Ended:
    done = subprocess.run(
        command, cwd=cli.folder, env=_at_hand(cli), capture_output=True, timeout=PATIENCE_S, check=False
    )
    return Ended(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


@contextmanager
def _running(cli: Cli, *command: str, **more: str) -> Iterator[Iterator[str]]:
    """The lines that it writes on stdout, until the test has seen enough; they end when patience does."""
    with subprocess.Popen(command, cwd=cli.folder, env=_at_hand(cli, **more), stdout=subprocess.PIPE, text=True) as it:
        deadline = Timer(PATIENCE_S, it.kill)
        deadline.start()
        assert it.stdout is not None
        try:
            yield iter(it.stdout)
        finally:
            deadline.cancel()
            it.kill()


def test_the_curl_lines_submit_and_wait_for_the_end(simulated: Cli, url: str) -> None:
    lines = SH[1].replace(STANDARD_URL, url)
    made = json.loads(_typed(simulated, "sh", "-c", ASK.sub("", lines)).out)
    ask = ASK.findall(lines)[0].replace("tsk_...", made["id"])
    assert json.loads(_typed(simulated, "sh", "-c", ask).out)["state"] == "succeeded"


def test_the_python_lines_run_as_they_stand(simulated: Cli, url: str) -> None:
    ended = _typed(simulated, sys.executable, "-c", PYTHON[0].replace(STANDARD_URL, url))
    assert (ended.status, ended.out.split()[0]) == (0, "succeeded"), ended.err


def test_the_command_line_needs_no_server_and_no_key_of_the_api(simulated: Cli) -> None:
    ended = _typed(simulated, "sh", "-c", SH[2])
    assert ended.status == 0, ended.err
    assert re.search(r"^state +succeeded$", ended.out, re.MULTILINE)


def test_the_ways_of_being_told_tell_the_end_of_a_task(simulated: Cli) -> None:
    home = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
    (home.folder / "hooks.py").write_text(ENDPOINT)
    port = _free_port()
    serve = re.findall(r"# (uvicorn hooks:app) --port 8001$", ENDPOINT, re.MULTILINE)[0].split()
    create, probe = CREATE.replace("https://you.example/", f"http://127.0.0.1:{port}/").splitlines()
    with home.running("serve", "--port", "0") as server:
        made = _typed(home, "sh", "-c", create)
        name, secret = made.out.split()[1], made.out.split()[-1]
        with _running(home, *serve, "--port", str(port), WEBHOOK_SECRET=secret) as heard:
            tests = (_typed(home, "sh", "-c", probe.replace("sub_...", name)).out for _ in range(PATIENCE_S))
            assert any(said.startswith("delivered: answered 204") for said in tests)
            order = {"provider": "hiapi", "video": _video(), "labels": {"team": "ads"}}
            assert home.run("submit", "-", stdin=json.dumps(order)).status == 0
            task = next(line for line in heard if "task.succeeded" in line).split()[2]
        with _running(home, sys.executable, "-c", FOLLOWER.replace(STANDARD_URL, server.url)) as followed:
            assert next(followed) == f"1 task.succeeded {task}\n"
        with _running(home, "sh", "-c", f"exec {CURL.replace(STANDARD_URL, server.url)}") as streamed:
            assert "id: 1\n" in streamed


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _video() -> object:
    """The video of the first order."""
    return json.loads(re.findall(r"-d '(.*?)'", SH[1], re.DOTALL)[0])["video"]
