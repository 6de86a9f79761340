"""A rate budget that is too small for all due tasks goes to those whose polls are worth most."""

from pathlib import Path

from submitter.providers.modellix import CAPABILITIES
from tests.support.builders import T0
from tests.support.reconcile_setup import modellix, open_reconcile_setup

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
