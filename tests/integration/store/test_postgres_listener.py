"""Announcements on a real server: what is announced, what is not, and what follows a lost connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from receiver.runtime.store import Store, open_store
from receiver.store import postgres_listener
from receiver.store.engine import Listener, Tx
from receiver.store.errors import StoreError
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.replay import ReplayRange
from submitter.model import TaskId, TaskState
from tests.support.builders import T0, a_report, a_task
from tests.support.delivery_fixtures import finish, lease, publish_events, subscribe
from tests.support.postgres import Databases, NoServer, Server, no_server, own_server
from tests.support.tables import rows_of

TIMEOUT_S = 30.0
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
CUT = f"SELECT pg_terminate_backend(pid) FROM ({LISTENERS}) listeners"


@dataclass(eq=False)
class Counter:
    """Counts the notifications of one process."""

    listener: Listener
    _received: list[None]

    @property
    def count(self) -> int:
        return len(self._received)

    def reset(self) -> None:
        self._received.clear()


@asynccontextmanager
async def _counting(store: Store, url: str | None = None) -> AsyncIterator[Counter]:
    """Not yet listening."""
    received: list[None] = []
    listener = store.engine.listener(url, lambda: received.append(None))
    assert listener is not None
    counter = Counter(listener, received)
    running = asyncio.create_task(listener.run())
    try:
        yield counter
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert not counter.listener.is_live


@asynccontextmanager
async def _listening(store: Store) -> AsyncIterator[Counter]:
    """The notification of the beginning is not counted."""
    async with _counting(store) as counter:
        await _until(lambda: counter.listener.is_live)
        assert counter.count == 1
        counter.reset()
        yield counter


async def _until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.fixture(name="one")
async def _one(postgres_url: str) -> AsyncIterator[Store]:
    async with open_store(postgres_url, clock=lambda: T0, migrating=False) as store:
        yield store


@pytest.fixture(name="other")
async def _other(postgres_url: str) -> AsyncIterator[Store]:
    """The ledger as another process has it."""
    async with open_store(postgres_url, clock=lambda: T0, migrating=False) as store:
        yield store


@pytest.fixture(name="server")
def _server() -> Iterator[Server]:
    try:
        with own_server() as server:
            yield server
    except NoServer as error:
        pytest.skip(no_server(error))


async def test_a_batch_of_events_is_announced_once_and_not_to_its_own_process(one: Store, other: Store) -> None:
    async with _listening(one) as mine, _listening(other) as theirs:
        await publish_events(one, 20)
        await _until(lambda: theirs.count)
        await publish_events(other, 1, first=21)
        await _until(lambda: mine.count)  # all arrives in the order of commits, so its own would have arrived before
        assert (mine.count, theirs.count) == (1, 1)


async def test_what_makes_neither_an_event_nor_a_due_delivery_is_not_announced(one: Store, other: Store) -> None:
    async with _listening(other) as theirs:
        await one.submissions.open_task(a_task("tsk_1", provider_task_id="p1", state=TaskState.RUNNING), T0)
        await one.ledger.record([a_report(TaskState.RUNNING, progress=0.5)], T0)
        await one.ledger.make_due([TaskId("tsk_1")], T0)
        assert await one.ledger.mark_overdue(T0) == 0
        await one.check()
        await publish_events(one, 1)
        await _until(lambda: theirs.count)
        assert theirs.count == 1


async def test_what_was_rolled_back_is_not_announced(one: Store, other: Store) -> None:
    async with _listening(other) as theirs:

        async def work(tx: Tx) -> None:
            await tx.announce()
            raise StoreError("no")

        with pytest.raises(StoreError):
            await one.engine.write(work)
        await publish_events(one, 1)
        await _until(lambda: theirs.count)
        assert theirs.count == 1


async def test_deliveries_that_an_operator_requeues_are_announced(one: Store, other: Store) -> None:
    await subscribe(one)
    await publish_events(one, 2)
    await finish(one, await lease(one), DeliveryState.DEAD)
    first, _ = (await one.deliveries.deliveries(limit=10)).items
    async with _listening(other) as theirs:
        await one.outbox.redeliver(first.id, actor="ann", now_ms=T0)
        await _until(lambda: theirs.count == 1)
        scope = await one.replays.begin("sub_1", ReplayRange(), actor="ann", now_ms=T0)
        await one.replays.requeue_batch("sub_1", ReplayRange(), scope, limit=10, now_ms=T0)
        await _until(lambda: theirs.count == 2)


async def test_an_overdue_task_is_announced(one: Store, other: Store) -> None:
    await one.submissions.open_task(a_task(provider_task_id="p1", state=TaskState.RUNNING, deadline_ms=T0), T0)
    async with _listening(other) as theirs:
        assert await one.ledger.mark_overdue(T0 + 1) == 1
        await _until(lambda: theirs.count == 1)


async def test_a_connection_that_was_cut_is_opened_again_and_notifies_for_what_may_have_been_missed(
    one: Store, other: Store, postgres_url: str
) -> None:
    async with _listening(other) as theirs:
        ((before,),) = rows_of(postgres_url, LISTENERS)
        assert rows_of(postgres_url, CUT) == [(True,)]
        await _until(lambda: theirs.count)
        ((after,),) = rows_of(postgres_url, LISTENERS)
        assert (theirs.count, after != before) == (1, True)
        await publish_events(one, 1)
        await _until(lambda: theirs.count == 2)


async def test_a_server_that_was_down_is_listened_to_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_listener, "LONGEST_PAUSE_S", 0.2)
    async with open_store(server.url, clock=lambda: T0, migrating=True) as store, _listening(store) as counter:
        with capture_logs() as lines:
            server.stop("fast")
            await _until(lambda: not counter.listener.is_live)
            await asyncio.sleep(0.6)  # some failed tries, which are not logged one by one
            server.start()
            await _until(lambda: counter.listener.is_live)
        said = [line["event"] for line in lines if "listening" in line["event"]]
        assert (said, counter.count) == (["not_listening", "listening"], 1)
        async with open_store(server.url, clock=lambda: T0, migrating=False) as another:
            await publish_events(another, 1)
        await _until(lambda: counter.count == 2)


async def test_where_it_cannot_listen_it_warns_once_and_gives_no_password_away(
    one: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_listener, "LONGEST_PAUSE_S", 0.05)
    with capture_logs() as lines:
        async with _counting(one, "postgresql://ann:hush-hush@127.0.0.1:9/ledger") as counter:
            await _until(lambda: lines)
            await asyncio.sleep(0.5)
            assert not counter.listener.is_live
    (line,) = lines
    assert (line["event"], line["log_level"], line["instead"]) == ("not_listening", "warning", "polling")
    assert "refused" in line["error"]
    assert "hush" not in str(line)


async def test_another_database_is_found_out_because_nothing_arrives(
    one: Store, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_listener, "VERIFY_TIMEOUT_S", 0.3)
    with capture_logs() as lines:
        async with _counting(one, databases.url) as counter:
            await _until(lambda: lines)
            assert (counter.listener.is_live, counter.count) == (False, 0)
    assert "WHENFINAL_DATABASE_LISTEN_URL" in lines[0]["error"]


def test_a_url_that_names_no_server_is_refused_at_once(one: Store) -> None:
    with pytest.raises(StoreError, match="URL"):
        one.engine.listener("postgresql://host/db?no_such_option=1", lambda: None)
