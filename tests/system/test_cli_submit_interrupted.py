"""A submit of many lines that is interrupted, or whose service goes away: nothing is lost and nothing is paid twice."""

import json
import signal
import socket
import subprocess
from typing import IO

import pytest

from tests.support.cli import OPERATOR, TIMEOUT_S, WHENFINAL, Cli, request_line

LINES = 50  # more than two batches


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


def _submitting(cli: Cli, *options: str) -> subprocess.Popen[str]:
    lines = "\n".join(request_line(f"a fox {number} #simulate:stuck") for number in range(LINES))
    (cli.folder / "films.jsonl").write_text(lines)
    return subprocess.Popen(
        [WHENFINAL, "submit", "films.jsonl", "--json", *options],
        cwd=cli.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cli.folder), **cli.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """All that comes after what was read; `communicate` leaves out what that was buffered with."""
    assert process.stderr is not None
    return _out(process).read(), process.stderr.read()


def _at(port: int, simulated: Cli, folder_name: str) -> Cli:
    folder = simulated.folder / folder_name
    folder.mkdir()
    url = f"http://127.0.0.1:{port}"
    return Cli(folder=folder, environment={"WHENFINAL_URL": url, "WHENFINAL_API_KEY": OPERATOR})


def _stored(cli: Cli) -> list[str]:
    return [value["id"] for value in cli.run("tasks", "list", "--json", "--limit", "1000").values]


def test_after_ctrl_c_all_that_was_submitted_is_printed(simulated: Cli, port: int) -> None:
    at = _at(port, simulated, "shell")
    with simulated.running("serve", "--port", str(port)) as service:
        assert service.url
        with _submitting(at) as submitting:
            first = _out(submitting).readline()
            submitting.send_signal(signal.SIGINT)
            rest, err = _rest(submitting)
            assert submitting.wait(TIMEOUT_S) == 130, err
        printed = [json.loads(line)["id"] for line in (first + rest).splitlines()]
        assert 0 < len(printed) < LINES
        assert "interrupted" in err
        assert f"{LINES - len(printed)} of {LINES} lines were not submitted" in err
        assert sorted(printed) == sorted(_stored(at))


def test_a_service_that_is_away_for_a_while_gets_each_line_once(simulated: Cli, port: int) -> None:
    at = _at(port, simulated, "shell")
    with simulated.running("serve", "--port", str(port)) as service:
        assert service.url
        submitting = _submitting(at, "--key-prefix", "monday")
        with submitting:
            first = _out(submitting).readline()
            assert service.stop(signal.SIGKILL) != 0
            with simulated.running("serve", "--port", str(port)) as again:
                assert again.url
                rest, err = _rest(submitting)
                values = [json.loads(line) for line in (first + rest).splitlines()]
                assert {value["line"] for value in values} == set(range(1, LINES + 1)), err
                assert sorted(value["id"] for value in values) == sorted(_stored(at))
