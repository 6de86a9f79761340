"""What the real server answers while its ledger cannot be written, and that nothing is lost or claimed meanwhile."""

import asyncio
import hashlib
import hmac
import json
import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.cli import API_KEYS, BOUND_BY_MODES, OPERATOR, Cli, Process

SECRET = "the-webhook-secret-of-these-tests"
AUTH = {"Authorization": f"Bearer {OPERATOR}"}


@pytest.fixture
def receiving(cli: Cli) -> Cli:
    """One provider at an address where nobody is, whose signed callbacks are adopted."""
    return cli.with_settings(
        HIAPI_API_KEY="a-key",
        HIAPI_BASE_URL="http://127.0.0.1:9",
        HIAPI_WEBHOOK_SECRET=SECRET,
        WHENFINAL_API_KEYS=API_KEYS,
    )


@pytest.fixture
def server(receiving: Cli) -> Iterator[Process]:
    with receiving.running("serve", "--port", "0") as process:
        assert process.url
        yield process


#: One for all: making a client reads the certificates of the machine, which no test here needs.
HTTP = httpx.Client(verify=False, trust_env=False, timeout=30)


@pytest.fixture(autouse=True, scope="module")
def _closed_at_the_end() -> Iterator[None]:
    yield
    HTTP.close()


def _call_back(url: str, provider_task_id: str) -> httpx.Response:
    output = [{"url": "https://cdn.example/v.mp4", "type": "video"}]
    body = json.dumps({"taskId": provider_task_id, "status": "success", "output": output}).encode()
    now = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-HiAPI-Timestamp": now, "X-HiAPI-Signature": signature}
    return HTTP.post(f"{url}/callbacks/hiapi", content=body, headers=headers)


def _events(url: str) -> list[str]:
    """The providers' ids of all ended tasks, in the order of their events."""
    ids: list[str] = []
    after = 0
    while True:
        page = HTTP.get(f"{url}/v1/events", params={"after": after}, headers=AUTH).json()
        if not page["events"]:
            return ids
        ids += [event["task"]["task_id"] for event in page["events"]]
        after = page["next_after"]


def _says_unavailable(reply: httpx.Response) -> bool:
    return reply.status_code == 503 and int(reply.headers["retry-after"]) > 0


def test_a_ledger_locked_by_another_process_answers_503_and_then_takes_the_callback_once(
    server: Process, cli: Cli
) -> None:
    other = sqlite3.connect(cli.folder / "whenfinal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert _says_unavailable(_call_back(server.url, "p1"))
    assert HTTP.get(f"{server.url}/readyz").status_code == 503
    assert HTTP.get(f"{server.url}/healthz").status_code == 200
    other.execute("ROLLBACK")
    other.close()
    assert [_call_back(server.url, "p1").status_code for _ in range(2)] == [204, 200]
    assert _events(server.url) == ["p1"]


def test_a_disk_that_is_full_at_commit_answers_503_and_what_was_answered_204_is_kept(server: Process, cli: Cli) -> None:
    """The kernel refuses the server to let any file grow: what a full disk does, without filling one."""
    taken = [task for task in ("a", "b") if _call_back(server.url, task).status_code == 204]
    largest = max(path.stat().st_size for path in cli.folder.iterdir())
    unlimited = resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (largest, unlimited[1]))
    refused: list[str] = []
    for number in range(2000):
        reply = _call_back(server.url, f"f{number}")
        (taken if reply.status_code == 204 else refused).append(f"f{number}")
        if refused:
            assert _says_unavailable(reply)
            break
    assert refused
    resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, unlimited)
    assert _call_back(server.url, refused[0]).status_code == 204
    assert _events(server.url) == taken + refused


def test_a_ledger_that_may_only_be_read_is_said_in_one_line(receiving: Cli) -> None:
    assert receiving.run("migrate").status == 0
    for path in receiving.folder.iterdir():
        path.chmod(0o444)
    receiving.folder.chmod(0o555)
    ended = receiving.with_prefix(*BOUND_BY_MODES).run("serve", "--port", "0")
    receiving.folder.chmod(0o755)
    assert ended.status == 1
    assert "readonly" in ended.err
    assert len(ended.err.splitlines()) == 1


def _answers(server: Process, task: str) -> list[int]:
    order = {"provider": "hiapi", "video": {"model": "happyhorse-1.1/text-to-video", "prompt": "a fox"}}
    return [
        _call_back(server.url, task).status_code,
        HTTP.post(f"{server.url}/v1/tasks", json=order, headers=AUTH).status_code,
        HTTP.get(f"{server.url}/v1/tasks", headers=AUTH).status_code,
        HTTP.get(f"{server.url}/readyz").status_code,
    ]


def test_a_ledger_whose_folder_is_moved_away_is_answered_503_and_goes_on_when_it_is_back(
    receiving: Cli, tmp_path: Path
) -> None:
    place = tmp_path / "ledger"
    place.mkdir()
    with receiving.with_settings(WHENFINAL_DATABASE_URL=f"sqlite:///{place}/w.db").running(
        "serve", "--port", "0"
    ) as server:
        assert _call_back(server.url, "p1").status_code == 204
        place.rename(tmp_path / "away")
        for number in range(3):
            assert _answers(server, f"q{number}") == [503] * 4
        assert "deleted, moved or replaced" in HTTP.get(f"{server.url}/readyz").json()["detail"]
        assert HTTP.get(f"{server.url}/healthz").status_code == 200
        time.sleep(1.5)  # as long as every job needs to find it gone, too
        (tmp_path / "away").rename(place)
        assert [_call_back(server.url, task).status_code for task in ("p1", "p2")] == [200, 204]
        assert _events(server.url) == ["p1", "p2"]
        assert server.stop() == 0
    told = [line for line in server.lines if "ledger" in line and "503" in line]
    assert len(told) == 1, server.lines
    assert not [line for line in server.lines if "store_unavailable" in line or "job_failed" in line]


@pytest.mark.parametrize("which", [("",), ("", "-wal", "-shm"), ("-wal",)])
def test_a_ledger_that_is_deleted_is_answered_503_until_a_restart(
    server: Process, receiving: Cli, which: tuple[str, ...]
) -> None:
    assert _call_back(server.url, "p1").status_code == 204
    for suffix in which:
        (receiving.folder / f"whenfinal.db{suffix}").unlink()
    assert _answers(server, "p2") == [503] * 4
    assert server.stop() == 0
    with receiving.running("serve", "--port", "0") as again:
        assert _call_back(again.url, "p2").status_code == 204


def test_a_ledger_in_memory_is_refused_in_one_line(receiving: Cli) -> None:
    for url in ("sqlite:///:memory:", "sqlite:///file::memory:?cache=shared"):
        for command in (("serve", "--port", "0"), ("migrate",), ("tasks", "list")):
            ended = receiving.with_settings(WHENFINAL_DATABASE_URL=url).run(*command)
            assert (ended.status, len(ended.err.splitlines())) == (2, 1)
            assert "in memory" in ended.err


async def test_kill_9_amid_callbacks_loses_nothing_that_was_answered(receiving: Cli) -> None:
    answered: set[str] = set()

    async def post(url: str, number: int) -> None:
        try:
            reply = await asyncio.to_thread(_call_back, url, f"p{number}")
        except httpx.TransportError:
            return
        if reply.status_code == 204:
            answered.add(f"p{number}")

    with receiving.running("serve", "--port", "0") as first:
        url = first.url
        posts = [asyncio.create_task(post(url, number)) for number in range(120)]
        while len(answered) < 30:
            await asyncio.sleep(0.001)
        first.popen.send_signal(signal.SIGKILL)
        await asyncio.gather(*posts)
    with receiving.running("serve", "--port", "0") as second:
        stored = await asyncio.to_thread(_events, second.url)
        again = [await asyncio.to_thread(_call_back, second.url, f"p{number}") for number in range(120)]
        ended = await asyncio.to_thread(_events, second.url)
    assert answered <= set(stored)
    assert {reply.status_code for reply in again} <= {200, 204}
    assert sorted(ended) == sorted(f"p{number}" for number in range(120))


def test_two_servers_on_one_file_give_one_event_for_a_callback_to_both(receiving: Cli) -> None:
    with receiving.running("serve", "--port", "0") as one, receiving.running("serve", "--port", "0") as two:
        statuses = [_call_back(process.url, f"p{n}").status_code for n in range(20) for process in (one, two)]
        assert statuses == [204, 200] * 20
        assert _events(one.url) == _events(two.url) == [f"p{n}" for n in range(20)]
