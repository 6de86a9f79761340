"""What a process says of itself in the ledger: that it runs, as what, and when it was last seen."""

import asyncio
import os
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Literal

import structlog

from receiver.store.errors import StoreError
from receiver.store.processes import ProcessRepository, ProcessRow

log = structlog.get_logger(__name__)

EVERY_S = 60.0

Role = Literal["serve", "web", "worker"]


def this_process(process_id: str, role: Role, now_ms: int) -> ProcessRow:
    return ProcessRow(
        id=process_id,
        role=role,
        version=version("whenfinal"),
        python=platform.python_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=now_ms,
        seen_ms=now_ms,
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Presence:
    """One for a process. A ledger that cannot be written changes nothing but what others see."""

    processes: ProcessRepository
    process: ProcessRow
    #: When the last run of retention in this process succeeded; None before that.
    pruned_ms: Callable[[], int | None]
    #: Unix milliseconds.
    clock: Callable[[], int]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.tell()
            await asyncio.sleep(EVERY_S)

    async def tell(self) -> None:
        try:
            await self.processes.seen(replace(self.process, seen_ms=self.clock(), pruned_ms=self.pruned_ms()))
        except StoreError as error:
            log.debug("presence_not_stored", error=str(error))

    async def leave(self) -> None:
        """At a clean stop."""
        try:
            await self.processes.stopped(self.process.id)
        except StoreError as error:
            log.debug("presence_not_removed", error=str(error))
