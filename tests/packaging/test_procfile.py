"""The Procfile runs as it stands: `release` once, then `web` and `worker` until they are told to stop."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, STDOUT

import httpx
import pytest

from tests.support.postgres import Databases

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_LIMIT_S = 60


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """For a ledger in a file."""
    ours = {"PATH": f"{BIN}:{os.environ['PATH']}", "PORT": str(_free_port()), "PYTHONUNBUFFERED": "1"}
    return ours | {"WHENFINAL_DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db", "HOME": str(tmp_path)}


def _free_port() -> int:
    """With a free one after it: honcho gives a second process of a kind the next number.

    Below those that a system hands out by itself, or another test would be given them before these begin to listen.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as free, socket.socket() as after, suppress(OSError):
            free.bind(("127.0.0.1", port))
            after.bind(("127.0.0.1", port + 1))
            return port


@pytest.fixture
def on_a_server(environment: dict[str, str], databases: Databases) -> Iterator[dict[str, str]]:
    """The same for a ledger on Postgres."""
    url = databases.make()
    yield environment | {"WHENFINAL_DATABASE_URL": url}
    databases.drop(url)


def _honcho(*arguments: str) -> list[str]:
    return [str(BIN / "honcho"), "--procfile", str(ROOT / "Procfile"), "--no-prefix", *arguments]


@contextmanager
def _running(folder: Path, environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    command = _honcho("--app-root", str(folder), "start", *options, "web", "worker")
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=PIPE, stderr=STDOUT, text=True) as process:
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


def _stop_well(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert "SIGKILL" not in said, said
    assert "Traceback" not in said, said


def test_web_and_worker_share_one_file_and_stop_when_told(environment: dict[str, str], tmp_path: Path) -> None:
    with _running(tmp_path, environment) as process:
        _wait_until_healthy(environment["PORT"])
        _stop_well(process)


def test_two_of_each_share_one_postgres_and_stop_when_told(on_a_server: dict[str, str], tmp_path: Path) -> None:
    released = subprocess.run(
        _honcho("--app-root", str(tmp_path), "start", "release"), cwd=tmp_path, env=on_a_server, check=False
    )
    assert released.returncode == 0
    first = on_a_server["PORT"]
    key = "a-key-of-these-tests-0123456789"
    environment = on_a_server | {"WHENFINAL_API_KEYS": f"test:read+operate:{key}"}
    with _running(tmp_path, environment, "--concurrency", "web=2,worker=2") as process:
        for port in (first, str(int(first) + 1)):
            _wait_until_healthy(port)
        headers = {"Authorization": f"Bearer {key}"}
        order = {"url": "https://hooks.example/a"}
        made = httpx.post(f"http://127.0.0.1:{first}/v1/subscriptions", json=order, headers=headers, timeout=60)
        assert made.status_code == 201, made.text
        seen = httpx.get(f"http://127.0.0.1:{int(first) + 1}/v1/subscriptions", headers=headers, timeout=60).json()
        assert [each["id"] for each in seen["subscriptions"]] == [made.json()["id"]]
        _stop_well(process)
