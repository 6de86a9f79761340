"""The Procfile runs as it stands: `release` once, then `web` and `worker` until they are told to stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_LIMIT_S = 60


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"PATH": f"{BIN}:{os.environ['PATH']}", "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    return ours | {"WHENFINAL_DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db", "HOME": str(tmp_path)}


def _honcho(*arguments: str) -> list[str]:
    return [str(BIN / "honcho"), "--procfile", str(ROOT / "Procfile"), "--no-prefix", *arguments]


@pytest.fixture
def running(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*_honcho("--app-root", str(tmp_path), "start", "web", "worker")]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=PIPE, stderr=STDOUT, text=True) as process:
        yield process
        process.kill()


def _wait_until_healthy(port: str) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("web did not become healthy")


def test_the_procfile_names_the_three_kinds_of_process() -> None:
    run = subprocess.run(_honcho("check"), check=True, stdout=PIPE, stderr=STDOUT, text=True)
    assert "(web, worker, release)" in run.stdout


def test_release_makes_the_database_and_ends_well(environment: dict[str, str], tmp_path: Path) -> None:
    command = _honcho("--app-root", str(tmp_path), "start", "release")
    run = subprocess.run(command, cwd=tmp_path, env=environment, check=False, stdout=PIPE, stderr=STDOUT, text=True)
    assert run.returncode == 0, run.stdout
    assert (tmp_path / "ledger.db").exists()


def test_web_and_worker_share_one_file_and_stop_when_told(
    running: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    _wait_until_healthy(environment["PORT"])
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate()
    assert "SIGKILL" not in said, said
    assert "Traceback" not in said, said
