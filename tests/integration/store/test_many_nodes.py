"""Several processes over one ledger on Postgres: one result, whether a node is fast, slow or dead."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.store import Store, open_store
from receiver.store import postgres
from receiver.store.engine import Tx
from receiver.store.errors import StoreUnavailable
from receiver.tasks.model.task import Replayed, Task
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from submitter.model import ProviderTaskId, TaskState
from tests.support.builders import BUDGET, T0, a_report, a_task
from tests.support.delivery_fixtures import deliveries_of, publish_events, subscribe
from tests.support.reconcile_setup import a_poll

ROOT = Path(__file__).parents[3]
NODES, TASKS = 8, 60
TIMEOUT_S = 60.0


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@asynccontextmanager
async def _node(url: str, *arguments: str) -> AsyncIterator[Process]:
    """Ready, and waiting for the line that starts it."""
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.node", url, *arguments, cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    try:
        assert await _heard(node) == "ready"
        yield node
    finally:
        if node.returncode is None:
            node.kill()
        await node.wait()


async def _heard(node: Process) -> Any:
    assert node.stdout is not None
    return json.loads(await asyncio.wait_for(node.stdout.readline(), TIMEOUT_S))


def _tell_to_begin(nodes: Sequence[Process]) -> None:
    for node in nodes:
        assert node.stdin is not None
        node.stdin.write(b"\n")


async def _run_at_once(url: str, *commands: tuple[str, ...]) -> list[Any]:
    """What each node found."""
    async with AsyncExitStack() as stack:
        nodes = await asyncio.gather(*(stack.enter_async_context(_node(url, *command)) for command in commands))
        _tell_to_begin(nodes)
        return await asyncio.gather(*(_heard(node) for node in nodes))


async def _follow(store: Store, until: int) -> list[int]:
    """The numbers of all events as a reader by cursor meets them."""
    seen: list[int] = []
    while len(seen) < until:
        page = await store.events.events(seen[-1] if seen else 0, limit=7)
        seen += [event.seq for event in page]
        await asyncio.sleep(0 if page else 0.001)
    return seen


async def test_eight_nodes_that_hear_the_same_at_once_give_one_event_for_each_task(
    store: Store, database_url: str
) -> None:
    await subscribe(store)
    for number in range(TASKS):
        await store.submissions.open_task(a_task(f"tsk_{number}"), T0)
    reading = asyncio.create_task(_follow(store, 2 * TASKS))
    found = await _run_at_once(database_url, *(("record", str(n), str(TASKS)) for n in range(NODES)))
    verdicts = sum((Counter(each) for each in found), Counter[str]())
    assert verdicts == {"applied": 2 * TASKS, "duplicate": 2 * TASKS * (NODES - 1)}
    assert await asyncio.wait_for(reading, TIMEOUT_S) == list(range(1, 2 * TASKS + 1))
    events = await store.events.events(0, limit=10 * TASKS)
    assert len({event.task_id for event in events}) == len(events) == 2 * TASKS
    assert [each.event_seq for each in await deliveries_of(store)] == list(range(1, 2 * TASKS + 1))


async def test_a_submit_with_the_same_key_at_two_nodes_opens_one_task(store: Store, database_url: str) -> None:
    async with open_store(database_url, clock=lambda: T0, migrating=False) as other:
        for number in range(20):
            opened = [
                each.submissions.open_task(a_task(f"tsk_{letter}{number}", idempotency_key=f"key-{number}"), T0)
                for letter, each in (("a", store), ("b", other))
            ]
            one, two = await asyncio.gather(*opened)
            first, repeat = (one, two) if isinstance(one, Task) else (two, one)
            assert isinstance(first, Task)
            assert repeat == Replayed(task=replace(first, acknowledged=True))
    assert sum((await store.tasks.counts()).values()) == 20


async def test_a_receipt_and_a_callback_at_two_nodes_that_name_one_id_end_with_one_event(
    store: Store, database_url: str
) -> None:
    async with open_store(database_url, clock=lambda: T0, migrating=False) as other:
        for number in range(20):
            await store.submissions.open_task(a_task(f"tsk_{number}"), T0)
            await asyncio.gather(
                store.ledger.record([a_report(provider_task_id=f"p{number}", expected_task_id=f"tsk_{number}")], T0),
                other.ledger.record([a_report(provider_task_id=f"p{number}", allow_adoption=True)], T0),
            )
    counts = Counter(event.task_id for event in await store.events.events(0, limit=100))
    by_key = [await store.tasks.task_by_key("hiapi", ProviderTaskId(f"p{number}")) for number in range(20)]
    assert all(task is not None and task.state is TaskState.SUCCEEDED and counts[task.id] == 1 for task in by_key)
    assert await store.events.last_seq() == 20


async def test_workers_together_never_lease_more_of_an_endpoint_than_its_limit(store: Store, database_url: str) -> None:
    await subscribe(store, "sub_few_at_once", max_in_flight=3)
    await subscribe(store, "sub_few_a_second", rate_per_s=5.0)
    await publish_events(store, 100)
    await store.outbox.lease_deliveries(owner="first", now_ms=T0 - 1, lease_ms=1, limit=1, per_endpoint=1)
    found = await _run_at_once(database_url, *(("share", f"w{n}") for n in range(4)))
    leased = sum((Counter(each) for each in found), Counter[str]())
    assert leased["sub_few_at_once"] == 3
    assert 0 < leased["sub_few_a_second"] <= 5


async def test_what_a_killed_worker_held_is_taken_over_and_its_late_words_change_nothing(
    store: Store, database_url: str
) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    await store.submissions.open_task(a_task("tsk_due", next_poll_ms=T0), T0)
    async with _node(database_url, "lease", "dead") as node:
        _tell_to_begin([node])
        held = await _heard(node)
        assert (len(held["deliveries"]), held["tasks"]) == (3, ["tsk_due"])
        node.send_signal(signal.SIGKILL)
        await node.wait()
    soon, later = T0 + 59_999, T0 + 60_001
    assert await _leased(store, soon) == ([], [])
    assert await _leased(store, later) == (sorted(held["deliveries"]), ["tsk_due"])
    spoken = Attempt(at_ms=T0, latency_ms=1, status=204, error=None)
    late = [
        AttemptResult(delivery=name, owner="dead", endpoint_id="sub_1", attempt=spoken, state=DeliveryState.DELIVERED)
        for name in held["deliveries"]
    ]
    await store.outbox.record_attempts(late, later)
    await store.polls.release([a_poll("tsk_due", next_poll_ms=T0)], owner="dead", now_ms=later)
    assert {each.state for each in await deliveries_of(store)} == {DeliveryState.PENDING}
    assert await _leased(store, later + 1) == ([], [])  # still the second owner's


async def _leased(store: Store, now_ms: int) -> tuple[list[str], list[str]]:
    lease = await store.outbox.lease_deliveries(
        owner="next", now_ms=now_ms, lease_ms=9_000, limit=100, per_endpoint=100
    )
    tasks = await store.polls.lease_due("hiapi", budget=BUDGET, owner="next", now_ms=now_ms, lease_ms=9_000, limit=100)
    return sorted(each.id for each in lease.deliveries), [task.id for task in tasks]


async def test_a_node_that_is_killed_in_a_transaction_leaves_neither_a_gap_nor_a_lock(
    store: Store, database_url: str
) -> None:
    async with _node(database_url, "hold") as node:
        _tell_to_begin([node])
        assert await _heard(node) == "holding"
        waiting = asyncio.create_task(store.ledger.record([a_report(allow_adoption=True)], T0))
        node.send_signal(signal.SIGKILL)
        await asyncio.wait_for(waiting, TIMEOUT_S)
    assert [event.seq for event in await store.events.events(0)] == [1]


async def test_a_node_that_stops_in_a_transaction_holds_the_others_up_only_for_a_while(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_LIMITS", postgres._LIMITS.replace("'15s'", "'1500ms'"))
    holding = asyncio.Event()

    async def work(tx: Tx) -> None:
        await tx.fetch_one("reserve_event_numbers", count=1)
        holding.set()
        await asyncio.sleep(TIMEOUT_S)

    async with open_store(database_url, clock=lambda: T0, migrating=False) as other:
        frozen = asyncio.create_task(other.engine.write(work))
        await holding.wait()
        with monkeypatch.context() as shortened:
            shortened.setattr(postgres, "WAIT_S", 0.5)
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                await store.ledger.record([a_report(allow_adoption=True)], T0)
        await _until_recorded(store)
        for running in set(other.engine._running):  # type: ignore[attr-defined]  # the protocol has no such member; Postgres has
            running.cancel()
        await asyncio.gather(frozen, return_exceptions=True)
    assert [event.seq for event in await store.events.events(0)] == [1]


async def _until_recorded(store: Store) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                await store.ledger.record([a_report(allow_adoption=True)], T0)
            except StoreUnavailable:
                continue
            return


async def test_a_rate_budget_is_one_whatever_the_clocks_of_the_nodes_say(store: Store, database_url: str) -> None:
    for number in range(200):
        await store.submissions.open_task(a_task(f"tsk_{number:03}", next_poll_ms=T0 - 9_000), T0)
    async with open_store(database_url, clock=lambda: T0, migrating=False) as behind:
        taken = 0
        for _ in range(20):  # two clocks, three seconds apart, take turns: no time passes
            for node, now_ms in ((store, T0), (behind, T0 - 3_000)):
                leased = await node.polls.lease_due(
                    "hiapi", budget=BUDGET, owner="w", now_ms=now_ms, lease_ms=60_000, limit=10
                )
                taken += len(leased)
    assert taken == BUDGET.burst
