"""The store through a pooler in transaction mode, where every transaction may meet another session."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from structlog.testing import capture_logs

from receiver.runtime.store import Store, open_store
from receiver.store import postgres, postgres_listener
from receiver.store.accounts import AccountStatus
from receiver.webhooks.model.replay import ReplayRange
from receiver.webhooks.replay_repository import ReplayBatch, ReplayScope
from submitter.model import TaskId, TaskState
from tests.support.builders import BUDGET, T0, a_receipt, a_report, a_task
from tests.support.delivery_fixtures import finish, lease, publish_events, subscribe
from tests.support.pgbouncer import SERVERS, NoPooler, pooled
from tests.support.postgres import Databases
from tests.support.reconcile_setup import a_poll

NODES, TASKS = 3, 40


@pytest.fixture(scope="module", name="url")
def _url(databases: Databases) -> Iterator[str]:
    """A ledger that was made through the pooler."""
    direct = databases.make()
    try:
        with pooled(direct) as url:
            yield url
    except NoPooler as error:
        pytest.skip(str(error))
    finally:
        databases.drop(direct)


@asynccontextmanager
async def _node(url: str) -> AsyncIterator[Store]:
    async with open_store(url, clock=lambda: T0, migrating=True) as store:
        yield store


async def test_nodes_with_more_connections_than_the_pooler_has_servers_agree_on_one_event_a_task(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "WAIT_S", 30.0)  # all of them wait for one row, and a machine may be busy
    async with _node(url) as one, _node(url) as two, _node(url) as three:
        reports = [a_report(provider_task_id=f"same{number}", allow_adoption=True) for number in range(TASKS)]
        await asyncio.gather(*(node.ledger.record([each], T0) for node in (one, two, three) for each in reports))
        found = await one.events.events(0, limit=1000)
        last = await one.events.last_seq()
        assert [event.seq for event in found] == list(range(1, last + 1))
        assert len({event.task_id for event in found}) == len(found) == TASKS


async def test_a_task_goes_all_its_way(url: str) -> None:
    async with _node(url) as store:
        await subscribe(store)
        await store.submissions.open_task(a_task("tsk_way"), T0)
        await store.submissions.store_receipt(TaskId("tsk_way"), a_receipt("way"), next_poll_ms=T0, now_ms=T0)
        (due,) = await store.polls.lease_due("hiapi", budget=BUDGET, owner="w", now_ms=T0, lease_ms=1000, limit=10)
        assert due.id == "tsk_way"
        await store.ledger.record([a_report(provider_task_id="way")], T0)
        await store.polls.release([a_poll("tsk_way", next_poll_ms=None)], owner="w", now_ms=T0)
        assert isinstance(await store.accounts.consume("hiapi", budget=BUDGET, count=1, now_ms=T0), AccountStatus)
        leased = await lease(store)
        assert [each.task_id for each in leased] == ["tsk_way"]
        await finish(store, leased)
        wanted = ReplayRange(first_seq=await store.events.last_seq())
        scope = await store.replays.begin("sub_1", wanted, actor="ann", now_ms=T0)
        assert isinstance(scope, ReplayScope)
        batch = await store.replays.requeue_batch("sub_1", wanted, scope, limit=10, now_ms=T0)
        assert isinstance(batch, ReplayBatch)
        assert (batch.requeued, len(await lease(store))) == (1, 1)
        task = await store.tasks.task(TaskId("tsk_way"))
        assert task is not None
        assert task.state is TaskState.SUCCEEDED
        await store.check()


async def test_nothing_is_left_behind_in_the_sessions_that_others_take_over(url: str) -> None:
    async with _node(url) as store:
        await asyncio.gather(*(publish_events(store, 5, first=1000 * number) for number in range(1, 4 * SERVERS)))
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as session:
        left = session.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),"
            " (SELECT COUNT(*) FROM pg_prepared_statements), (SELECT COUNT(*) FROM pg_listening_channels()),"
            " (SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory')"
        ).fetchone()
    assert left == ("0", "0", 0, 0, 0)


async def test_listening_through_it_is_found_out_to_hear_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_listener, "VERIFY_TIMEOUT_S", 0.5)
    async with _node(url) as store:
        received: list[None] = []
        listener = store.engine.listener(None, lambda: received.append(None))
        assert listener is not None
        with capture_logs() as lines:
            running = asyncio.create_task(listener.run())
            async with asyncio.timeout(30):
                while not lines:
                    await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
    assert (listener.is_live, received) == (False, [])
    assert "WHENFINAL_DATABASE_LISTEN_URL" in lines[0]["error"]
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as session:
        assert session.execute("SELECT COUNT(*) FROM pg_listening_channels()").fetchone() == (0,)
