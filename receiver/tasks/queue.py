"""Send what waits in the queue, as soon as its account has room.

Called by the worker: at intervals, when a task was queued or has ended, and when a POST has left. Each account is
served apart and has connections of its own, so that an account without room, or one that hangs, delays only itself.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from receiver.tasks.model.queue import NoRoom
from receiver.tasks.queue_repository import Claimed, QueueRepository, Unsendable
from receiver.tasks.submission import Submission
from submitter.model import Source

SENDS_AT_ONCE = 16  # POSTs of one account in this process; they last a second or two, and a minute where it hangs

CLAIMS_IN_A_RUN = 200  # of one account, so that a run ends although tasks are refused as fast as they are claimed


@dataclass(slots=True, kw_only=True, eq=False)
class QueueSender:
    """One for a process; any number of processes may send from one queue."""

    submission: Submission
    queue: QueueRepository
    #: Unix milliseconds.
    clock: Callable[[], int]
    #: Called after a commit that made events.
    on_events: Callable[[], None]
    #: Called when a POST has ended, because the account may have room again.
    on_capacity: Callable[[], None] = lambda: None
    #: POSTs that are under way, by account.
    _sending: Counter[str] = field(default_factory=Counter, init=False)
    #: The task up to which stored requests were looked at, see `QueueRepository.remove_left_requests`.
    _looked_at: str = field(default="", init=False)
    #: Accounts whose queue a run is reading.
    _served: set[str] = field(default_factory=set, init=False)
    #: Those of them for which another run came meanwhile: what was read may be older than its reason.
    _missed: set[str] = field(default_factory=set, init=False)

    async def send_once(self) -> float | None:
        """Start the POSTs for which there is room, without waiting for their answers.

        Return after how many seconds to come again, None where only the next event or tick can change anything. Raise
        StoreUnavailable when an account could not be served; its tasks stay queued.
        """
        known = [name for name in await self.queue.waiting() if name in self.submission.providers]
        self._missed.update(name for name in known if name in self._served)
        free = [name for name in known if name not in self._served]
        results = await asyncio.gather(*(self._serve(provider) for provider in free), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        due = [result for result in results if isinstance(result, int)]
        return None if not due else max(0, min(due) - self.clock()) / 1000

    async def refuse_overdue(self) -> None:
        """End the tasks that have waited as long as they may, and delete requests that nobody needs any more."""
        refused = await self.queue.refuse_overdue(self.clock())
        for task in refused:
            self.submission.reporter.ended(task, Source.CLOCK)
        if refused:
            self.on_events()
        self._looked_at = await self.queue.remove_left_requests(self._looked_at)

    async def _serve(self, provider: str) -> int | None:
        """Claim what has room at one account. Return when there may be room again, if that is known."""
        self._served.add(provider)
        try:
            while True:
                self._missed.discard(provider)
                due_ms = await self._claim_all(provider)
                if provider not in self._missed:
                    return due_ms
        finally:
            self._served.discard(provider)

    async def _claim_all(self, provider: str) -> int | None:
        for _ in range(CLAIMS_IN_A_RUN):
            if self._sending[provider] >= SENDS_AT_ONCE:
                return None
            claimed = await self.submission.claim_next(provider)
            match claimed:
                case Claimed():
                    self._start(claimed)
                case NoRoom():
                    return claimed.until_ms
                case Unsendable():
                    continue
                case None:
                    return None
        return self.clock()

    def _start(self, claimed: Claimed) -> None:
        provider = claimed.task.provider
        self._sending[provider] += 1

        def ended(_: object) -> None:
            self._sending[provider] -= 1
            self.on_capacity()

        self.submission.start(claimed).add_done_callback(ended)
