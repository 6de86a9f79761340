"""Old rows are deleted, and nothing that is pending is."""

from collections import Counter
from typing import Any

import pytest

from receiver.runtime.store import Store
from receiver.store.retention import DELETED, DISABLED_TOO_LONG, FAILING_TOO_LONG, START, PruneBatch, PruneCursor
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.replay import ReplayRange
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.model import Refusal, Refused, TaskError, TaskId, TaskState
from tests.support.builders import SECRET, T0, a_report, notified
from tests.support.delivery_fixtures import (
    DAY_MS,
    deliveries_of,
    event_numbers,
    finish,
    finish_all,
    lease,
    publish_event_of,
    publish_events,
    set_state,
    subscribe,
)
from tests.support.tables import reading_on, rows_of

OLD = T0 + 1_000  # what happened at T0 is old
NOW = T0 + 40 * DAY_MS
PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD


async def _remove_events(store: Store, *, before_ms: int = OLD, limit: int = 500) -> PruneBatch:
    return await store.retention.remove_events(START, limit=limit, before_ms=before_ms)


async def _remove_idle_endpoints(store: Store, *, now_ms: int = NOW) -> PruneBatch:
    return await store.retention.remove_idle_endpoints(START, limit=500, before_ms=now_ms - DAY_MS, now_ms=now_ms)


async def _dead_letter_stalled(store: Store, *, now_ms: int = NOW) -> PruneBatch:
    return await store.retention.dead_letter_stalled(START, limit=500, before_ms=OLD, now_ms=now_ms)


async def _endpoints(store: Store) -> dict[str, Any]:
    found = await store.engine.read(lambda reader: reader.fetch_all("endpoints_by_id", after="", limit=500))
    return {row["id"]: row["next_due_ms"] for row in found}


async def test_old_events_go_with_their_deliveries_and_attempts_and_nothing_else_does(
    store: Store, database_url: str
) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    await publish_events(store, 2, at_ms=OLD, first=4)
    await finish_all(store, at_ms=OLD)
    assert (await _remove_events(store)).count == 3
    assert (await event_numbers(store), [each.event_seq for each in await deliveries_of(store)]) == ([4, 5], [4, 5])
    tables = "tasks", "observations", "attempts", "events", "deliveries"
    counts = [rows_of(database_url, f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]
    assert counts == [5, 5, 2, 2, 2]


@pytest.mark.parametrize("state", [PENDING, None])
async def test_no_event_goes_at_or_after_one_with_a_pending_delivery(store: Store, state: DeliveryState | None) -> None:
    """Pending as it waits for its next attempt, or while it is being posted."""
    await subscribe(store)
    await publish_events(store, 5)
    leased = await lease(store)
    rest = [due for due in leased if due is not leased[2]]
    await finish(store, rest)
    if state is not None:
        await finish(store, [leased[2]], state, at_ms=NOW)
    assert (await _remove_events(store)).count == 2
    assert (await _remove_events(store)).count == 0
    assert await event_numbers(store) == [3, 4, 5]
    await finish_all(store, at_ms=NOW + DAY_MS)
    assert (await _remove_events(store)).count == 3


async def test_an_event_that_is_replayed_stays_until_it_is_delivered_again(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    await finish_all(store)
    scope = await store.replays.begin("sub_1", ReplayRange(first_seq=2), actor="ann", now_ms=NOW)
    batch = await store.replays.requeue_batch("sub_1", ReplayRange(first_seq=2), scope, limit=1, now_ms=NOW)
    assert batch.requeued == 1
    assert (await _remove_events(store)).count == 1
    (due,) = await lease(store, now_ms=NOW)
    assert due.attempts == 0
    await finish(store, [due], at_ms=NOW)
    assert (await _remove_events(store)).count == 2


async def test_events_go_only_from_the_front_even_if_the_clock_was_set_back(store: Store) -> None:
    for at_ms in (T0, NOW, T0, T0):
        await publish_events(store, 1, at_ms=at_ms, first=len(await event_numbers(store)) + 1)
    assert (await _remove_events(store)).count == 1
    assert (await _remove_events(store)).count == 0
    assert await event_numbers(store) == [2, 3, 4]


async def test_numbers_go_on_after_everything_was_pruned(store: Store) -> None:
    await publish_events(store, 3)
    assert (await _remove_events(store)).count == 3
    assert await event_numbers(store) == []
    await publish_events(store, 1, at_ms=NOW, first=4)
    assert (await event_numbers(store), await store.events.last_seq()) == ([4], 4)


async def test_an_event_that_was_sent_to_very_many_goes_in_a_transaction_of_its_own(store: Store) -> None:
    for number in range(4):
        await subscribe(store, f"sub_{number}")
    await publish_events(store, 3)
    await finish_all(store)
    batch = [await _remove_events(store, limit=6) for _ in range(4)]
    assert [each.count for each in batch] == [1, 1, 1, 0]
    batch_alone = await _remove_events(store, limit=3)
    assert (batch_alone.count, batch_alone.cursor) == (0, None)


async def test_an_event_with_more_deliveries_than_a_batch_still_goes(store: Store) -> None:
    for number in range(4):
        await subscribe(store, f"sub_{number}")
    await publish_events(store, 2)
    await finish_all(store)
    assert (await _remove_events(store, limit=3)).count == 1
    assert [each.event_seq for each in await deliveries_of(store)] == [2] * 4


async def test_a_reader_in_the_middle_of_the_events_reads_them_to_their_end(store: Store, database_url: str) -> None:
    await publish_events(store, 400)
    with reading_on(database_url, "SELECT seq FROM events ORDER BY seq") as reading:
        begun = [next(reading)[0] for _ in range(10)]
        assert (await _remove_events(store)).count == 400
        assert begun + [seq for (seq,) in reading] == list(range(1, 401))


async def test_a_cursor_among_the_events_that_stay_misses_nothing(store: Store) -> None:
    await publish_events(store, 4)
    await publish_events(store, 4, at_ms=OLD, first=5)
    before = [event.seq for event in await store.events.events(5)]
    await _remove_events(store)
    assert [event.seq for event in await store.events.events(5)] == before == [6, 7, 8]


async def test_an_owner_that_ends_late_after_its_delivery_is_gone_does_no_harm(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    late = await lease(store)
    await finish_all(store, at_ms=T0 + 10_000)
    assert (await _remove_events(store)).count == 1
    await finish(store, late, at_ms=T0 + 20_000)
    assert await deliveries_of(store) == []
    assert (await store.retention.remove_attempts(START, limit=9, before_ms=T0 + 30_000)).count == 1
    assert rows_of(database_url, "SELECT * FROM attempts") == []


async def test_old_attempts_of_finished_deliveries_go_and_those_of_unfinished_ones_stay(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 3)
    one, two, three = await lease(store)
    await finish(store, [one])
    await finish(store, [two], PENDING)
    await finish(store, [three], DEAD, at_ms=OLD)
    assert await store.retention.remove_attempts(START, limit=9, before_ms=OLD) == PruneBatch(count=1)
    left = [len(await store.deliveries.attempts(due.id)) for due in (one, two, three)]
    assert left == [0, 1, 1]
    assert [each.attempts for each in await deliveries_of(store)] == [1, 1, 1]


async def test_batches_go_on_past_old_attempts_that_have_to_stay(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 8)
    leased = await lease(store)
    await finish(store, leased[:5], PENDING)
    await finish(store, leased[5:])
    counts, cursor = [], START
    while (batch := await store.retention.remove_attempts(cursor, limit=2, before_ms=OLD)).cursor is not None:
        counts.append(batch.count)
        cursor = batch.cursor
    assert sum(counts) + batch.count == 3
    assert len(counts) == 4


async def test_a_task_that_lives_keeps_its_timeline_and_one_that_ended_keeps_it_from_its_end(
    store: Store, database_url: str
) -> None:
    for name, ended_ms in [("long_gone", T0), ("just_ended", NOW), ("alive", None)]:
        await store.submissions.open_task(notified(name), T0)
        await store.ledger.record([a_report(TaskState.RUNNING, name, expected_task_id=name)], T0)
        if ended_ms is not None:
            await store.ledger.record([a_report(provider_task_id=name, expected_task_id=name)], ended_ms)
    before = Counter(row[0] for row in rows_of(database_url, "SELECT task FROM observations"))
    batch = await store.retention.remove_observations(START, limit=500, before_ms=OLD)
    after = Counter(row[0] for row in rows_of(database_url, "SELECT task FROM observations"))
    assert batch.count == before["long_gone"] > 0
    assert after == before - Counter({"long_gone": batch.count})
    assert await store.tasks.task(TaskId("long_gone")) is not None
    assert [note.kind for note in await store.tasks.timeline(TaskId("long_gone"))] == ["event", "delivery"]


async def test_a_task_that_was_refused_loses_its_timeline_too(store: Store) -> None:
    await store.submissions.open_task(notified("t1"), T0)
    error = TaskError(code="bad_prompt", message="too long")
    await store.submissions.store_refused(TaskId("t1"), Refused(refusal=Refusal.INVALID, error=error, status=422), T0)
    batch = await store.retention.remove_observations(START, limit=500, before_ms=OLD)
    assert batch.count == 2
    assert await store.tasks.timeline(TaskId("t1")) == []


async def test_what_is_pending_for_a_disabled_subscription_for_too_long_becomes_a_dead_letter(store: Store) -> None:
    await subscribe(store, "sub_1")
    await subscribe(store, "sub_2")
    await publish_events(store, 2)
    await publish_events(store, 1, at_ms=OLD, first=3)
    await set_state(store, SubscriptionState.DISABLED)
    assert await _dead_letter_stalled(store) == PruneBatch(count=2)
    assert [(each.state, each.last_error, each.finished_ms) for each in await deliveries_of(store, "sub_1")] == [
        (DEAD, DISABLED_TOO_LONG, NOW),
        (DEAD, DISABLED_TOO_LONG, NOW),
        (PENDING, None, None),
    ]
    assert {each.state for each in await deliveries_of(store, "sub_2")} == {PENDING}
    assert (await _remove_events(store)).count == 0
    await set_state(store, SubscriptionState.ACTIVE)
    assert len([due for due in await lease(store, now_ms=NOW) if due.endpoint_id == "sub_1"]) == 1


async def test_an_endpoint_whose_deliveries_became_dead_letters_is_due_no_more(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2)
    await set_state(store, SubscriptionState.DISABLED)
    await _dead_letter_stalled(store)
    assert await _endpoints(store) == {"sub_1": None}
    await set_state(store, SubscriptionState.ACTIVE)
    assert await lease(store, now_ms=NOW) == []


async def test_a_delivery_that_is_being_posted_does_not_become_a_dead_letter(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1)
    leased = await lease(store, now_ms=NOW)
    await set_state(store, SubscriptionState.DISABLED)
    assert await _dead_letter_stalled(store, now_ms=NOW + 9_999) == PruneBatch()
    await finish(store, leased, at_ms=NOW)
    assert [each.state for each in await deliveries_of(store)] == [DELIVERED]


async def test_a_notify_that_only_failed_for_as_long_as_events_stay_gets_dead_letters(store: Store) -> None:
    for name, url in [("t1", "https://down.example/a"), ("t2", "https://slow.example/a")]:
        await store.submissions.open_task(notified(name, url), T0)
        await store.ledger.record([a_report(provider_task_id=name, expected_task_id=name)], T0)
    (down,) = [due for due in await lease(store) if due.endpoint_id.startswith("https://down")]
    await finish(store, [down], PENDING)
    assert await _dead_letter_stalled(store, now_ms=NOW) == PruneBatch(count=1)
    assert {each.endpoint: each.last_error for each in await deliveries_of(store)} == {
        "https://down.example/a": FAILING_TOO_LONG,
        "https://slow.example/a": None,
    }


async def test_batches_go_on_past_what_may_not_become_a_dead_letter(store: Store) -> None:
    await subscribe(store, "sub_1")
    await subscribe(store, "sub_2")
    await publish_events(store, 6)
    await set_state(store, SubscriptionState.DISABLED, "sub_2")
    cursor: PruneCursor | None = START
    gone = batches = 0
    while cursor is not None:
        batch = await store.retention.dead_letter_stalled(cursor, limit=5, before_ms=OLD, now_ms=NOW)
        gone, batches, cursor = gone + batch.count, batches + 1, batch.cursor
    assert (gone, batches) == (6, 3)


async def test_what_is_pending_for_a_deleted_subscription_becomes_dead_letters_and_then_its_row_and_endpoint_go(
    store: Store, database_url: str
) -> None:
    await subscribe(store, "sub_1")
    await subscribe(store, "sub_2")
    await publish_events(store, 5)
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    batches: list[PruneBatch] = []
    cursor: PruneCursor | None = START
    while cursor is not None:
        batches.append(await store.retention.dead_letter_deleted(cursor, limit=2, now_ms=T0))
        cursor = batches[-1].cursor
    assert [each.count for each in batches] == [2, 2, 1, 0, 0]
    assert [(each.state, each.last_error) for each in await deliveries_of(store, "sub_1")] == [(DEAD, DELETED)] * 5
    assert {each.state for each in await deliveries_of(store, "sub_2")} == {PENDING}
    assert (rows_of(database_url, "SELECT id FROM subscriptions"), set(await _endpoints(store))) == (
        [("sub_2",)],
        {"sub_2"},
    )


async def test_a_deletion_waits_for_what_is_being_posted_and_others_do_not_wait_for_it(
    store: Store, database_url: str
) -> None:
    for name in ("sub_1", "sub_2"):
        await subscribe(store, name)
    await publish_events(store, 1)
    (leased,) = [due for due in await lease(store) if due.endpoint_id == "sub_1"]
    await finish(store, [], at_ms=T0)
    for name in ("sub_1", "sub_2"):
        await store.subscriptions.delete(name, actor="ann", now_ms=T0)
    first = await store.retention.dead_letter_deleted(START, limit=9, now_ms=T0)
    assert first.count == 0
    assert first.cursor is not None
    await finish(store, [leased])
    cursor: PruneCursor | None = START
    while cursor is not None:
        cursor = (await store.retention.dead_letter_deleted(cursor, limit=9, now_ms=T0 + 20_000)).cursor
    assert {each.subscription: each.state for each in await deliveries_of(store)} == {"sub_1": DELIVERED, "sub_2": DEAD}
    assert rows_of(database_url, "SELECT id FROM subscriptions") == []


async def test_endpoints_of_notify_with_nothing_pending_go_if_they_are_healthy_or_long_unused(store: Store) -> None:
    urls = [f"https://{word}.example" for word in ("well", "owing", "failing", "forgotten")]
    await subscribe(store)
    for number, url in enumerate(urls):
        await store.submissions.open_task(notified(f"t{number}", url), T0)
        await store.ledger.record([a_report(provider_task_id=f"t{number}", expected_task_id=f"t{number}")], T0)
    long_ago = {due.endpoint_id: due for due in await lease(store, lease_ms=1)}
    await finish(store, [long_ago[urls[3]]], DEAD)
    lately = {due.endpoint_id: due for due in await lease(store, now_ms=NOW)}
    await finish(store, [lately[urls[0]]], at_ms=NOW)
    await finish(store, [lately[urls[2]]], DEAD, at_ms=NOW)
    assert set(await _endpoints(store)) == {*urls, "sub_1"}
    assert await _remove_idle_endpoints(store) == PruneBatch(count=2)
    assert set(await _endpoints(store)) == {urls[1], urls[2], "sub_1"}


async def test_an_event_for_an_endpoint_that_was_removed_adds_it_again(store: Store) -> None:
    await publish_event_of(store, "t1")
    for name in ("t2", "t3"):
        await store.submissions.open_task(notified(name), T0)
        await store.ledger.record([a_report(provider_task_id=name, expected_task_id=name)], T0)
        assert await finish_all(store) == 1
        assert (await _remove_idle_endpoints(store)).count == 1


async def test_the_previous_keys_go_once_their_overlap_is_over(store: Store, database_url: str) -> None:
    old = {"previous_secret": SECRET, "signing_key": "whsk_new", "previous_signing_key": "whsk_old"}
    await subscribe(store, "sub_1", **old, previous_until_ms=NOW)
    await subscribe(store, "sub_2", **old, previous_until_ms=NOW + 1)
    await subscribe(store, "sub_3")
    assert await store.retention.clear_expired_keys(START, now_ms=NOW) == PruneBatch(count=1)
    assert await store.retention.clear_expired_keys(START, now_ms=NOW) == PruneBatch()
    keys = "SELECT id, secret, previous_secret, signing_key, previous_signing_key, previous_until_ms FROM subscriptions"
    assert sorted(rows_of(database_url, keys)) == [
        ("sub_1", SECRET, None, "whsk_new", None, None),
        ("sub_2", SECRET, SECRET, "whsk_new", "whsk_old", NOW + 1),
        ("sub_3", SECRET, None, None, None, None),
    ]
