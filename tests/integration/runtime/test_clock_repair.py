"""A wall clock that was set back by an hour: nothing waits until the old time comes again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from receiver.config.sections import DeliverySettings
from receiver.reconcile.model.poll_times import PollTimes
from receiver.reconcile.model.report import ReconcileFilter
from receiver.runtime.clock_repair import ClockRepair
from receiver.runtime.store import Store
from receiver.store.accounts import refill_tokens, store_account
from receiver.store.engine import Tx
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from receiver.webhooks.model.endpoint_health import longest_pause_ms
from receiver.webhooks.model.retry import JITTER, RETRY_AFTER_CAP_S, longest_delay_ms
from submitter.model import ProviderTaskId, TaskState
from submitter.providers import schedule
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from submitter.providers.schedule import MAX_CLOCK_SKEW_MS
from tests.support.builders import BUDGET, T0, a_task
from tests.support.delivery_fixtures import lease, publish_events, subscribe
from tests.support.reconcile_setup import a_poll
from tests.support.tables import rows_of

HOUR_MS = 3_600_000
NOW = T0 - HOUR_MS  # after the clock was set back; everything before was done at T0
LEASE_MS = 60_000
DEAD_MS = 70_000
ADVICE = ADAPTERS["hiapi"].CAPABILITIES.poll
LONGEST_MS = schedule.longest_wait_ms(ADVICE, speed=1.0)
BACKOFF_S = DeliverySettings().backoff_s


def _repair(store: Store) -> ClockRepair:
    account = Account(name="hiapi", adapter="hiapi", base_url="http://127.0.0.1:9", api_key="a-key")
    return ClockRepair(
        polls=store.polls,
        accounts=store.accounts,
        task_times=store.task_times,
        outbox=store.outbox,
        providers={"hiapi": ConfiguredProvider(adapter=ADAPTERS["hiapi"], account=account)},
        delivery=DeliverySettings(),
        speed=1.0,
        poll_lease_ms=LEASE_MS,
        delivery_lease_ms=LEASE_MS,
        dead_submit_ms=DEAD_MS,
    )


async def _running(store: Store, name: str, next_poll_ms: int, **changes: object) -> None:
    values = {"state": TaskState.RUNNING, "provider_task_id": ProviderTaskId(name), "next_poll_ms": next_poll_ms}
    await store.submissions.open_task(a_task(name, **(values | changes)), T0)


async def _leased(store: Store, now_ms: int) -> list[str]:
    tasks = await store.polls.lease_due("hiapi", budget=BUDGET, owner="me", now_ms=now_ms, lease_ms=LEASE_MS, limit=9)
    return [task.id for task in tasks]


async def test_polls_that_lie_too_far_ahead_are_due_at_once_and_others_stay(store: Store) -> None:
    latest = NOW + LONGEST_MS + MAX_CLOCK_SKEW_MS
    await _running(store, "tsk_1", T0 + 15_000)
    await _running(store, "tsk_2", latest)
    await _running(store, "tsk_3", latest + 1)
    await _running(store, "tsk_4", T0 + 15_000, provider="dashscope")  # not configured here
    assert await _repair(store).run(NOW) == 2
    assert sorted(await _leased(store, NOW)) == ["tsk_1", "tsk_3"]
    assert await _repair(store).run(NOW) == 0


@pytest.mark.parametrize(
    ("seen_ms", "expected_ms"),
    [(T0, None), (NOW + MAX_CLOCK_SKEW_MS + 1, None), (NOW + MAX_CLOCK_SKEW_MS, NOW + MAX_CLOCK_SKEW_MS), (None, None)],
)
async def test_when_a_task_was_seen_open_is_forgotten_where_that_lies_ahead(
    store: Store, database_url: str, seen_ms: int | None, expected_ms: int | None
) -> None:
    await _running(store, "tsk_1", T0)
    if seen_ms is not None:
        assert await _leased(store, T0) == ["tsk_1"]
        await store.polls.release([a_poll(next_poll_ms=T0)], owner="me", now_ms=seen_ms)
    await _repair(store).run(NOW)
    (row,) = rows_of(database_url, "SELECT seen_open_ms FROM tasks")
    assert row[0] == expected_ms


async def test_a_submit_that_may_be_under_way_counts_as_dead_no_sooner_than_a_new_one(
    store: Store, database_url: str
) -> None:
    await store.submissions.open_task(a_task("tsk_1", next_poll_ms=T0 + DEAD_MS), T0)
    await store.submissions.open_task(a_task("tsk_2", next_poll_ms=NOW + DEAD_MS), T0)
    assert await _repair(store).run(NOW) == 1
    rows = rows_of(database_url, "SELECT id, next_poll_ms FROM tasks ORDER BY id")
    assert [tuple(row) for row in rows] == [("tsk_1", NOW + DEAD_MS), ("tsk_2", NOW + DEAD_MS)]
    assert await _leased(store, NOW) == []


async def test_a_lease_ends_no_later_than_a_new_one_would_and_no_sooner(store: Store) -> None:
    await _running(store, "tsk_1", T0)
    assert await _leased(store, T0) == ["tsk_1"]
    await _repair(store).run(NOW)
    assert await _leased(store, NOW + LEASE_MS - 1) == []
    assert await _leased(store, NOW + LEASE_MS) == ["tsk_1"]


async def test_a_pause_of_a_provider_ends_and_its_alarm_stays(store: Store) -> None:
    for name, until_ms in (("hiapi", T0 + 300_000), ("dashscope", NOW + schedule.LONGEST_PAUSE_MS)):
        await store.accounts.pause(name, until_ms=until_ms, reason="denied", alarm="a key", now_ms=T0)
    assert await _repair(store).run(NOW) == 1
    dashscope, hiapi = await store.accounts.all()
    assert (hiapi.paused_until_ms, hiapi.alarm) == (NOW, "a key")
    assert dashscope.paused_until_ms == NOW + schedule.LONGEST_PAUSE_MS


@pytest.mark.parametrize(
    ("since_ms", "until_ms", "expected_ms"),
    [
        # By a clock that was ahead by an hour, or by a few minutes only.
        (T0, T0 + 300_000, NOW),
        (NOW + MAX_CLOCK_SKEW_MS + 1, NOW + 310_001, NOW),
        # By this clock, or by that of a node which is a little ahead.
        (NOW, NOW + 300_000, NOW + 300_000),
        (NOW + MAX_CLOCK_SKEW_MS, NOW + 900_000, NOW + 900_000),
        # By a version that did not store since when.
        (None, NOW + schedule.LONGEST_PAUSE_MS + MAX_CLOCK_SKEW_MS + 1, NOW),
    ],
)
async def test_a_hold_of_submits_ends_and_its_alarm_stays(
    store: Store, since_ms: int | None, until_ms: int, expected_ms: int
) -> None:
    await _account(store, submits_paused_until_ms=until_ms, submits_paused_since_ms=since_ms, submits_alarm="a key")
    assert await _repair(store).run(NOW) == int(until_ms != expected_ms)
    (hiapi,) = await store.accounts.all()
    assert (hiapi.submits_paused_until_ms, hiapi.submits_alarm) == (expected_ms, "a key")
    assert await _repair(store).run(NOW) == 0


async def test_a_limit_that_was_learned_then_is_tried_again_in_time(store: Store) -> None:
    await _account(store, learned_in_flight=3, learned_ms=T0)
    assert await _repair(store).run(NOW) == 1
    (hiapi,) = await store.accounts.all()
    assert (hiapi.learned_in_flight, hiapi.learned_ms) == (3, NOW)


async def _account(store: Store, **changes: Any) -> None:
    async def work(tx: Tx) -> None:
        account = await refill_tokens(tx, "hiapi", BUDGET, NOW)
        await store_account(tx, replace(account, **changes))

    await store.engine.write(work)


async def _queued(store: Store, name: str, queued_ms: int, wait_ms: int, **changes: Any) -> None:
    values = {"state": TaskState.QUEUED, "queued_ms": queued_ms, "queued_until_ms": queued_ms + wait_ms}
    await store.submissions.open_task(a_task(name, created_ms=T0 - 9, next_poll_ms=None, **(values | changes)), T0)


async def test_a_queued_task_waits_from_now_for_as_long_as_its_request_says(store: Store, database_url: str) -> None:
    ahead_ms = NOW + MAX_CLOCK_SKEW_MS  # by the clock of a node that is a little ahead
    await _queued(store, "tsk_1", T0, 60_000)
    await _queued(store, "tsk_2", T0, 3_600_000)
    await _queued(store, "tsk_3", NOW - 1, 600_000_000)  # a long wait by the right clock
    await _queued(store, "tsk_4", ahead_ms, 60_000)
    await _queued(store, "tsk_5", T0, 60_000, state=TaskState.CANCELED)
    expected = [
        (NOW, NOW + 60_000),
        (NOW, NOW + 3_600_000),
        (NOW - 1, NOW + 599_999_999),
        (ahead_ms, ahead_ms + 60_000),
        (T0, T0 + 60_000),
    ]
    for now_ms, count in ((NOW, 2), (NOW, 0), (NOW + 600_000, 0)):
        assert await _repair(store).run(now_ms) == count
        rows = rows_of(database_url, "SELECT queued_ms, queued_until_ms FROM tasks ORDER BY id")
        assert [tuple(row) for row in rows] == expected
    await store.queue.refuse_overdue(NOW + 60_000)
    assert [row[0] for row in rows_of(database_url, "SELECT id FROM tasks WHERE state = 'refused'")] == ["tsk_1"]


async def test_a_deadline_counts_from_now(store: Store, database_url: str) -> None:
    week_s = 604_800
    await _running(store, "tsk_1", NOW, sent_ms=T0, deadline_ms=T0 + 60_000)
    await _running(store, "tsk_2", NOW, sent_ms=T0, deadline_ms=T0 + 1_800_000)
    await _running(store, "tsk_3", NOW, sent_ms=NOW - 1, deadline_ms=NOW + week_s * 1000 - 1)
    await _running(store, "tsk_4", NOW, sent_ms=T0, deadline_ms=T0 + 60_000, overdue_ms=NOW)
    for now_ms, count in ((NOW, 2), (NOW, 0), (NOW + 600_000, 0)):
        assert await _repair(store).run(now_ms) == count
        rows = rows_of(database_url, "SELECT deadline_ms FROM tasks ORDER BY id")
        expected = [NOW + 60_000, NOW + 1_800_000, NOW + week_s * 1000 - 1, T0 + 60_000]
        assert [row[0] for row in rows] == expected


async def _failed(store: Store, now_ms: int, status: int, due_ms: int) -> None:
    """Lease one delivery and record a failed attempt after which it is due at that time."""
    (due,) = await lease(store, now_ms=now_ms, limit=1)
    result = AttemptResult(
        delivery=due.id,
        owner=due.owner,
        endpoint_id=due.endpoint_id,
        attempt=Attempt(at_ms=now_ms, latency_ms=1, status=status, error=f"answered {status}"),
        state=DeliveryState.PENDING,
        due_ms=due_ms,
    )
    await store.outbox.record_attempts([result], now_ms)


async def test_a_retry_is_due_at_once_and_a_new_delivery_too(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2, at_ms=T0)
    await _failed(store, T0, 500, T0 + 5_000)
    assert await lease(store, now_ms=NOW, limit=9) == []
    assert await _repair(store).run(NOW) >= 2
    assert len(await lease(store, now_ms=NOW, limit=9)) == 2


async def test_a_delivery_that_an_endpoint_has_put_off_waits_as_it_was_asked(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 1, at_ms=T0)
    due_ms = T0 + 6 * HOUR_MS
    await _failed(store, T0, 503, due_ms)
    await _repair(store).run(NOW)
    assert rows_of(database_url, "SELECT due_ms FROM deliveries")[0][0] == due_ms


async def test_a_delivery_that_is_being_posted_keeps_its_lease_for_as_long_as_a_new_one(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 1, at_ms=T0)
    (due,) = await lease(store, now_ms=T0, limit=1)
    await _repair(store).run(NOW)
    assert await lease(store, now_ms=NOW, limit=1) == []
    assert await lease(store, now_ms=NOW + LEASE_MS - 1, limit=1) == []
    (again,) = await lease(store, now_ms=NOW + LEASE_MS, limit=1)
    assert again.id == due.id


async def test_an_endpoint_with_a_rate_limit_gets_tokens_again(store: Store) -> None:
    await subscribe(store, rate_per_s=1.0)
    await publish_events(store, 3, at_ms=T0)
    assert len(await lease(store, now_ms=T0, limit=9)) == 1
    await publish_events(store, 1, first=4, at_ms=NOW)
    await _repair(store).run(NOW)
    assert len(await lease(store, now_ms=NOW + 2_000, limit=9)) == 1


async def test_the_pause_of_an_open_breaker_ends(store: Store, database_url: str) -> None:
    await subscribe(store)
    await publish_events(store, 5, at_ms=T0)
    for number in range(5):
        await _failed(store, T0 + number, 500, T0 + 5_000 + number)
    assert rows_of(database_url, "SELECT failures FROM endpoints")[0][0] == 5
    await _repair(store).run(NOW)
    assert len(await lease(store, now_ms=NOW, limit=9)) == 1  # the probe


@pytest.mark.parametrize("older_than_s", [None, 0.0])
async def test_a_manual_reconcile_finds_tasks_of_the_time_before(store: Store, older_than_s: float | None) -> None:
    await _running(store, "tsk_1", T0)
    for condition in (ReconcileFilter(older_than_s=older_than_s), ReconcileFilter(task="tsk_1", older_than_s=600.0)):
        assert len(await store.polls.find_by_filter(condition, now_ms=NOW, limit=9)) == 1
    assert await store.polls.find_by_filter(ReconcileFilter(older_than_s=600.0), now_ms=NOW, limit=9) == []


def _waits(random: float) -> Sequence[int]:
    """Every way in which a poll can be timed, at its longest."""
    return [
        schedule.learned_poll_ms(0, ADVICE, schedule.MAX_WAIT_S, speed=1.0, spread=random),
        schedule.overdue_poll_ms(0, ADVICE, callback_expected=True, speed=1.0, random=random),
        schedule.after_not_found(10**9, ADVICE, missing_since_ms=0, speed=1.0, random=random) - 10**9,
        schedule.after_unavailable(0, ADVICE, misses=99, retry_after_s=1e9, speed=1.0, random=random),
        schedule.after_pause(
            schedule.throttled_until_ms(0, retry_after_s=1e9, speed=1.0), ADVICE, speed=1.0, random=random
        ),
        schedule.after_pause(schedule.denied_until_ms(0), ADVICE, speed=1.0, random=random),
    ]


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("speed", [0.01, 1.0, 1000.0])
def test_no_poll_is_ever_timed_beyond_the_longest_wait(name: str, speed: float) -> None:
    advice = ADAPTERS[name].CAPABILITIES.poll
    longest = schedule.longest_wait_ms(advice, speed=speed)
    times = PollTimes(capabilities=ADAPTERS[name].CAPABILITIES, speed=speed)
    for number in range(100):
        for expected in (False, True):
            task = a_task(f"tsk_{number}", callback_expected=expected, submitted_ms=0)
            assert times.first_ms(task, 0) <= longest
            late_ms = 10**12
            assert times.next_ms(task, late_ms) - late_ms <= longest
            assert times.after_callback_ms(task, 0) <= longest
            assert times.after_callback_ms(task, late_ms) - late_ms <= longest
    for expected in (False, True):
        assert schedule.overdue_poll_ms(0, advice, callback_expected=expected, speed=speed, random=0.999) <= longest
    wait = schedule.after_unavailable(0, advice, misses=99, retry_after_s=1e9, speed=speed, random=0.999)
    assert wait <= longest
    until = schedule.throttled_until_ms(0, retry_after_s=1e9, speed=speed)
    assert schedule.after_pause(until, advice, speed=speed, random=0.999) <= longest


def test_the_longest_wait_is_short_of_an_hour() -> None:
    """Otherwise a clock that was set back by an hour would not be noticed."""
    assert max(_waits(0.999)) <= LONGEST_MS < HOUR_MS


def test_the_longest_delay_is_that_of_the_step() -> None:
    assert longest_delay_ms(0, is_throttled=True, backoff_s=BACKOFF_S) == 0
    assert longest_delay_ms(1, is_throttled=False, backoff_s=BACKOFF_S) == round(BACKOFF_S[0] * (1 + JITTER) * 1000)
    assert longest_delay_ms(99, is_throttled=False, backoff_s=BACKOFF_S) == round(BACKOFF_S[-1] * (1 + JITTER) * 1000)
    assert longest_delay_ms(1, is_throttled=True, backoff_s=BACKOFF_S) == round(RETRY_AFTER_CAP_S * (1 + JITTER) * 1000)
    assert longest_delay_ms(3, is_throttled=False, backoff_s=()) == 0
    assert longest_pause_ms(is_throttled=False) == 1_000_000
    assert longest_pause_ms(is_throttled=True) == round(RETRY_AFTER_CAP_S * 1000)
