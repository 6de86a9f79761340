"""What the README tells a new user to type, as it stands there, against the simulated platforms."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.docs.readme import README
from tests.system.cli import OPERATOR, PATIENCE_S, WHENFINAL, Cli, Ended

SECTION = README.read_text(encoding="utf-8").partition("## First use")[2].partition("\n## ")[0]
SH = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
ASK = re.compile(r"^curl [^\n]*tsk_\.\.\..*$", re.MULTILINE)
STANDARD_URL = "http://127.0.0.1:8000"


@pytest.fixture
def url(simulated: Cli) -> Iterator[str]:
    with simulated.running("serve", "--port", "0") as server:
        yield server.url


def _typed(cli: Cli, *command: str) -> Ended:
    """In a shell that has the settings of a simulator, the command and the API's key."""
    at_hand = {**cli.environment, "KEY": OPERATOR, "PATH": f"{WHENFINAL.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cli.folder, env=at_hand, capture_output=True, timeout=PATIENCE_S, check=False)
    return Ended(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


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
