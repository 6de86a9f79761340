"""A bounded number of slots, for callers that never wait for one."""

from collections.abc import Callable


class Slots:
    """Counts free slots. Use it from one event loop.

    `on_capacity` is called when slots become free after a call of `take` found none, so that its caller can try again.
    """

    def __init__(self, count: int, *, on_capacity: Callable[[], None] = lambda: None) -> None:
        self._free = count
        self._on_capacity = on_capacity
        self._was_refused = False

    @property
    def free(self) -> int:
        return self._free

    def take(self, most: int) -> int:
        """Take up to `most` slots and return how many; 0 when none is free."""
        if self._free <= 0:
            self._was_refused = True
            return 0
        taken = min(most, self._free)
        self._free -= taken
        return taken

    def give_back(self, count: int = 1) -> None:
        """Free slots that were taken."""
        self._free += count
        if self._was_refused and count > 0:
            self._was_refused = False
            self._on_capacity()
