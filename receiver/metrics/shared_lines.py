"""Log lines that come in bursts: the first of each second in full, the others of that second together.

A line costs as much as everything else that a callback or a webhook costs. What shares a line still has its ids. A
killed process may lose the lines of its last second; what they say is in the ledger.
"""

import asyncio
from collections.abc import Callable

MOST_A_SECOND = 10  # lines in full

TOGETHER = 200  # texts in one line; one that is longer than 16 KiB is cut by some collectors of logs


class SharedLines:
    """Lines of one kind. `write` gets the texts of one line, joined by commas."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._gathered: list[str] = []
        self._written = 0
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def may_write(self) -> bool:
        """Whether a line may be written in full now. If not, `share` it."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._until_s:
            self._until_s, self._written = now_s + 1.0, 0
        self._written += 1
        return self._written <= MOST_A_SECOND

    def share(self, text: str) -> None:
        """Written with others at the end of the second."""
        self._gathered.append(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._until_s, self.flush)

    def flush(self) -> None:
        """Write what was gathered; for a clean stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, []
        for start in range(0, len(gathered), TOGETHER):
            self._write(", ".join(gathered[start : start + TOGETHER]))
