"""Wake up requests that wait for a task, and open streams, when there are new events.

One loop reads the event log for all of them, and only while there are any. `wake` is only a hint to read
now; what happened is always read from the log. Commits of other processes are found by reading at intervals, which are
longer while other processes notify this one.
"""

import asyncio
import contextvars
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count

import structlog

from receiver.events.log import EventLog
from receiver.events.model.buffer import EncodedEvent, EventBuffer
from receiver.events.model.event import EventType
from receiver.store.errors import StoreError
from submitter.model import ENDED, UNRESOLVED, TaskId, TaskState

log = structlog.get_logger(__name__)

READ_EVERY_S = 0.1  # how late an event of another process may be seen

READ_EVERY_NOTIFIED_S = 1.0  # the same while other processes notify this one, in case a notification is lost

LONGEST_PAUSE_S = 2.0  # between attempts to read a log that cannot be read

PAGE = 200  # events in one read; after a full page the next read follows at once

#: Followers are woken in this many groups, one after the other, so that other work can run in between.
GROUPS = 64

STATES_EVERY_S = 1.0  # how late the end of a task without an event may be seen

_TYPES = frozenset(EventType)

#: All but those about a task that goes on.
_ENDS = _TYPES - {EventType.OVERDUE, EventType.UNCERTAIN}


#: Returns the states of those of these tasks that exist, by our id.
TaskStates = Callable[[Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskState]]]


class Feed:
    """One for a process, used from its event loop only.

    At most `max_streams` requests may wait, watch or follow at once. Call `has_capacity` and `wait_for_task`,
    `watching` or `following` without an `await` in between.
    """

    def __init__(self, *, event_log: EventLog, task_states: TaskStates, max_streams: int) -> None:
        self._event_log = event_log
        self._task_states = task_states
        self._max_streams = max_streams
        self._waiters = TaskWaiters()
        self._watchers = TaskWaiters()
        self._leaving: dict[int, Callable[[], None]] = {}
        self._followers: dict[int, Callable[[], None]] = {}
        self._buffer = EventBuffer()
        self._wakeups = [asyncio.Event() for _ in range(GROUPS)]
        self._group_sizes = Counter[int]()
        self._slot_numbers = count()
        self._hint = asyncio.Event()
        self._ready: asyncio.Event | None = None
        self._loop: asyncio.Task[None] | None = None
        self._states_at_s = 0.0
        self._closed = False
        #: Whether commits of other processes call `wake`.
        self.is_notified: Callable[[], bool] = lambda: False

    @property
    def taken(self) -> int:
        """How many slots are taken."""
        return len(self._waiters) + len(self._watchers) + len(self._followers)

    @property
    def has_capacity(self) -> bool:
        return self.taken < self._max_streams

    def wakeup(self, slot: int) -> asyncio.Event:
        """An event that is set once there is more to read than at the time of this call."""
        return self._wakeups[slot % GROUPS]

    def wake(self) -> None:
        """Read the log now, because something was committed."""
        self._hint.set()

    async def wait_for_task(self, task_id: TaskId, /, *, timeout_s: float) -> None:
        """Return when the task has ended, does not exist, the time is up or the feed is closed.

        The caller reads which of them it was. While the log cannot be read, the wait goes on.
        """
        try:
            with self._waiters.waiting(task_id) as woken:
                async with asyncio.timeout(timeout_s):
                    # This order misses nothing: events after the loop's start wake this request, and what happened
                    # before its start is found by reading the task's state.
                    await self._started()
                    await self._check_states([task_id])
                    if not self._closed:
                        await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._stop_if_unneeded()

    @asynccontextmanager
    async def watching(self, task_id: TaskId, leave: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
        """Take a slot and watch a task: each event about it from now on sets what this gives, and the caller clears it.

        `close` calls `leave`.
        """
        slot = next(self._slot_numbers)
        self._leaving[slot] = leave
        try:
            with self._watchers.waiting(task_id) as woken:
                await self._started()
                if self._closed:
                    leave()
                yield woken
        finally:
            del self._leaving[slot]
            self._stop_if_unneeded()

    @contextmanager
    def following(self, leave: Callable[[], None]) -> Iterator[int]:
        """Take a slot, in which `wakeup` and `newest` work. `close` calls `leave`."""
        slot = next(self._slot_numbers)
        self._followers[slot] = leave
        self._group_sizes[slot % GROUPS] += 1
        try:
            self._start()
            if self._closed:
                leave()
            yield slot
        finally:
            del self._followers[slot]
            self._group_sizes[slot % GROUPS] -= 1
            self._stop_if_unneeded()

    def newest(self, cursor: int, *, limit: int) -> Sequence[EncodedEvent] | None:
        """The next events after a cursor, from memory; None when memory does not hold all of them."""
        self._start()
        return self._buffer.after(cursor, limit=limit)

    def close(self) -> None:
        """End all waits and streams, also later ones, so that a stop does not take as long as they would."""
        self._closed = True
        self._waiters.wake_all()
        for leave in [*self._followers.values(), *self._leaving.values()]:
            leave()
        self._hint.set()

    @property
    def _is_needed(self) -> bool:
        return bool(self._waiters or self._watchers or self._followers) and not self._closed

    def _stop_if_unneeded(self) -> None:
        if not self._is_needed:
            self._hint.set()  # the loop sees that it is not needed and ends

    def _start(self) -> None:
        if self._loop is None and not self._closed:
            self._ready = asyncio.Event()
            # An empty context, because the loop's log lines belong to no single request.
            self._loop = asyncio.create_task(self._run(self._ready), context=contextvars.Context())

    async def _started(self) -> None:
        self._start()
        if self._ready is not None:
            await self._ready.wait()

    async def _check_states(self, task_ids: Sequence[TaskId]) -> None:
        """Wake up waiters of those of these tasks that have ended. States that cannot be read now are read later."""
        try:
            states = await self._task_states(task_ids)
            self._waiters.update({task_id: states.get(task_id) for task_id in task_ids})
        except StoreError:
            self._waiters.check_later(task_ids)

    async def _run(self, ready: asyncio.Event) -> None:
        cursor: int | None = None
        failure_pause_s: float | None = None
        try:
            while self._is_needed:
                try:
                    cursor = await self._read(cursor)
                    await self._check_unresolved()
                    failure_pause_s = None
                    ready.set()
                except StoreError as error:
                    failure_pause_s = _longer_pause(failure_pause_s, error)
                usual_s = READ_EVERY_NOTIFIED_S if self.is_notified() else READ_EVERY_S
                await self._pause(failure_pause_s or usual_s)
        finally:
            self._loop = None
            self._buffer.restart(None)
            ready.set()

    async def _read(self, cursor: int | None) -> int:
        """Read new events and wake up all that they concern; return how far the log has been read."""
        if cursor is None:
            newest = await self._event_log.last_seq()
            self._buffer.restart(newest)
            await self._wake_followers()
            return newest
        page = await self._event_log.events(cursor, limit=PAGE)
        if not page:
            return cursor
        if page[0].seq != cursor + 1:
            self._buffer.restart(page[0].seq - 1)  # this process was suspended so long that events were deleted
        self._waiters.wake(event.task_id for event in page if event.task_id and event.type in _ENDS)
        # What a type of a newer version means for its task is read from the task.
        self._waiters.check_later(event.task_id for event in page if event.task_id and event.type not in _TYPES)
        self._watchers.wake(event.task_id for event in page if event.task_id)
        if self._followers:
            self._buffer.add([EncodedEvent.of(event) for event in page])
            await self._wake_followers()
        else:
            self._buffer.restart(page[-1].seq)
        if len(page) == PAGE:
            self._hint.set()
        return page[-1].seq

    async def _wake_followers(self) -> None:
        for group, wakeup in enumerate(self._wakeups):
            self._wakeups[group] = asyncio.Event()
            wakeup.set()
            if self._group_sizes[group]:
                await asyncio.sleep(0)

    async def _check_unresolved(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._waiters.unresolved and now_s >= self._states_at_s:
            self._states_at_s = now_s + STATES_EVERY_S
            await self._check_states(self._waiters.unresolved)

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._hint.wait()
        except TimeoutError:
            pass
        self._hint.clear()


def _longer_pause(pause_s: float | None, error: StoreError) -> float:
    """The pause after a failed read. `pause_s` is the one before, None if the read before succeeded."""
    if pause_s is None:
        log.warning("events_not_read", error=str(error))
        pause_s = READ_EVERY_S
    return min(pause_s * 2, LONGEST_PAUSE_S)


class TaskWaiters:
    """The requests that wait for tasks. Each has an `asyncio.Event` of its own; a task may have many of them."""

    def __init__(self) -> None:
        self._woken: defaultdict[TaskId, set[asyncio.Event]] = defaultdict(set)
        self._unresolved: set[TaskId] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def unresolved(self) -> Sequence[TaskId]:
        """Tasks whose state must be read again, because they may end, or may have ended, without an event."""
        return list(self._unresolved)

    @contextmanager
    def waiting(self, task_id: TaskId) -> Iterator[asyncio.Event]:
        """Add a waiter; the event is set when its task has ended."""
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
                self._unresolved.discard(task_id)

    def update(self, states: Mapping[TaskId, TaskState | None]) -> None:
        """Take in the states that were read. None: there is no such task, so nothing to wait for."""
        for task_id, state in states.items():
            if state is None or state in ENDED:
                self.wake([task_id])
            elif state in UNRESOLVED:
                self.check_later([task_id])  # a submit that created nothing ends its task without an event
            else:
                self._unresolved.discard(task_id)

    def check_later(self, task_ids: Iterable[TaskId]) -> None:
        """Read the states of these tasks again, as long as there are waiters for them."""
        self._unresolved.update(task_id for task_id in task_ids if task_id in self._woken)

    def wake(self, task_ids: Iterable[TaskId]) -> None:
        for task_id in task_ids:
            for woken in self._woken.get(task_id, ()):
                woken.set()

    def wake_all(self) -> None:
        self.wake(list(self._woken))
