"""A limit in time that first takes what has already arrived.

A process can stand still: stopped by a signal, asleep with its laptop, moved to another machine, or on a busy machine.
When it goes on, its limits are over, and a reply that came meanwhile lies unread in the socket. To give up at once
would lose it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ARRIVED_S = 0.05  # for what has arrived at the limit

STOOD_STILL_S = 5.0  # for what has arrived while the process stood still: many steps, on a machine that is busy

LATE_S = 0.25  # a limit that is noticed later than this was passed while the process stood still


@asynccontextmanager
async def time_limit(deadline_s: float) -> AsyncIterator[None]:
    """Raise TimeoutError when the body has not ended by the deadline, in seconds of the event loop's clock."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def passed() -> None:
            now_s = loop.time()
            limit.reschedule(now_s + (STOOD_STILL_S if now_s - deadline_s > LATE_S else ARRIVED_S))

        timer = loop.call_at(deadline_s, passed)
        try:
            yield
        finally:
            timer.cancel()
