"""A rate budget that is too small for all due tasks goes to those whose polls are worth most."""

from pathlib import Path

from submitter.providers.modellix import CAPABILITIES
from tests.support.builders import T0
from tests.support.reconcile_setup import ReconcileSetup, modellix, open_reconcile_setup

BUDGET = CAPABILITIES.budget


async def test_tasks_that_were_just_sent_wait_for_those_that_have_long_run(tmp_path: Path) -> None:
    async with open_reconcile_setup(tmp_path) as setup:
        for number in range(15):
            age_s = 5 if number < 3 else 180  # the young ones are due for longest
            sent_ms = T0 - age_s * 1000
            await setup.add_task(
                f"tsk_{number}", f"p{number}", provider="modellix", sent_ms=sent_ms, next_poll_ms=T0 - 100 + number
            )
            setup.transport.answer(f"p{number}", modellix("processing", f"p{number}"))
        await setup.store.accounts.consume("modellix", budget=BUDGET, count=BUDGET.burst - 12, now_ms=T0)
        await setup.run()
        assert sorted(setup.transport.queried) == sorted(f"p{number}" for number in range(3, 15))
        await setup.run(after_s=4)
        assert set(setup.transport.queried[12:]) == {"p0", "p1", "p2"}


async def _add_many(setup: ReconcileSetup, count: int, *, used_s_ago: float) -> None:
    """Due tasks of an account that was used last so long ago, and whose budget is full."""
    for number in range(count):
        await setup.add_task(f"tsk_{number}", f"p{number}", provider="modellix", sent_ms=T0 - 180_000)
        setup.transport.answer(f"p{number}", modellix("processing", f"p{number}"))
    used_ms = T0 - round(used_s_ago * 1000)
    await setup.store.accounts.consume("modellix", budget=BUDGET, count=0, now_ms=used_ms)


async def _polls_of_a_run(setup: ReconcileSetup, *, after_s: float = 0) -> int:
    before = len(setup.transport.queried)
    await setup.run(after_s=after_s, limit=200)
    return len(setup.transport.queried) - before


async def test_after_downtime_polls_begin_with_half_of_the_rate_budget(tmp_path: Path) -> None:
    async with open_reconcile_setup(tmp_path, concurrency=200) as setup:
        await _add_many(setup, 150, used_s_ago=600)
        assert await _polls_of_a_run(setup) == BUDGET.burst // 2
        assert await _polls_of_a_run(setup, after_s=3) == 3 * BUDGET.per_s / 2
        polls = [await _polls_of_a_run(setup, after_s=3) for _ in range(30)]
        assert polls[:18] == [2] * 18
        assert polls[20:] == [4] * 10


async def test_an_account_that_was_just_used_has_its_whole_budget(tmp_path: Path) -> None:
    """By another process, before a restart."""
    async with open_reconcile_setup(tmp_path, concurrency=200) as setup:
        await _add_many(setup, 60, used_s_ago=59)
        assert await _polls_of_a_run(setup) == BUDGET.burst
        assert await _polls_of_a_run(setup, after_s=3) == 3 * BUDGET.per_s


async def test_a_machine_that_slept_warms_up_and_one_whose_clock_was_set_back_does_not(tmp_path: Path) -> None:
    async with open_reconcile_setup(tmp_path, concurrency=200) as setup:
        await _add_many(setup, 150, used_s_ago=1)
        assert await _polls_of_a_run(setup) == BUDGET.burst
        assert await _polls_of_a_run(setup, after_s=3600) == BUDGET.burst // 2
        assert await _polls_of_a_run(setup, after_s=-3600) <= BUDGET.burst // 2
        assert await _polls_of_a_run(setup, after_s=3) == 3 * BUDGET.per_s
