"""Leases and rate budgets."""

import asyncio

from receiver.reconcile.model.provider import Resumed
from receiver.reconcile.model.report import ReconcileFilter
from receiver.runtime.store import Store
from receiver.store.accounts import refill_tokens, set_tokens, store_account
from receiver.store.engine import Tx
from receiver.tasks.model.queue import AccountLimits, after_refusal
from receiver.tasks.model.task import Task, TaskFilter
from submitter.model import Refusal, Refused, TaskError, TaskId, TaskState
from submitter.providers.contract import Budget
from tests.support.builders import BUDGET, T0, a_report, a_task
from tests.support.reconcile_setup import a_poll, a_provider

DUE = T0 + 60_000


async def _lease(
    store: Store, owner: str, *, now_ms: int = DUE, budget: Budget = BUDGET, limit: int = 50
) -> list[Task]:
    return await store.polls.lease_due("hiapi", budget=budget, owner=owner, now_ms=now_ms, lease_ms=10_000, limit=limit)


async def _open(store: Store, count: int, **changes: object) -> None:
    for index in range(count):
        await store.submissions.open_task(a_task(f"tsk_{index}", **changes), T0)


async def test_a_task_is_leased_when_it_is_due_and_not_before(store: Store) -> None:
    await _open(store, 1)
    assert await _lease(store, "a", now_ms=DUE - 1) == []
    assert [task.id for task in await _lease(store, "a")] == ["tsk_0"]


async def test_two_workers_never_lease_the_same_task(store: Store) -> None:
    await _open(store, 30)
    runs = await asyncio.gather(*(_lease(store, f"w{n}", limit=8) for n in range(6)))
    leased = [task.id for run in runs for task in run]
    assert len(leased) == len(set(leased)) == 30


async def test_a_lease_ends_by_itself_and_its_late_owner_is_refused(store: Store) -> None:
    await _open(store, 1)
    await _lease(store, "slow")
    assert await _lease(store, "next", now_ms=DUE + 9_999) == []
    assert len(await _lease(store, "next", now_ms=DUE + 10_000)) == 1
    await store.polls.release([a_poll("tsk_0", next_poll_ms=None)], owner="slow", now_ms=DUE + 10_001)
    task = await store.tasks.task(TaskId("tsk_0"))
    assert task is not None
    assert (task.next_poll_ms, task.polls) == (DUE, 0)


async def test_releasing_counts_the_poll_and_sets_the_next(store: Store) -> None:
    await _open(store, 1)
    await _lease(store, "a")
    await store.polls.release([a_poll("tsk_0", next_poll_ms=DUE + 5, not_found=True)], owner="a", now_ms=DUE)
    (task,) = await _lease(store, "b", now_ms=DUE + 5)
    assert (task.polls, task.missing_since_ms) == (1, DUE)
    await store.polls.release([a_poll("tsk_0", next_poll_ms=DUE + 9)], owner="b", now_ms=DUE + 6)
    after = await store.tasks.task(TaskId("tsk_0"))
    assert after is not None
    assert after.missing_since_ms is None


async def test_releasing_never_makes_a_task_due_that_has_ended(store: Store) -> None:
    await _open(store, 1)
    await _lease(store, "a")
    await store.ledger.record([a_report(expected_task_id="tsk_0")], DUE)
    await store.polls.release([a_poll("tsk_0", next_poll_ms=DUE + 5)], owner="a", now_ms=DUE)
    task = await store.tasks.task(TaskId("tsk_0"))
    assert task is not None
    assert (task.state, task.next_poll_ms) == (TaskState.SUCCEEDED, None)


async def test_the_rate_budget_bounds_what_is_leased_and_refills_with_time(store: Store) -> None:
    budget = Budget(per_s=1.0, burst=3, submits_count=True)
    await _open(store, 10)
    assert len(await _lease(store, "a", budget=budget)) == 3
    assert await _lease(store, "a", budget=budget) == []
    assert len(await _lease(store, "a", budget=budget, now_ms=DUE + 2_000)) == 2


async def test_an_empty_rate_budget_refills_although_the_clock_was_set_back(store: Store) -> None:
    budget = Budget(per_s=1.0, burst=3, submits_count=True)
    await _open(store, 5, next_poll_ms=T0)
    await _lease(store, "a", budget=budget, now_ms=DUE + 3_600_000)
    assert await _lease(store, "a", budget=budget, now_ms=DUE) == []
    assert len(await _lease(store, "a", budget=budget, now_ms=DUE + 2_000)) == 2


async def test_submits_consume_the_same_rate_budget_and_may_overdraw_it(store: Store) -> None:
    budget = Budget(per_s=1.0, burst=3, submits_count=True)
    await _open(store, 5)
    account = await store.accounts.consume("hiapi", budget=budget, count=5, now_ms=DUE)
    assert account.tokens == -2.0
    assert await _lease(store, "a", budget=budget, now_ms=DUE + 2_000) == []
    assert len(await _lease(store, "a", budget=budget, now_ms=DUE + 3_000)) == 1


async def test_a_paused_provider_is_not_polled_until_the_pause_ends(store: Store) -> None:
    await _open(store, 1)
    await store.accounts.pause("hiapi", until_ms=DUE + 100, reason="429", alarm=None, now_ms=DUE)
    assert await _lease(store, "a") == []
    assert len(await _lease(store, "a", now_ms=DUE + 1_000)) == 1


async def test_a_longer_pause_and_an_alarm_stay_until_the_provider_answers(store: Store) -> None:
    await store.accounts.pause("hiapi", until_ms=DUE + 900, reason="denied", alarm="key refused", now_ms=DUE)
    await store.accounts.pause("hiapi", until_ms=DUE + 100, reason="429", alarm=None, now_ms=DUE)
    (account,) = await store.accounts.all()
    assert (account.paused_until_ms, account.alarm) == (DUE + 900, "key refused")
    assert await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=DUE + 1, now_ms=DUE + 2)
    (account,) = await store.accounts.all()
    assert (account.paused_until_ms, account.paused_reason, account.alarm) == (None, None, None)
    assert not await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=DUE + 3, now_ms=DUE + 3)


async def test_a_good_poll_ends_the_pause_of_polls_and_a_receipt_the_hold_of_submits(store: Store) -> None:
    """Each with its own alarm: what one proves says nothing about the other."""

    async def deny_submits() -> None:
        async def work(tx: Tx) -> None:
            account = await refill_tokens(tx, "hiapi", BUDGET, DUE)
            refused = Refused(refusal=Refusal.DENIED, error=TaskError(code="UNAUTHORIZED", message="no"), status=401)
            limits = AccountLimits(budget=BUDGET, max_in_flight=10, speed=1.0)
            await store_account(tx, after_refusal(account, refused, limits, others_in_flight=0, now_ms=DUE))

        await store.engine.write(work)

    async def shown() -> tuple[bool, ...]:
        (each,) = await store.accounts.all()
        troubles = (each.paused_until_ms, each.alarm, each.submits_paused_until_ms, each.submits_alarm)
        return tuple(trouble is not None for trouble in troubles)

    await deny_submits()
    await store.accounts.pause("hiapi", until_ms=DUE + 100, reason="denied", alarm="polls denied", now_ms=DUE)
    assert await shown() == (True, True, True, True)
    assert await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=DUE + 1, now_ms=DUE + 2)
    assert await shown() == (False, False, True, True)
    assert not await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=DUE + 3, now_ms=DUE + 4)
    await store.accounts.pause("hiapi", until_ms=DUE + 100, reason="denied", alarm="polls denied", now_ms=DUE)
    await store.accounts.submit_accepted("hiapi", sent_ms=DUE + 5, now_ms=DUE + 6)
    assert await shown() == (True, True, False, False)
    await deny_submits()
    # The hold is over by time; its alarm stays for a person, who ends it as well.
    late_ms = DUE + 400_000
    assert (await store.providers.resume(a_provider("hiapi"), speed=1.0, actor="ann", now_ms=late_ms)).ended
    assert await shown() == (False, False, False, False)
    assert not (await store.providers.resume(a_provider("hiapi"), speed=1.0, actor="ann", now_ms=late_ms)).ended


async def test_an_answer_to_a_request_from_before_the_pause_does_not_end_it(store: Store) -> None:
    await store.accounts.pause("hiapi", until_ms=DUE + 900, reason="429", alarm="slow", now_ms=DUE)
    for sent_ms in (DUE - 1, DUE):
        assert not await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=sent_ms, now_ms=DUE + 5)
    await store.accounts.pause("hiapi", until_ms=DUE + 100, reason="429", alarm=None, now_ms=DUE + 50)
    assert not await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=DUE + 50, now_ms=DUE + 60)
    (account,) = await store.accounts.all()
    assert (account.paused_until_ms, account.alarm) == (DUE + 900, "slow")


async def test_a_pause_that_was_stored_before_the_clock_was_set_back_ends_too(store: Store) -> None:
    await store.accounts.pause("hiapi", until_ms=DUE + 900, reason="429", alarm="slow", now_ms=DUE)
    hour_ms = 3_600_000
    early_ms = DUE - hour_ms
    assert await store.providers.end_pause(a_provider("hiapi"), speed=1.0, sent_ms=early_ms, now_ms=early_ms)


async def test_a_resume_makes_the_tasks_due_that_the_pause_put_off_and_no_others(store: Store) -> None:
    until_ms = DUE + 300_000
    await store.accounts.pause("hiapi", until_ms=until_ms, reason="denied", alarm="key refused", now_ms=DUE)
    every_ms = round(a_provider("hiapi").adapter.CAPABILITIES.poll.every_s * 1000)
    times = {"put_off": until_ms, "last": until_ms + every_ms, "later": until_ms + every_ms + 1, "soon": until_ms - 1}
    for name, next_poll_ms in times.items():
        await store.submissions.open_task(a_task(f"tsk_{name}", next_poll_ms=next_poll_ms), T0)
    await store.submissions.open_task(a_task("tsk_other", provider="modellix", next_poll_ms=until_ms), T0)
    resumed = await store.providers.resume(a_provider("hiapi"), speed=1.0, actor="ann", now_ms=DUE + 5)
    assert resumed == Resumed(ended=True, made_due=2)
    found = {str(task.id): task.next_poll_ms for task in (await store.tasks.tasks(TaskFilter())).items}
    assert (found["tsk_put_off"], found["tsk_last"]) == (DUE + 5, DUE + 5)
    assert (found["tsk_later"], found["tsk_soon"]) == (times["later"], times["soon"])
    assert found["tsk_other"] == until_ms
    again = await store.providers.resume(a_provider("hiapi"), speed=1.0, actor="ann", now_ms=DUE + 6)
    assert again == Resumed(ended=False, made_due=0)


async def test_a_task_that_became_due_meanwhile_keeps_its_time(store: Store) -> None:
    await store.submissions.open_task(a_task("tsk_1", next_poll_ms=DUE), T0)
    assert await store.engine.write(lambda tx: tx.execute_and_count("poll_now", id="tsk_1", now_ms=DUE)) == 0
    assert await store.engine.write(lambda tx: tx.execute_and_count("poll_now", id="tsk_1", now_ms=DUE - 1)) == 1


async def test_a_provider_is_listed_before_its_first_request_and_with_its_unfinished_tasks(store: Store) -> None:
    await _open(store, 2)
    await store.submissions.open_task(a_task("tsk_done", state=TaskState.SUCCEEDED), T0)
    budget = a_provider("hiapi").adapter.CAPABILITIES.budget
    await store.accounts.consume("hiapi", budget=budget, count=3, now_ms=DUE)
    await store.accounts.pause("hiapi", until_ms=DUE + 900, reason="429", alarm="slow", now_ms=DUE)
    providers = {name: a_provider(name) for name in ("hiapi", "modellix")}
    used, unused = await store.providers.statuses(providers, speed=1.0, now_ms=DUE)
    assert (used.name, used.host, used.unfinished) == ("hiapi", "hiapi.example", 2)
    assert (used.tokens, used.burst) == (budget.burst - 3, budget.burst)
    assert (used.paused_until_ms, used.paused_reason, used.alarm) == (DUE + 900, "429", "slow")
    assert (unused.tokens, unused.paused_until_ms, unused.alarm) == (unused.burst, None, None)
    over, _ = await store.providers.statuses(providers, speed=1.0, now_ms=DUE + 900)
    assert (over.paused_until_ms, over.paused_reason, over.alarm) == (None, None, "slow")


async def test_a_manual_run_leases_what_is_not_due_and_not_what_is_leased(store: Store) -> None:
    await _open(store, 3)
    await _lease(store, "worker", limit=1)
    condition = ReconcileFilter(provider="hiapi")
    found = await store.polls.find_by_filter(condition, now_ms=DUE, limit=10)
    leased = await store.polls.lease_by_filter(condition, owner="manual", now_ms=DUE, lease_ms=10_000, limit=10)
    assert (len(found), len(leased)) == (3, 2)


async def test_a_filter_finds_one_task_by_either_id_and_old_ones_by_age(store: Store) -> None:
    await _open(store, 1, provider_task_id="p0")
    for condition, count in [
        (ReconcileFilter(task="tsk_0"), 1),
        (ReconcileFilter(task="p0"), 1),
        (ReconcileFilter(older_than_s=60), 1),
        (ReconcileFilter(older_than_s=61), 0),
        (ReconcileFilter(provider="tokenbay"), 0),
    ]:
        assert len(await store.polls.find_by_filter(condition, now_ms=DUE, limit=10)) == count


async def test_what_is_made_due_during_a_poll_is_polled_again_at_once(store: Store) -> None:
    await _open(store, 1)
    await _lease(store, "polling")
    await store.ledger.make_due([TaskId("tsk_0")], DUE + 5)
    await store.polls.release([a_poll("tsk_0", next_poll_ms=DUE + 90_000)], owner="polling", now_ms=DUE + 6)
    assert [task.id for task in await _lease(store, "next", now_ms=DUE + 7)] == ["tsk_0"]


async def test_a_poll_without_a_next_time_never_ends_the_polls_of_a_live_task(store: Store) -> None:
    await _open(store, 1, provider_task_id="p0", state=TaskState.RUNNING)
    await _lease(store, "a")
    await store.polls.release([a_poll("tsk_0", next_poll_ms=None)], owner="a", now_ms=DUE)
    task = await store.tasks.task(TaskId("tsk_0"))
    assert task is not None
    assert task.next_poll_ms == DUE


async def test_make_due_makes_only_unfinished_tasks_due(store: Store) -> None:
    await _open(store, 2, next_poll_ms=None)
    await store.ledger.record([a_report(expected_task_id="tsk_1")], T0)
    await store.ledger.make_due([TaskId("tsk_0"), TaskId("tsk_1")], DUE)
    assert [task.id for task in await _lease(store, "a")] == ["tsk_0"]


async def test_a_burst_of_submits_overdraws_the_budget_by_one_burst_at_most(store: Store) -> None:
    """Otherwise a thousand submits would keep polls waiting for as long as a thousand requests take."""
    budget = Budget(per_s=1.0, burst=3, submits_count=True)
    await _open(store, 5)
    left = [await store.accounts.consume("hiapi", budget=budget, count=1, now_ms=DUE) for _ in range(50)]
    assert left[-1].tokens == -3.0
    assert (await store.accounts.consume("hiapi", budget=budget, count=1000, now_ms=DUE)).tokens == -3.0
    assert await _lease(store, "a", budget=budget, now_ms=DUE + 3_999) == []
    assert len(await _lease(store, "a", budget=budget, now_ms=DUE + 4_000)) == 1


async def test_two_workers_at_once_spend_one_budget_once(store: Store) -> None:
    """The second reads the account only after the first has stored what is left."""
    budget = Budget(per_s=0.001, burst=5, submits_count=True)
    await store.accounts.consume("hiapi", budget=budget, count=0, now_ms=DUE)
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def first(tx: Tx) -> None:
        account = await refill_tokens(tx, "hiapi", budget, DUE)
        has_read.set()
        await may_go_on.wait()
        await set_tokens(tx, account, account.tokens - 3)

    async def second(tx: Tx) -> float:
        return (await refill_tokens(tx, "hiapi", budget, DUE)).tokens

    holding = asyncio.create_task(store.engine.write(first))
    await has_read.wait()
    waiting = asyncio.create_task(store.engine.write(second))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    may_go_on.set()
    await holding
    assert await waiting == 2.0


async def test_many_workers_at_once_lease_no_more_than_the_budget(store: Store) -> None:
    budget = Budget(per_s=0.001, burst=7, submits_count=True)
    await _open(store, 30)
    leased = await asyncio.gather(*(_lease(store, f"w{number}", budget=budget) for number in range(8)))
    assert sum(map(len, leased)) == 7
