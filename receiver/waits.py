"""Who waits in this process for the end of which task."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from submitter.model import ENDED, TaskState

#: A submit that creates nothing ends its task without an event, so that such an end has to be asked for.
DOUBTFUL = frozenset({TaskState.SUBMITTING, TaskState.UNCERTAIN})


class Waits:
    """Each waiter has an `asyncio.Event` of its own, and a task as many waiters as there are."""

    def __init__(self) -> None:
        self._woken: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._doubtful: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def doubtful(self) -> Sequence[str]:
        """Tasks that may end, or may have ended, without an event to come."""
        return list(self._doubtful)

    @contextmanager
    def waiting(self, name: str) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        self._woken[name].add(woken)
        self._count += 1
        try:
            yield woken
        finally:
            self._count -= 1
            self._woken[name].discard(woken)
            if not self._woken[name]:
                del self._woken[name]
                self._doubtful.discard(name)

    def note(self, states: Mapping[str, TaskState | None]) -> None:
        """What a look at these tasks said; None: there is no such task, so nothing to wait for."""
        for name, state in states.items():
            if state is None or state in ENDED:
                self.wake([name])
            elif state in DOUBTFUL:
                self.doubt([name])
            else:
                self._doubtful.discard(name)

    def doubt(self, names: Iterable[str]) -> None:
        """Ask about these again, as long as somebody waits for them."""
        self._doubtful.update(name for name in names if name in self._woken)

    def wake(self, names: Iterable[str]) -> None:
        for name in names:
            for woken in self._woken.get(name, ()):
                woken.set()

    def wake_all(self) -> None:
        self.wake(list(self._woken))
