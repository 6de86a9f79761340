"""Which processes run on a ledger, as they say themselves."""

from dataclasses import asdict, dataclass

from receiver.store.engine import Row, Tx
from receiver.store.repository import Repository

KEPT_MS = 86_400_000  # how long a process is shown that ended without a word

SHOWN_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """One process of this service. Times are unix milliseconds."""

    #: Of this start and no other.
    id: str
    #: The command that it was started by: serve, web or worker.
    role: str
    #: Of whenfinal, and of Python.
    version: str
    python: str
    host: str
    pid: int
    started_ms: int
    seen_ms: int
    #: When its last run of retention succeeded; None before the first, and where it runs none.
    pruned_ms: int | None = None


class ProcessRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    async def seen(self, process: ProcessRow) -> None:
        """Store that it runs, and forget those that were not seen for KEPT_MS. A loss of power may undo it."""

        async def work(tx: Tx) -> None:
            await tx.execute("save_process", **asdict(process))
            await tx.execute("remove_old_processes", before_ms=process.seen_ms - KEPT_MS)

        await self._engine.write(work, is_durable=False)

    async def stopped(self, process_id: str) -> None:
        await self._engine.write(lambda tx: tx.execute("remove_process", id=process_id), is_durable=False)

    async def all(self) -> list[ProcessRow]:
        """The one that was started last first, at most SHOWN_MOST."""
        return await self._all("processes", _process, limit=SHOWN_MOST)


def _process(row: Row) -> ProcessRow:
    return ProcessRow(**row)
