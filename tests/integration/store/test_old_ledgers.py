"""A ledger whose last migration is 0002 opens, loses no row, and goes on."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from receiver.config.api_keys import Scope
from receiver.events.model.event import EventType
from receiver.runtime.key_repository import FIRST_ID, FirstKey
from receiver.runtime.store import Store, open_store
from receiver.store.errors import SchemaBehind
from receiver.store.migrate import known_migrations, migrate
from receiver.store.open import ledger_at
from receiver.store.url import LedgerFile
from receiver.webhooks.deliverer import DeliveryReport
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.http.messages import HttpReply
from submitter.model import Source, TaskId, TaskState
from submitter.standard_webhooks import verify_webhook
from tests.support.builders import a_report
from tests.support.deliverer_setup import open_deliverer
from tests.support.submission_setup import ScriptedTransport
from tests.support.tables import engine_at, rows_of

LEDGERS = Path(__file__).with_name("ledgers")
NOW_MS = 1_795_176_600_000  # after every lease in the ledger, before its long back-offs
SINCE = "0003"  # the first migration that the old version did not have

#: Every table of version 0002, and its name today.
TABLES = {
    "accounts": "accounts",
    "attempts": "attempts",
    "audit": "audit",
    "counters": "numbers",
    "deliveries": "deliveries",
    "events": "events",
    "kept": "metadata",
    "lanes": "endpoints",
    "observations": "observations",
    "subscriptions": "subscriptions",
    "task_labels": "task_labels",
    "tasks": "tasks",
}

EVERY, SLOW, HELD = (
    "sub_01m7wd7vf85y49qv3wfb3zadw1",
    "sub_01m7wd7yd00jxs1y7zbbqczv5s",
    "sub_01m7wd80bgdec599zj8876xg2h",
)
RUNNING = TaskId("tsk_01m7wdjbdw7g84tbsctr7zmasa")
NEWEST_SEQ = 9
ANSWERED = HttpReply(status=204, headers=(), body=b"")


@pytest.fixture(name="old_url")
def _old_url(empty_url: str) -> str:
    place = ledger_at(empty_url)
    if isinstance(place, LedgerFile):
        with closing(sqlite3.connect(place.path)) as file:
            file.executescript((LEDGERS / "ledger_0002_sqlite.sql").read_text(encoding="utf-8"))
    else:
        with closing(psycopg.connect(empty_url, autocommit=True)) as server:
            server.execute((LEDGERS / "ledger_0002_postgres.sql").read_text(encoding="utf-8").encode())
    return empty_url


def _rows(url: str, tables: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    return {old: rows_of(url, f"SELECT * FROM {name} ORDER BY 1, 2") for old, name in tables.items()}


async def test_a_process_that_must_not_migrate_names_what_an_old_ledger_lacks(old_url: str) -> None:
    with pytest.raises(SchemaBehind, match=SINCE):
        async with open_store(old_url, clock=lambda: NOW_MS, migrating=False):
            pass


async def test_the_migrations_change_no_row_of_an_old_ledger(old_url: str) -> None:
    before = _rows(old_url, {name: name for name in TABLES})
    async with engine_at(old_url) as engine:
        applied = await migrate(engine, NOW_MS)
    assert applied == tuple(name for name, _ in known_migrations() if name >= SINCE)
    after = _rows(old_url, TABLES)
    for name, rows in before.items():
        width = len(rows[0])  # later migrations may add columns
        added = [("api_keys", 0), ("durations", 0), ("fanned_out", NEWEST_SEQ)] if name == "counters" else []
        assert [row[:width] for row in after[name]] == sorted([*rows, *added])
    assert all(before.values())


async def test_the_first_key_of_an_old_ledger_works_on_and_no_other_is_made(old_url: str) -> None:
    async with open_store(old_url, clock=lambda: NOW_MS, migrating=True) as store:
        (first,) = (await store.keys.page(limit=9)).items
        assert first.sha256.hex() == await store.metadata.find("api_key_sha256")
        assert (first.id, first.name, first.scopes, first.created_ms) == (FIRST_ID, "first", frozenset(Scope), None)
        assert await store.keys.add_first(replace(first, sha256=b"\x01" * 32)) is FirstKey.NOT_NEEDED


async def test_what_an_old_ledger_holds_is_read_as_before(old_url: str) -> None:
    async with open_store(old_url, clock=lambda: NOW_MS, migrating=True) as store:
        assert await store.metadata.find("signing_key") == "fixture-signing-key-not-a-real-one-0001"
        slow, held = await store.subscriptions.find(SLOW), await store.subscriptions.find(HELD)
        assert slow is not None
        assert slow.endpoint is not None
        assert (slow.endpoint.throttled_rate_per_s, slow.endpoint.last_leased_ms) == (1.0, 1_795_176_509_620)
        assert held is not None
        assert held.subscription.state is SubscriptionState.DISABLED
        assert (await store.deliveries.backlog(EVERY)).pending == 3
        assert [event.seq for event in await store.events.events(0)] == list(range(1, 10))


async def test_deliveries_of_an_old_ledger_are_sent_and_a_replay_comes_last(old_url: str) -> None:
    transport = ScriptedTransport(*[ANSWERED] * 20)
    async with open_store(old_url, clock=lambda: NOW_MS, migrating=True) as store:
        waiting = {each.id for each in await _pending(store)}
        async with open_deliverer(store.outbox, clock=lambda: NOW_MS, per_endpoint=2) as deliverer:
            deliverer.transport = transport
            assert await deliverer.deliver_once(limit=64) == DeliveryReport(leased=5, delivered=5)
            assert await deliverer.deliver_once(limit=64) == DeliveryReport(leased=1, delivered=1)
        left = {each.id for each in await _pending(store)}
        every = await store.subscriptions.find(EVERY)
    assert (len(waiting - left), left < waiting) == (6, True)
    assert every is not None
    posts = [call for call in transport.sent if call.url == every.subscription.url]
    ids = [dict(call.headers)["webhook-id"] for call in posts]
    assert len(ids) == 3
    assert ids[-1] == "evt_01m7wdeyb80sy2yj1teaqxjt2k"  # requeued by a replay
    for call in posts:
        verify_webhook(every.subscription.secrets_at(NOW_MS), call.headers, call.body or b"", now_s=NOW_MS // 1000)


async def _pending(store: Store) -> list[Any]:
    return list((await store.deliveries.deliveries(state=DeliveryState.PENDING, limit=100)).items)


async def test_a_new_callback_continues_the_numbers_of_an_old_ledger(old_url: str) -> None:
    report = a_report(provider_task_id="tk-hiapi-fixture-0003", expected_task_id=RUNNING, source=Source.CALLBACK)
    async with open_store(old_url, clock=lambda: NOW_MS, migrating=True) as store:
        await store.ledger.record([report], NOW_MS)
        (event,) = await store.events.events(9)
        assert (event.seq, event.type, event.task_id) == (10, EventType.SUCCEEDED, RUNNING)
        task = await store.tasks.task(RUNNING)
        assert task is not None
        assert task.state is TaskState.SUCCEEDED
        found = [each for each in await _pending(store) if each.event_seq == 10]
        assert EVERY in {each.subscription for each in found}
        assert HELD not in {each.subscription for each in found}
