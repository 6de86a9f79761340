"""Subscriptions, events and the outcomes of deliveries, in a real ledger."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from receiver.events.model.rows import event_row
from receiver.runtime.store import Store
from receiver.store.audit import AuditEntry
from receiver.store.engine import Tx
from receiver.webhooks.model.delivery import Attempt, AttemptResult, Delivery, DeliveryState, DueDelivery
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from submitter.model import TaskId
from tests.support.builders import SECRET, T0, a_report, a_task

DAY_MS = 86_400_000
_STATUS = {DeliveryState.DELIVERED: 204, DeliveryState.DEAD: 400, DeliveryState.PENDING: 429}


async def subscribe(store: Store, subscription_id: str = "sub_1", **changes: Any) -> Subscription:
    values: dict[str, Any] = {"url": f"https://hooks.example/{subscription_id}", "secret": SECRET, "created_ms": T0}
    subscription = Subscription(id=subscription_id, **({"changed_ms": T0} | values | changes))
    assert await store.subscriptions.add(subscription, actor="ann", now_ms=T0)
    return subscription


async def set_state(store: Store, state: SubscriptionState, subscription_id: str = "sub_1") -> None:
    """Enable or disable a subscription."""
    entry = AuditEntry(actor="ann", action="state set")
    assert await store.subscriptions.change(
        subscription_id, lambda before: replace(before, state=state), entry, now_ms=T0
    )


async def publish_events(store: Store, count: int, *, at_ms: int = T0, first: int = 1) -> None:
    """`count` tasks that were submitted elsewhere succeed: one event each."""
    for begin in range(first, first + count, 500):
        numbers = range(begin, min(begin + 500, first + count))
        await store.ledger.record(
            [a_report(provider_task_id=f"e{number}", allow_adoption=True) for number in numbers], at_ms
        )


async def publish_event_of(store: Store, task_id: str, *, at_ms: int = T0, **changes: Any) -> None:
    """A task of ours succeeds."""
    await store.submissions.open_task(a_task(task_id, **changes), at_ms)
    await store.ledger.record(
        [a_report(provider_task_id=task_id, expected_task_id=task_id, provider=changes.get("provider", "hiapi"))], at_ms
    )


async def publish_newer_event(store: Store, *, kind: str = "task.from_a_newer_version", task: str | None = None) -> int:
    """An event of a type that only a newer version knows, with its deliveries made: for none. Return its number.

    It is made of the first event, and is about its task, or about another one.
    """
    (first,) = await store.events.events(0, limit=1)
    body = json.loads(first.body)

    async def work(tx: Tx) -> int:
        row = await tx.fetch_one("reserve_event_numbers", count=1)
        assert row is not None
        seq, name = int(row["value"]), f"evt_newer{row['value']}"
        body["type"] = kind
        body["data"] |= {"seq": seq, "event_id": name}
        newer = replace(
            first, seq=seq, id=name, task_id=TaskId(task) if task else first.task_id, type=kind, body=json.dumps(body)
        )
        await tx.execute("insert_event", **event_row(newer))
        await tx.execute("set_fan_out", seq=seq)
        return seq

    return await store.engine.write(work)


async def lease(store: Store, *, now_ms: int = T0, limit: int = 500, lease_ms: int = 10_000) -> list[DueDelivery]:
    leased = await store.outbox.lease_deliveries(
        owner="w", now_ms=now_ms, lease_ms=lease_ms, limit=limit, per_endpoint=limit
    )
    return list(leased.deliveries)


async def finish(
    store: Store, leased: Sequence[DueDelivery], state: DeliveryState = DeliveryState.DELIVERED, *, at_ms: int = T0
) -> None:
    """Record one attempt of each leased delivery."""
    attempt = Attempt(at_ms=at_ms, latency_ms=1, status=_STATUS[state], error=None)
    due_ms = at_ms if state is DeliveryState.PENDING else None
    results = [
        AttemptResult(
            delivery=due.id,
            owner=due.owner,
            endpoint_id=due.endpoint_id,
            attempt=attempt,
            state=state,
            due_ms=due_ms,
        )
        for due in leased
    ]
    await store.outbox.record_attempts(results, at_ms)


async def finish_all(store: Store, state: DeliveryState = DeliveryState.DELIVERED, *, at_ms: int = T0) -> int:
    """Every due delivery is finished after one attempt; returns how many."""
    finished = 0
    while leased := await lease(store, now_ms=at_ms):
        await finish(store, leased, state, at_ms=at_ms)
        finished += len(leased)
    return finished


async def deliveries_of(store: Store, subscription_id: str | None = None) -> list[Delivery]:
    """Every delivery, or those of one subscription, in the order of their events."""
    page = await store.deliveries.deliveries(limit=100_000)
    chosen = [each for each in page.items if subscription_id is None or each.subscription == subscription_id]
    return sorted(chosen, key=lambda each: each.event_seq)


async def event_numbers(store: Store) -> list[int]:
    return [event.seq for event in await store.events.events(0, limit=100_000)]
