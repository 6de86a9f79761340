"""Queued tasks at the command line: seen, explained, taken out, and sent after a kill."""

import json
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.cli import TIMEOUT_S, Cli, request_line


@pytest.fixture
def full(shell_with: Callable[..., Cli]) -> Cli:
    """An account with room for one task, which is taken for ever."""
    cli = shell_with(HIAPI_MAX_IN_FLIGHT="1")
    assert cli.run("submit", "-", "--json", stdin=request_line("x #simulate:stuck")).values[0]["state"] == "submitted"
    return cli


def _queued(cli: Cli, *options: str, **fields: Any) -> str:
    (value,) = cli.run("submit", "-", "--json", *options, stdin=request_line(**fields)).values
    assert value["state"] == "queued"
    return str(value["id"])


def test_a_task_without_room_is_queued_and_its_submit_says_who_sends_it(full: Cli) -> None:
    ended = full.run("submit", "-", stdin=request_line())
    assert (ended.status, ended.err) == (0, "")
    assert "1 in the queue: sent as there is room, by whenfinal serve or worker" in ended.out


def test_a_task_that_does_not_wait_is_refused_without_room_and_not_in_the_providers_name(full: Cli) -> None:
    ended = full.run("submit", "-", stdin=request_line(queue_for_s=0))
    assert ended.status == 1
    assert "the account hiapi has no room: as many tasks are in flight" in ended.err
    assert "Nothing was sent. With `queue_for_s` over 0 it waits in the queue instead" in ended.err
    assert "hiapi refused it" not in ended.err


def test_the_place_of_a_queued_task_is_shown_and_explained(full: Cli) -> None:
    first, second = _queued(full), _queued(full, priority=3)
    listed = full.run("tasks", "list", "--state", "queued", "--json").values
    assert [value["id"] for value in listed] == [second, first]
    assert [(value["queue"]["position"], value["queue"]["depth"]) for value in listed] == [(1, 2), (2, 2)]
    assert "2 of 2 in the queue" in full.run("tasks", "show", first).out
    (shown,) = full.run("tasks", "show", second, "--json").values
    assert (shown["queue"]["position"], shown["queue"]["priority"]) == (1, 3)
    explained = full.run("tasks", "explain", first).out
    assert "It is number 2 of 2 that wait for room at hiapi." in explained
    assert f"whenfinal tasks cancel {first}" in explained
    doctor = full.run("doctor", "--offline").out
    assert "2 queued (since " in doctor


def test_the_queue_is_listed_in_the_order_of_sending_with_its_length_below(full: Cli) -> None:
    early, late, urgent = _queued(full), _queued(full), _queued(full, priority=9)
    listed = full.run("tasks", "list", "--state", "queued").out
    heading, _, *rows, last = listed.splitlines()
    assert heading.split()[:5] == ["task", "provider", "place", "priority", "waiting"]
    assert [row.split()[0] for row in rows] == [urgent, early, late]
    assert [" ".join(row.split()[1:6]) for row in rows] == ["hiapi 1 of 3 9", "hiapi 2 of 3 0", "hiapi 3 of 3 0"]
    assert last.startswith("hiapi: 3 queued, the oldest for ")
    short = full.run("tasks", "list", "--state", "queued", "--limit", "1", "--provider", "hiapi")
    assert (urgent in short.out, early in short.out, "hiapi: 3 queued" in short.out) == (True, False, True)
    assert short.err == "only the first 1; see more with --limit\n"


def test_a_queued_task_is_taken_out_and_no_provider_hears_of_it(full: Cli) -> None:
    task = _queued(full)
    nobody = full.with_settings(HIAPI_BASE_URL="http://127.0.0.1:9")
    ended = nobody.run("tasks", "cancel", task)
    assert (ended.status, "is taken out of the queue" in ended.out) == (0, True)
    (shown,) = full.run("tasks", "show", task, "--json").values
    assert (shown["state"], shown["error"]["code"]) == ("canceled", "canceled")
    assert [event["type"] for event in full.run("events", "--json").values] == ["task.canceled"]
    assert nobody.run("tasks", "cancel", task).status == 1


@pytest.mark.parametrize("fields", [{"priority": 10}, {"queue_for_s": -1}])
def test_a_bad_priority_or_wait_is_named_and_nothing_is_submitted(full: Cli, fields: dict[str, Any]) -> None:
    ended = full.run("submit", "-", stdin=request_line(**fields))
    assert (ended.status, f"-:1: {next(iter(fields))}" in ended.err) == (2, True)
    assert full.run("tasks", "list", "--state", "queued", "--json").values == []


def test_queued_tasks_survive_kills_and_each_is_paid_once(simulated: Cli) -> None:
    cli = simulated.with_settings(HIAPI_MAX_IN_FLIGHT="2")
    prompts = [f"killed horse {number}" for number in range(18)]
    lines = "\n".join(request_line(prompt) for prompt in prompts)
    assert cli.run("submit", "-", "--json", stdin=lines).status == 0
    for ended in (4, 10):
        with cli.running("worker") as worker:
            assert worker.line_with("working; ")
            _until(cli, ended)
            worker.stop(signal.SIGKILL)
    with cli.running("worker") as worker:
        assert worker.line_with("working; ")
        _until(cli, len(prompts))
    origin = cli.environment["HIAPI_BASE_URL"].removesuffix("/hiapi")
    books = httpx.get(f"{origin}/_simulator/books", trust_env=False, timeout=60).json()
    paid = Counter(task["body"]["input"]["prompt"] for task in books["tasks"] if task["platform"] == "hiapi")
    assert [paid[prompt] for prompt in prompts] == [1] * len(prompts)
    types = Counter(event["type"] for event in cli.run("events", "--json").values)
    assert types == {"task.succeeded": len(prompts)}


def _until(cli: Cli, count: int) -> None:
    """Wait until that many tasks have succeeded."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        with closing(sqlite3.connect(f"file:{cli.folder / 'whenfinal.db'}?mode=ro", uri=True)) as ledger:
            found = Counter(dict(ledger.execute("SELECT state, COUNT(*) FROM tasks GROUP BY state")))
        if found["succeeded"] >= count:
            return
        assert time.monotonic() < until, json.dumps(found)
        time.sleep(0.1)
