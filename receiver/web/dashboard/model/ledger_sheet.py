"""What the page of the ledger says: sizes, which processes run, and what is missing with how to get it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from receiver.store.backups import BackupNote
from receiver.store.processes import ProcessRow
from receiver.store.url import LedgerFile, LedgerServer

OLD_BACKUP_MS = 7 * 86_400_000

#: Each process is seen every minute. One that was not for so long has ended, or cannot reach the ledger.
GONE_MS = 180_000

LONG_LOG_BYTES = 256 * 1024 * 1024  # four times what is kept of a write-ahead log

_UNITS = ("KiB", "MiB", "GiB", "TiB")

_JOBS = frozenset({"serve", "worker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something to look into, and how to mend it."""

    words: str
    cure: str


def size(count: int) -> str:
    """`812 bytes`, `3.4 MiB`."""
    if count < 1024:
        return f"{count} bytes"
    value = float(count)
    for unit in _UNITS:
        value /= 1024
        if value < 1023.95 or unit == _UNITS[-1]:
            break
    return f"{value:,.1f} {unit}"


def is_gone(process: ProcessRow, now_ms: int) -> bool:
    return now_ms - process.seen_ms > GONE_MS


def last_pruned_ms(processes: Sequence[ProcessRow]) -> int | None:
    return max((each.pruned_ms for each in processes if each.pruned_ms is not None), default=None)


def how_to_back_up(place: LedgerFile | LedgerServer) -> str:
    if isinstance(place, LedgerFile):
        return "whenfinal backup FILE"
    return "pg_dump, then whenfinal backup --made PLACE"


def remarks(
    processes: Sequence[ProcessRow],
    backup: BackupNote | None,
    place: LedgerFile | LedgerServer,
    now_ms: int,
    wal_bytes: int | None = None,
) -> Iterator[Remark]:
    """The most urgent first."""
    live = [each for each in processes if not is_gone(each, now_ms)]
    if live and not any(each.role in _JOBS for each in live):
        yield Remark(
            words="No process polls, delivers or prunes on this ledger.", cure="whenfinal worker, or whenfinal serve"
        )
    if len({each.version for each in live}) > 1:
        yield Remark(words="Processes of several versions run on this ledger.", cure="restart those of the older one")
    if backup is None:
        yield Remark(words="No backup of this ledger was noted.", cure=how_to_back_up(place))
    elif now_ms - backup.at_ms > OLD_BACKUP_MS:
        yield Remark(words="The last backup that was noted is older than a week.", cure=how_to_back_up(place))
    if wal_bytes is not None and wal_bytes > LONG_LOG_BYTES:
        yield Remark(
            words=f"The write-ahead log has grown to {size(wal_bytes)}: something reads for a long time.",
            cure="fuser -v FILE names the programs that have it open",
        )
