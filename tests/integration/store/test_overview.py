"""What is open in a ledger, as one snapshot; on both engines."""

from typing import Any

from receiver.metrics.snapshot import NONE, Open, Pause, ProviderSnapshot, Snapshot
from receiver.runtime.store import Store
from receiver.store.engine import Tx
from receiver.store.overview import CONTRADICTED_MS
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.model import Source, TaskState
from submitter.providers.contract import Budget
from tests.support.builders import BUDGET, T0, a_report, a_task
from tests.support.delivery_fixtures import finish, lease, publish_events, set_state, subscribe

S, MINUTE = 1000, 60_000
BOTH = ("hiapi", "modellix")


async def _read(store: Store, now_ms: int = T0, providers: tuple[str, ...] = BOTH) -> Snapshot:
    return await store.overview.snapshot(providers, now_ms=now_ms)


async def _of(store: Store, name: str = "hiapi", now_ms: int = T0) -> ProviderSnapshot:
    return next(each for each in (await _read(store, now_ms)).providers if each.name == name)


async def _open(store: Store, name: str, state: TaskState, **changes: Any) -> None:
    await store.submissions.open_task(a_task(name, state=state, **changes), T0)


async def _is_said(store: Store, number: int, state: TaskState, *, at_ms: int = T0, **changes: Any) -> None:
    await store.ledger.record([a_report(state, f"p{number}", source=Source.POLL, **changes)], at_ms)


async def test_an_empty_ledger_has_nothing_open(store: Store) -> None:
    found = await _read(store)
    assert [each.name for each in found.providers] == list(BOTH)
    assert {number for each in found.providers for number in each.tasks.values()} == {0}
    assert (found.outbox, found.dead, found.subscriptions) == (NONE, NONE, {"active": 0, "disabled": 0})


async def test_open_tasks_are_counted_by_provider_and_state_and_ended_ones_are_not(store: Store) -> None:
    await _open(store, "tsk_1", TaskState.QUEUED, queued_ms=T0 - 5 * S)
    await _open(store, "tsk_2", TaskState.QUEUED, queued_ms=T0 - 9 * S, priority=9)
    await _open(store, "tsk_3", TaskState.RUNNING, provider_task_id="p3", provider="modellix")
    await _open(store, "tsk_4", TaskState.SUCCEEDED, provider_task_id="p4", final_ms=T0)
    hiapi, modellix = (await _read(store)).providers
    assert (hiapi.tasks["queued"], hiapi.queued) == (2, Open(number=2, since_ms=T0 - 9 * S))
    assert (sum(hiapi.tasks.values()), modellix.tasks["running"], modellix.queued) == (2, 1, NONE)


async def test_tasks_of_a_provider_that_is_not_configured_are_those_of_other(store: Store) -> None:
    await _open(store, "tsk_1", TaskState.RUNNING, provider="gone", provider_task_id="p1")
    await _open(store, "tsk_2", TaskState.UNCERTAIN, provider="lost", sent_ms=T0 - 7 * S)
    other = await _of(store, "other")
    assert other.tasks == {"queued": 0, "submitting": 0, "uncertain": 1, "submitted": 0, "running": 1}
    assert other.uncertain == Open(number=1, since_ms=T0 - 7 * S)


async def test_an_uncertain_submit_is_as_old_as_its_post(store: Store) -> None:
    await _open(store, "tsk_1", TaskState.UNCERTAIN, created_ms=T0 - 60 * S, sent_ms=T0 - 20 * S)
    await _open(store, "tsk_2", TaskState.UNCERTAIN, created_ms=T0 - 50 * S, sent_ms=T0 - 10 * S)
    found = (await _of(store)).uncertain
    assert found == Open(number=2, since_ms=T0 - 20 * S)
    assert found.age_s(T0) == 20


async def test_an_overdue_task_is_open_until_it_ends(store: Store) -> None:
    await _open(store, "tsk_1", TaskState.RUNNING, provider_task_id="p1", deadline_ms=T0)
    assert await store.ledger.mark_overdue(T0 + S) == 1
    assert (await _of(store)).overdue == Open(number=1, since_ms=T0 + S)
    await _is_said(store, 1, TaskState.SUCCEEDED)
    assert (await _of(store)).overdue == NONE


async def test_the_age_of_due_polls_is_that_of_one_that_nobody_is_polling(store: Store) -> None:
    for number, due_ms in enumerate((T0 - 30 * S, T0 - 20 * S, T0 + S), 1):
        values = {"provider_task_id": f"p{number}", "next_poll_ms": due_ms}
        await _open(store, f"tsk_{number}", TaskState.RUNNING, **values)
    assert (await _of(store)).due_polls == Open(number=2, since_ms=T0 - 30 * S)
    await store.polls.lease_due("hiapi", budget=BUDGET, owner="w", now_ms=T0, lease_ms=10_000, limit=1)
    assert (await _of(store)).due_polls == Open(number=2, since_ms=T0 - 20 * S)
    await store.polls.lease_due("hiapi", budget=BUDGET, owner="w", now_ms=T0, lease_ms=10_000, limit=1)
    assert (await _of(store)).due_polls == Open(number=2, since_ms=None)


async def test_a_contradiction_is_open_for_a_day(store: Store) -> None:
    await _open(store, "tsk_1", TaskState.RUNNING, provider_task_id="p1")
    await _is_said(store, 1, TaskState.SUCCEEDED)
    for at_ms in (T0 + S, T0 + 2 * S):
        await _is_said(store, 1, TaskState.FAILED, at_ms=at_ms)
    assert (await _of(store, now_ms=T0 + MINUTE)).contradicted == Open(number=1, since_ms=T0 + S)
    assert (await _of(store, now_ms=T0 + 3 * S + CONTRADICTED_MS)).contradicted == NONE


async def test_an_unknown_word_is_open_until_the_provider_says_another(store: Store) -> None:
    for number in (1, 2):
        await _open(store, f"tsk_{number}", TaskState.RUNNING, provider_task_id=f"p{number}")
        odd = {"raw_state": "paused%odd", "is_documented_state": False}
        await _is_said(store, number, TaskState.RUNNING, at_ms=T0 + number, **odd)
    assert (await _of(store)).unknown_words == Open(number=2, since_ms=T0 + 1)
    await _is_said(store, 1, TaskState.RUNNING, raw_state="running")
    assert (await _of(store)).unknown_words == Open(number=1, since_ms=T0 + 2)
    await _is_said(store, 2, TaskState.FAILED)
    assert (await _of(store)).unknown_words == NONE


async def test_pauses_and_denials_end_with_their_time_or_by_an_answer(store: Store) -> None:
    await store.accounts.consume("hiapi", budget=Budget(per_s=1, burst=1, submits_count=True), count=1, now_ms=T0)
    alarm = "hiapi answers 401"
    await store.accounts.pause("hiapi", until_ms=T0 + MINUTE, reason="denied", alarm=alarm, now_ms=T0)
    found = await _of(store)
    assert (found.polls_paused, found.polls_denied) == (Pause(until_ms=T0 + MINUTE, reason="denied"), True)
    assert (found.submits_paused, found.submits_denied) == (None, False)
    later = await _of(store, now_ms=T0 + MINUTE)
    assert (later.polls_paused, later.polls_denied) == (None, True)


async def test_what_a_provider_said_never_becomes_a_reason(store: Store) -> None:
    async def held(tx: Tx) -> None:
        await tx.run_script(
            "INSERT INTO accounts (provider, tokens, refilled_ms, submits_paused_until_ms, submits_paused_reason,"
            f" paused_until_ms, paused_reason) VALUES ('hiapi', 1, 1, {T0 + S}, 'throttled: 429: <b>slow</b>',"
            f" {T0 + S}, 'whatever it says');\n"
        )

    await store.engine.write(held)
    found = await _of(store)
    assert found.submits_paused == Pause(until_ms=T0 + S, reason="throttled")
    assert found.polls_paused == Pause(until_ms=T0 + S, reason="other")


async def test_the_outbox_is_as_late_as_its_longest_due_delivery(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 3, at_ms=T0 - 40 * S)
    assert (await _read(store)).outbox == Open(number=0, since_ms=T0 - 40 * S)  # no deliveries are made yet
    await lease(store, now_ms=T0 - 30 * S, limit=1)
    outbox = (await _read(store)).outbox
    assert outbox.number == 3
    assert outbox.since_ms is not None
    assert outbox.since_ms <= T0 - 20 * S


async def test_deliveries_of_a_disabled_subscription_are_pending_and_not_late(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2, at_ms=T0 - 40 * S)
    await lease(store, now_ms=T0 - 30 * S, limit=1, lease_ms=1)
    await set_state(store, SubscriptionState.DISABLED)
    found = await _read(store)
    assert (found.outbox, found.subscriptions) == (Open(number=2), {"active": 0, "disabled": 1})


async def test_dead_letters_are_counted_since_the_oldest_became_one(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, 2, at_ms=T0 - 40 * S)
    await finish(store, await lease(store, limit=1), DeliveryState.DEAD)
    found = (await _read(store)).dead
    assert (found.number, found.since_ms is not None) == (1, True)


async def test_the_tasks_of_an_unknown_word_are_those_it_was_last_said_of_the_newest_first(store: Store) -> None:
    for number, word in ((1, "odd"), (2, "odd"), (3, "strange"), (4, "odd")):
        provider = "modellix" if number == 4 else "hiapi"
        await _open(store, f"tsk_{number}", TaskState.RUNNING, provider_task_id=f"p{number}", provider=provider)
        odd = {"raw_state": word, "is_documented_state": False, "provider": provider}
        await _is_said(store, number, TaskState.RUNNING, at_ms=T0 + number, **odd)
    found = await store.overview.unknown_words("hiapi", now_ms=T0)
    assert found == {"strange": {"tsk_3": T0 + 3}, "odd": {"tsk_2": T0 + 2, "tsk_1": T0 + 1}}
    assert list(found["odd"]) == ["tsk_2", "tsk_1"]
    await _is_said(store, 3, TaskState.RUNNING, raw_state="running")
    assert await store.overview.unknown_words("hiapi", now_ms=T0) == {"odd": {"tsk_2": T0 + 2, "tsk_1": T0 + 1}}


async def test_open_tasks_are_counted_of_every_provider(store: Store) -> None:
    await _open(store, "tsk_1", TaskState.RUNNING, provider="gone", provider_task_id="p1")
    await _open(store, "tsk_2", TaskState.QUEUED, queued_ms=T0)
    await _open(store, "tsk_3", TaskState.SUCCEEDED, provider="ended", provider_task_id="p3", final_ms=T0)
    assert await store.overview.open_tasks() == {"gone": {"running": 1}, "hiapi": {"queued": 1}}
