"""Live events: who waits or follows is woken by what the ledger says, and by nothing else.

Flow. A wake-up is only a hint to look; the truth is read from the ledger, by one loop for all, and only while somebody
waits or follows. Events that other processes commit are seen by the next look without a hint, which is rarer where
there are hints of those too.
"""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

import structlog

from receiver.events.log import EventLog
from receiver.events.model.buffer import EventBuffer, Told
from receiver.events.model.event import EventType
from receiver.store.errors import StoreError
from submitter.model import ENDED, UNRESOLVED, TaskId, TaskState

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1  # how late an event of another process may be seen

LOOK_RARELY_S = 1.0  # the same while other processes' commits are hinted at, should a hint be lost

LONGEST_PAUSE_S = 2.0  # between looks at a ledger that cannot be read

PAGE = 200  # events a look; a full page is followed by another look at once

GROUPS = 64  # of followers, woken one after the other: what else is to be done comes between, and does not wait for all

DOUBTS_EVERY_S = 1.0  # how late the end of a task may be seen that ends without an event


#: The states of those of these tasks that are there, by our id.
TaskStates = Callable[[Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskState]]]


class Feed:
    """One for a process, used from its event loop only.

    `seats`: how many may wait or follow at once. Whoever finds `has_room` takes a seat before anything else can run.
    """

    def __init__(self, *, event_log: EventLog, task_states: TaskStates, seats: int) -> None:
        self._event_log = event_log
        self._task_states = task_states
        self._seats = seats
        self._waits = Waits()
        self._followers: dict[int, Callable[[], None]] = {}
        self._ring = EventBuffer()
        self._news = [asyncio.Event() for _ in range(GROUPS)]
        self._seat_numbers = count()
        self._hint = asyncio.Event()
        self._ready: asyncio.Event | None = None
        self._loop: asyncio.Task[None] | None = None
        self._doubts_at_s = 0.0
        self._closed = False
        self.hears_others: Callable[[], bool] = lambda: False

    @property
    def taken(self) -> int:
        """Seats."""
        return len(self._waits) + len(self._followers)

    @property
    def has_room(self) -> bool:
        return self.taken < self._seats

    def news(self, seat: int) -> asyncio.Event:
        """Set when there is more to look at than there was when it was taken."""
        return self._news[seat % GROUPS]

    def wake(self) -> None:
        """Something was committed: look now. Other processes' commits come here too while `hears_others`."""
        self._hint.set()

    async def wait_for_task(self, task_id: TaskId, /, *, timeout_s: float) -> None:
        """Return when the task has ended, the time is up or the feed is closed; the caller reads which.

        A ledger that cannot be read is waited out.
        """
        try:
            with self._waits.waiting(task_id) as woken:
                async with asyncio.timeout(timeout_s):
                    # In this order nothing slips through: events after the loop's start wake us, and what was before
                    # it is read.
                    await self._started()
                    await self._note([task_id])
                    if not self._closed:
                        await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._rest()

    @contextmanager
    def following(self, leave: Callable[[], None]) -> Iterator[int]:
        """A seat: while it is taken, memory holds the newest events and `news` tells of them. A close calls `leave`."""
        seat = next(self._seat_numbers)
        self._followers[seat] = leave
        try:
            self._start()
            if self._closed:
                leave()
            yield seat
        finally:
            del self._followers[seat]
            self._rest()

    def newest(self, cursor: int, *, limit: int) -> Sequence[Told] | None:
        """The next events after a cursor, from memory; None when it does not reach back, or forward, to there."""
        self._start()
        return self._ring.after(cursor, limit=limit)

    def close(self) -> None:
        """Let everybody go who waits or follows, now and later, so that a stop does not take as long as they would."""
        self._closed = True
        self._waits.wake_all()
        for leave in list(self._followers.values()):
            leave()
        self._hint.set()

    @property
    def _is_needed(self) -> bool:
        return bool(self._waits or self._followers) and not self._closed

    def _rest(self) -> None:
        if not self._is_needed:
            self._hint.set()  # nobody is left to look for

    def _start(self) -> None:
        if self._loop is None and not self._closed:
            self._ready = asyncio.Event()
            # Its log lines belong to no single request.
            self._loop = asyncio.create_task(self._run(self._ready), context=contextvars.Context())

    async def _started(self) -> None:
        self._start()
        if self._ready is not None:
            await self._ready.wait()

    async def _note(self, task_ids: Sequence[TaskId]) -> None:
        """Wake those of these tasks that have ended; what can not be read now is asked again later."""
        try:
            states = await self._task_states(task_ids)
            self._waits.note({task_id: states.get(task_id) for task_id in task_ids})
        except StoreError:
            self._waits.doubt(task_ids)

    async def _run(self, ready: asyncio.Event) -> None:
        cursor: int | None = None
        trouble_s: float | None = None
        try:
            while self._is_needed:
                try:
                    cursor = await self._look(cursor)
                    await self._ask_doubtful()
                    trouble_s = None
                    ready.set()
                except StoreError as error:
                    trouble_s = _longer(trouble_s, error)
                usual_s = LOOK_RARELY_S if self.hears_others() else LOOK_EVERY_S
                await self._pause(trouble_s or usual_s)
        finally:
            self._loop = None
            self._ring.restart(None)
            ready.set()

    async def _look(self, cursor: int | None) -> int:
        """Wake whom the new events concern; returns how far the ledger has been read."""
        if cursor is None:
            newest = await self._event_log.last_seq()
            self._ring.restart(newest)
            await self._tell()
            return newest
        page = await self._event_log.events(cursor, limit=PAGE)
        if not page:
            return cursor
        if page[0].seq != cursor + 1:
            self._ring.restart(page[0].seq - 1)  # this process slept for so long that events between are kept no longer
        self._waits.wake(event.task_id for event in page if event.task_id and event.type is not EventType.OVERDUE)
        if self._followers:
            self._ring.add([Told.of(event) for event in page])
            await self._tell()
        else:
            self._ring.restart(page[-1].seq)
        if len(page) == PAGE:
            self._hint.set()
        return page[-1].seq

    async def _tell(self) -> None:
        for group, news in enumerate(self._news):
            self._news[group] = asyncio.Event()
            news.set()
            await asyncio.sleep(0)

    async def _ask_doubtful(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._waits.doubtful and now_s >= self._doubts_at_s:
            self._doubts_at_s = now_s + DOUBTS_EVERY_S
            await self._note(self._waits.doubtful)

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._hint.wait()
        except TimeoutError:
            pass
        self._hint.clear()


def _longer(pause_s: float | None, error: StoreError) -> float:
    """`pause_s` None: the look before went well."""
    if pause_s is None:
        log.warning("events_not_read", error=str(error))
        pause_s = LOOK_EVERY_S
    return min(pause_s * 2, LONGEST_PAUSE_S)


class Waits:
    """Each waiter has an `asyncio.Event` of its own, and a task as many waiters as there are."""

    def __init__(self) -> None:
        self._woken: defaultdict[TaskId, set[asyncio.Event]] = defaultdict(set)
        self._doubtful: set[TaskId] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def doubtful(self) -> Sequence[TaskId]:
        """Tasks that may end, or may have ended, without an event to come."""
        return list(self._doubtful)

    @contextmanager
    def waiting(self, task_id: TaskId) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        self._woken[task_id].add(woken)
        self._count += 1
        try:
            yield woken
        finally:
            self._count -= 1
            self._woken[task_id].discard(woken)
            if not self._woken[task_id]:
                del self._woken[task_id]
                self._doubtful.discard(task_id)

    def note(self, states: Mapping[TaskId, TaskState | None]) -> None:
        """What a look at these tasks said; None: there is no such task, so nothing to wait for."""
        for task_id, state in states.items():
            if state is None or state in ENDED:
                self.wake([task_id])
            elif state in UNRESOLVED:  # a submit that creates nothing ends its task without an event
                self.doubt([task_id])
            else:
                self._doubtful.discard(task_id)

    def doubt(self, task_ids: Iterable[TaskId]) -> None:
        """Ask about these again, as long as somebody waits for them."""
        self._doubtful.update(task_id for task_id in task_ids if task_id in self._woken)

    def wake(self, task_ids: Iterable[TaskId]) -> None:
        for task_id in task_ids:
            for woken in self._woken.get(task_id, ()):
                woken.set()

    def wake_all(self) -> None:
        self.wake(list(self._woken))
