"""A wall clock that leaps ahead beyond a provider's retention: no task expires by it at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.store.leap import LeapGuard
from submitter.model import TaskState
from tests.support.builders import T0
from tests.support.reconcile_setup import ReconcileSetup, open_reconcile_setup
from tests.support.submission_setup import reply

DAY_S = 86_400
UNKNOWN_TASK = reply({"code": 404, "message": "task not found", "data": None, "error_code": "NOT_FOUND"}, 404)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[ReconcileSetup]:
    async with open_reconcile_setup(tmp_path) as opened:
        yield opened


async def test_no_task_expires_by_a_clock_that_has_leaped_ahead_until_the_leap_is_believed(
    setup: ReconcileSetup,
) -> None:
    await setup.add_task(submitted_ms=T0)
    guard = LeapGuard(setup.store.engine)
    assert await guard.is_believed(T0)
    for _ in range(9):
        setup.transport.answer("p1", UNKNOWN_TASK)
    for after_s in (8 * DAY_S, 600, DAY_S - 1200):
        await setup.run(after_s=after_s)
        assert not await guard.is_believed(setup.clock())
        assert (await setup.task()).state is TaskState.RUNNING
    assert (await setup.task()).missing_since_ms is not None
    setup.clock.now_ms += 3_600_000
    assert await guard.is_believed(setup.clock())
    await setup.run()
    assert (await setup.task()).state is TaskState.EXPIRED
