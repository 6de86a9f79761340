"""What is owed to endpoints."""

import asyncio

from receiver.records import Attempt, AttemptResult, DeliveryState, DueDelivery
from receiver.store import Store
from tests.builders import SECRET, T0, a_report, notified


async def _owe(store: Store, count: int, url: str = "https://hooks.example/a") -> None:
    for index in range(count):
        name = f"{url[-1]}{index}"
        await store.submits.open_task(notified(f"tsk_{name}", url), T0)
        await store.ledger.record([a_report(task_id=name, claim=f"tsk_{name}")], T0)


async def _lease(store: Store, owner: str = "a", *, now_ms: int = T0, per_lane: int = 8) -> list[DueDelivery]:
    return await store.outbox.lease_deliveries(
        owner=owner, now_ms=now_ms, lease_ms=10_000, limit=100, per_lane=per_lane
    )


def _result(due: DueDelivery, state: DeliveryState, due_ms: int | None = None, status: int = 500) -> AttemptResult:
    attempt = Attempt(at_ms=T0, latency_ms=12, status=status, error=None, response="no\x00")
    return AttemptResult(delivery=due.id, owner=due.owner, lane=due.lane, attempt=attempt, state=state, due_ms=due_ms)


async def test_a_leased_delivery_has_all_that_an_attempt_needs(store: Store) -> None:
    await _owe(store, 1)
    (due,) = await _lease(store)
    (event,) = await store.reading.events(0)
    assert (due.endpoint, due.secrets, due.body, due.event_id, due.attempts) == (
        "https://hooks.example/a",
        (SECRET,),
        event.body,
        event.id,
        0,
    )
    assert SECRET not in repr(due)


async def test_two_workers_never_lease_the_same_delivery(store: Store) -> None:
    for letter in "abcd":
        await _owe(store, 5, f"https://hooks.example/{letter}")
    turns = await asyncio.gather(*(_lease(store, f"w{n}", per_lane=2) for n in range(4)))
    leased = [due.id for turn in turns for due in turn]
    assert len(leased) == len(set(leased)) == 8


async def test_an_endpoint_never_has_more_in_flight_than_its_share(store: Store) -> None:
    await _owe(store, 6)
    assert len(await _lease(store, per_lane=4)) == 4
    assert await _lease(store, "b", per_lane=4) == []


async def test_endpoints_take_turns(store: Store) -> None:
    await _owe(store, 50, "https://hooks.example/a")
    await _owe(store, 1, "https://hooks.example/b")
    leased = await store.outbox.lease_deliveries(owner="a", now_ms=T0, lease_ms=1, limit=2, per_lane=8)
    assert {due.endpoint[-1] for due in leased} == {"a", "b"}


async def test_a_failed_attempt_is_due_again_at_its_time(store: Store) -> None:
    await _owe(store, 1)
    (due,) = await _lease(store)
    await store.outbox.record_attempts([_result(due, DeliveryState.PENDING, T0 + 5_000)], T0)
    assert await _lease(store, now_ms=T0 + 4_999) == []
    (again,) = await _lease(store, now_ms=T0 + 5_000)
    assert again.attempts == 1
    (attempt,) = await store.reading.attempts(due.id)
    assert (attempt.status, attempt.response) == (500, "no\\x00")


async def test_a_dead_letter_rests_until_it_is_redelivered(store: Store) -> None:
    await _owe(store, 1)
    (due,) = await _lease(store)
    await store.outbox.record_attempts([_result(due, DeliveryState.DEAD)], T0)
    assert await _lease(store, now_ms=T0 + 10**9) == []
    assert len((await store.reading.deliveries(state=DeliveryState.DEAD)).items) == 1
    revived = await store.outbox.redeliver(due.id, actor="ann", now_ms=T0 + 1)
    assert revived is not None
    (again,) = await _lease(store, now_ms=T0 + 1)
    assert (again.id, again.event_id, again.attempts) == (due.id, due.event_id, 0)


async def test_an_owner_that_lost_its_lease_leaves_only_its_attempt(store: Store) -> None:
    await _owe(store, 1)
    (late,) = await _lease(store, "late")
    (taken,) = await _lease(store, "next", now_ms=T0 + 10_000)
    await store.outbox.record_attempts([_result(taken, DeliveryState.DELIVERED, status=204)], T0 + 10_001)
    await store.outbox.record_attempts([_result(late, DeliveryState.DEAD)], T0 + 10_002)
    delivery = await store.reading.delivery(late.id)
    assert delivery is not None
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)
    assert len(await store.reading.attempts(late.id)) == 2


async def test_redelivering_what_is_not_there_changes_nothing(store: Store) -> None:
    assert await store.outbox.redeliver("dlv_none", actor="ann", now_ms=T0) is None
