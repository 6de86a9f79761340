"""Many workers use one provider account: they share its rate budget."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.cli import TIMEOUT_S, Cli, read_settings
from tests.support.postgres import Databases

SPEED = "2"  # a platform that documents 20 queries a second then takes 40
WORKERS = 4
TASKS = 80
POLLS = 60  # more than the rate budget holds at first, so that it is refilled many times


@pytest.fixture
def ledger(databases: Databases) -> Iterator[str]:
    """A database on a real server."""
    url = databases.make()
    yield url
    databases.drop(url)


def _until_polled(origin: str) -> Any:
    """The simulator's records, when they have that many polls, or one that was throttled."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        books = httpx.get(f"{origin}/_simulator/books", trust_env=False, timeout=30).json()
        if books["throttled"] or sum(task["status_queries"] for task in books["tasks"]) >= POLLS:
            return books
        assert time.monotonic() < until, books
        time.sleep(0.2)


def _make_all_due(ledger: str) -> None:
    with closing(psycopg.connect(ledger, autocommit=True)) as connection:
        assert connection.execute("UPDATE tasks SET next_poll_ms = 0").rowcount == TASKS


def test_four_workers_together_never_poll_faster_than_the_platform_allows_one_account(cli: Cli, ledger: str) -> None:
    with cli.running("simulate", "--port", "0", "--speed", SPEED) as simulator:
        settings = read_settings(simulator)
        del settings["WHENFINAL_PUBLIC_URL"]
        origin = settings["DASHSCOPE_BASE_URL"].partition("/dashscope")[0]
        node = cli.with_settings(**settings, WHENFINAL_DATABASE_URL=ledger)
        video = {"model": "happyhorse-1.1-t2v", "prompt": "a fox #simulate:stuck"}
        lines = [json.dumps({"provider": "dashscope", "video": video}) for _ in range(TASKS)]
        submitted = node.run("submit", "-", stdin="\n".join(lines))
        assert submitted.status == 0, submitted.err
        _make_all_due(ledger)
        with ExitStack() as stack:
            workers = [stack.enter_context(node.running("worker")) for _ in range(WORKERS)]
            for worker in workers:
                assert worker.line_with("working; ")
            books = _until_polled(origin)
        assert books["throttled"] == []
