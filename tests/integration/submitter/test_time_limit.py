"""The limit in time of an exchange, on an event loop that stands still in between."""

import asyncio
import time

import pytest

from submitter.http.time_limit import LATE_S, time_limit


async def _many_steps(count: int) -> str:
    for _ in range(count):
        await asyncio.sleep(0)
    return "read"


async def _limited(work: "asyncio.Future[str]", within_s: float) -> str:
    async with time_limit(asyncio.get_running_loop().time() + within_s):
        return await work


async def test_what_takes_longer_meets_the_limit() -> None:
    started_s = time.monotonic()
    with pytest.raises(TimeoutError):
        await _limited(asyncio.get_running_loop().create_future(), 0.1)
    assert time.monotonic() - started_s >= 0.1


@pytest.mark.parametrize("steps", [0, 1, 500])
async def test_after_a_standstill_what_has_arrived_is_taken_first(steps: int) -> None:
    work = asyncio.ensure_future(_many_steps(steps))
    limited = asyncio.create_task(_limited(work, 0.01))
    asyncio.get_running_loop().call_soon(time.sleep, LATE_S + 0.2)
    assert await limited == "read"


async def test_after_a_standstill_the_limit_still_holds() -> None:
    limited = asyncio.create_task(_limited(asyncio.get_running_loop().create_future(), 0.01))
    asyncio.get_running_loop().call_soon(time.sleep, LATE_S + 0.2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(limited, 60)


async def test_a_limit_that_was_kept_leaves_nothing_behind() -> None:
    assert await _limited(asyncio.ensure_future(_many_steps(3)), 0.05) == "read"
    await asyncio.sleep(0.2)


async def test_a_cancelled_caller_is_cancelled_at_once() -> None:
    limited = asyncio.create_task(_limited(asyncio.get_running_loop().create_future(), 60))
    await asyncio.sleep(0)
    limited.cancel()
    with pytest.raises(asyncio.CancelledError):
        await limited
