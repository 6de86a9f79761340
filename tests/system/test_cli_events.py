"""`whenfinal events` over a ledger whose oldest events are no longer stored."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.runtime.store import open_store
from receiver.store.retention import START
from tests.support.builders import T0
from tests.support.cli import Cli
from tests.support.delivery_fixtures import publish_event_of, publish_events

DAY_MS = 86_400_000


async def _fill(folder: Path) -> None:
    """Events 1 to 3 are gone, 4 to 6 are there."""
    async with open_store(f"sqlite:///{folder / 'whenfinal.db'}", clock=lambda: T0, migrating=True) as store:
        await publish_events(store, 3, at_ms=T0 - DAY_MS)
        await store.retention.remove_events(START, limit=10, before_ms=T0)
        await publish_event_of(store, "tsk_4", labels={"film": "a"})
        await publish_event_of(store, "tsk_5", provider="dashscope", model="wan", labels={"film": "a", "team": "b"})
        await publish_event_of(store, "tsk_6", labels={"film": "b"})


@pytest.fixture(name="stored")
def _stored(cli: Cli, at: Callable[[Cli], Cli]) -> Cli:
    asyncio.run(_fill(cli.folder))
    return at(cli)


def _seqs(cli: Cli, *arguments: str) -> list[int]:
    return [event["seq"] for event in cli.run("events", "--json", *arguments).values]


def test_events_are_filtered_by_provider_model_and_labels(stored: Cli) -> None:
    assert _seqs(stored) == [4, 5, 6]
    assert _seqs(stored, "--provider", "dashscope") == [5]
    assert _seqs(stored, "--provider", "dashscope", "--provider", "hiapi", "--label", "film=a", "--after", "3") == [
        4,
        5,
    ]
    assert _seqs(stored, "--model", "wan", "--label", "film=a", "--label", "team=b") == [5]
    assert _seqs(stored, "--label", "film=a", "--label", "team=x") == []


def test_what_a_limit_leaves_out_is_noted_with_the_cursor_to_continue(stored: Cli) -> None:
    ended = stored.run("events", "--json", "--after", "3", "--limit", "2")
    assert ([event["seq"] for event in ended.values], "--after 5" in ended.err) == ([4, 5], True)


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_a_cursor_before_the_oldest_event_is_one_line_with_the_one_to_use(stored: Cli, follow: tuple[str, ...]) -> None:
    ended = stored.run("events", "--after", "1", *follow)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "no longer stored" in ended.err
    assert "--after 3" in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--after 7", "--after 7 is in the future; the newest event is 6"),
        ("--follow --after 7", "--after 7 is in the future; the newest event is 6"),
        ("--provider hiap", "--provider: is neither configured nor in the ledger"),
        ("--label film", "name=value"),
        ("--label film=a --label film=b", "a name is given twice"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(stored: Cli, arguments: str, words: str) -> None:
    ended = stored.run("events", *arguments.split())
    assert (ended.status, ended.out) == (2, "")
    assert words in " ".join(ended.err.split())
