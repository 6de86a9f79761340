"""Migrations: from empty, at once, and a database that is behind."""

import asyncio

import pytest

from receiver.runtime.store import open_store
from receiver.store.engine import Reader, Row, Tx
from receiver.store.errors import SchemaAhead, SchemaBehind, StoreError
from receiver.store.migrate import known_migrations, migrate
from receiver.webhooks.model.replay import ReplayRange
from tests.support.builders import SECRET, T0
from tests.support.delivery_fixtures import finish, lease, subscribe
from tests.support.tables import engine_at, rows_of

KNOWN = tuple(name for name, _ in known_migrations())

#: A ledger as the first migration left it: one delivery due, one later, one leased, one done.
BEFORE_SUBSCRIPTIONS = f"""
INSERT INTO tasks (
    id, provider, task_id, state, raw_state, request, request_hash, labels, notify_url, notify_secret, outputs, adopted,
    callback_expected, created_ms, polls, submits
) VALUES (
    'tsk_1', 'hiapi', 'p1', 'succeeded', 'ok', '{{}}', '', '{{}}', 'https://a.example/?k=1', '{SECRET}', '[]', 0, 0,
    {T0}, 0, 1
);
INSERT INTO events (seq, id, task, type, at_ms, body)
SELECT value, 'evt_' || value, 'tsk_1', 'task.succeeded', {T0}, '{{"data": {{"task": {{}}}}}}'
FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS numbers;
UPDATE counters SET value = 4 WHERE name = 'events';
INSERT INTO deliveries (
    id, event_seq, event_id, event_type, task, endpoint, state, attempts, due_ms, created_ms, lease_owner,
    lease_until_ms
) VALUES
    ('dlv_due', 1, 'evt_1', 'task.succeeded', 'tsk_1', 'https://a.example/?k=1', 'pending', 2, {T0}, 1, NULL, NULL),
    ('dlv_later', 2, 'evt_2', 'task.succeeded', 'tsk_1', 'https://b.example/', 'pending', 0, {T0 + 60}, 1, NULL, NULL),
    ('dlv_leased', 3, 'evt_3', 'task.succeeded', 'tsk_1', 'https://c.example/', 'pending', 0, 1, 1, 'w', {T0 + 60}),
    ('dlv_done', 4, 'evt_4', 'task.succeeded', 'tsk_1', 'https://d.example/', 'delivered', 1, NULL, 1, NULL, NULL);
"""


async def test_migrations_are_applied_once_in_order(empty_url: str) -> None:
    async with engine_at(empty_url) as engine:
        assert await migrate(engine, T0) == KNOWN
        assert await migrate(engine, T0) == ()


async def test_processes_that_migrate_at_once_agree(empty_url: str) -> None:
    async with engine_at(empty_url) as one, engine_at(empty_url) as two, engine_at(empty_url) as three:
        applied = await asyncio.gather(*(migrate(engine, T0) for engine in (one, two, three)))
    assert sorted(sum(applied, ())) == list(KNOWN)


async def _as_the_first_migration_left_it(tx: Tx) -> None:
    name, script = known_migrations()[0]
    await tx.execute("open_migrations")
    await tx.run_script(script)
    await tx.execute("insert_migration", name=name, now_ms=1)
    await tx.run_script(BEFORE_SUBSCRIPTIONS)


async def test_a_pending_delivery_from_before_subscriptions_is_still_delivered(empty_url: str) -> None:
    async with engine_at(empty_url) as engine:
        await engine.write(_as_the_first_migration_left_it)
    async with open_store(empty_url, clock=lambda: T0, migrating=True) as store:
        leased = await lease(store)
        assert [(due.id, due.url, due.secrets, due.attempts) for due in leased] == [
            ("dlv_due", "https://a.example/?k=1", (SECRET,), 2)
        ]
        await finish(store, leased)
        assert [due.id for due in await lease(store, now_ms=T0 + 60)] == ["dlv_leased", "dlv_later"]
        await subscribe(store)
        scope = await store.replays.begin("sub_1", ReplayRange(), actor="ann", now_ms=T0)
        batch = await store.replays.requeue_batch("sub_1", ReplayRange(), scope, limit=9, now_ms=T0)
        assert batch.requeued == 4
        assert await store.outbox.redeliver("dlv_done", actor="ann", now_ms=T0)
        assert {due.event_id for due in await lease(store)} == {"evt_1", "evt_2", "evt_3", "evt_4"}


#: Of the events 1 to 3 the last two were stored by such a process, with their deliveries.
STORED_WITH_ITS_DELIVERY = """
UPDATE counters SET value = 3 WHERE name = 'events';
UPDATE counters SET value = 1 WHERE name = 'fanned_out';
INSERT INTO deliveries (id, event_seq, event_id, event_type, task, endpoint_id, endpoint, state, attempts, created_ms)
    VALUES ('dlv_3', 3, 'evt_3', 'task.succeeded', 't', 'e', 'https://a.example/', 'pending', 0, 1);
"""

#: What a process from before migration 0012 says to store an event, to change a subscription, and to say that it
#: is ready.
BEFORE_FAN_OUT = (
    "UPDATE counters SET value = value + 1 WHERE name = 'events' RETURNING value",
    "UPDATE counters SET value = value + 1 WHERE name = 'subscriptions'",
    "UPDATE counters SET value = value + 1 WHERE name = 'checks'",
)


@pytest.mark.parametrize("statement", BEFORE_FAN_OUT)
async def test_a_process_that_makes_deliveries_with_their_events_cannot_go_on(empty_url: str, statement: str) -> None:
    """Else each event that it stores would be delivered twice to the task's own `notify`."""

    async def until_0013(tx: Tx) -> None:
        for name, script in known_migrations():
            if name < "0014":
                await tx.run_script(script)

    async def work(tx: Tx) -> None:
        await tx.run_script(f"{statement};\n")

    async def rest(tx: Tx) -> None:
        for name, script in known_migrations():
            if name >= "0014":
                await tx.run_script(script)

    async with engine_at(empty_url) as engine:
        await engine.write(until_0013)
        await engine.write(work)
        await engine.write(rest)
        with pytest.raises(StoreError, match="counters"):
            await engine.write(work)


async def test_what_an_older_process_stored_with_its_deliveries_gets_no_second_ones(empty_url: str) -> None:
    """It went on between the two migrations: its event has a delivery, and the counter does not say so."""

    async def meanwhile(tx: Tx) -> None:
        for name, script in known_migrations():
            if name < "0014":
                await tx.run_script(script)
        await tx.run_script(STORED_WITH_ITS_DELIVERY)

    async def rest(tx: Tx) -> None:
        for name, script in known_migrations():
            if name >= "0014":
                await tx.run_script(script)

    async def place(reader: Reader) -> Row | None:
        return await reader.fetch_one("fan_out_place")

    async with engine_at(empty_url) as engine:
        await engine.write(meanwhile)
        await engine.write(rest)
        found = await engine.read(place)
        assert found is not None
        assert (found["done"], found["newest"]) == (3, 3)


async def test_an_empty_database_is_behind_and_says_what_to_run(empty_url: str) -> None:
    with pytest.raises(SchemaBehind, match=r"0001_ledger.*whenfinal migrate"):
        async with open_store(empty_url, clock=lambda: T0, migrating=False):
            pass


@pytest.mark.parametrize("migrating", [True, False])
async def test_a_ledger_of_a_newer_version_is_refused_in_words_and_left_as_it_is(
    empty_url: str, migrating: bool
) -> None:
    async def newer(tx: Tx) -> None:
        await tx.execute("insert_migration", name="9999_flying", now_ms=T0)

    async with open_store(empty_url, clock=lambda: T0, migrating=True) as store:
        await store.engine.write(newer)
    before = rows_of(empty_url, "SELECT name FROM migrations ORDER BY name")
    with pytest.raises(SchemaAhead, match=r"9999_flying.*restore the backup"):
        async with open_store(empty_url, clock=lambda: T0, migrating=migrating):
            pass
    assert rows_of(empty_url, "SELECT name FROM migrations ORDER BY name") == before


async def test_a_broken_migration_leaves_nothing_behind(empty_url: str) -> None:
    async def work(tx: Tx) -> None:
        await tx.run_script("CREATE TABLE half (a TEXT);\nCREATE TABLE half (a TEXT);\n")

    async def again(tx: Tx) -> None:
        await tx.run_script("CREATE TABLE half (a TEXT);\n")

    async with engine_at(empty_url) as engine:
        with pytest.raises(StoreError):
            await engine.write(work)
        await engine.write(again)
