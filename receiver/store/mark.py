"""A mark beside a SQLite ledger: how far it had come, so that the next start notices when a part of it is gone.

A ledger steps back in silence when its WAL is deleted while nothing has it open, or when an older copy is put in its
place. The mark is written every few seconds and at a stop, and never before what it counts is durable. It is not
synced: after a power cut an older mark may be there, or none, and then less is noticed. It causes no false alarm.
"""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import structlog

from receiver.store.engine import Engine, Reader, Tx
from receiver.store.errors import LedgerGone, StoreError
from receiver.store.ledger_file import OWNER_ONLY
from receiver.store.ledger_mark import LedgerMark, mark_path, read_mark
from receiver.store.stepped_back import SteppedBack
from receiver.store.url import LedgerFile, LedgerServer

log = structlog.get_logger(__name__)

#: Event numbers that are never given out again, beyond the mark: more than can be made between two marks.
LOST_MARGIN = 100_000


class MarkKeeper:
    """Writes the mark of a SQLite ledger, and compares the ledger with it. For a server it does nothing.

    A server has no folder of ours, and its own log is durable.
    """

    def __init__(self, engine: Engine, place: LedgerFile | LedgerServer) -> None:
        self._engine = engine
        path = place.path if isinstance(place, LedgerFile) else None
        self._path = None if path is None else mark_path(path)
        self._saved: LedgerMark | None = None
        self._has_warned = False

    async def check(self, now_ms: int) -> None:
        """Compare the ledger with its mark. When it has stepped back, log it and never give the lost numbers out again.

        Followers have seen other events under those numbers. Raise StoreError.
        """
        mark = None if self._path is None else await asyncio.to_thread(read_mark, self._path)
        if mark is None:
            return

        async def work(tx: Tx) -> LedgerMark | None:
            found = await _mark_of(tx)
            newest_lost = (await tx.fetch_one("newest_lost_events") or {}).get("until_seq") or 0
            # Another process that starts at the same time may have noticed it first.
            if not mark.is_beyond(found) or newest_lost > mark.events:
                return None
            until = max(found.events, mark.events) + LOST_MARGIN
            await tx.execute("insert_lost_events", after_seq=found.events, until_seq=until, now_ms=now_ms)
            await tx.execute("skip_event_numbers", value=until)
            return found

        # Nearly every start finds nothing, and a read does not wait for the writer.
        if mark.is_beyond(await self._engine.read(_mark_of)) and (found := await self._engine.write(work)) is not None:
            log.error(
                "ledger_stepped_back",
                events_before=mark.events,
                events_now=found.events,
                newest_task_before=mark.task,
                newest_task_now=found.task,
                hint="`whenfinal doctor` says what to do",
            )

    async def last_step_back(self) -> SteppedBack | None:
        """Raise StoreError."""
        row = await self._engine.read(lambda reader: reader.fetch_one("newest_lost_events"))
        return None if row is None else SteppedBack(at_ms=row["at_ms"], after_seq=row["after_seq"])

    async def save(self) -> None:
        """Write the mark if the ledger has come further. Raise nothing: the ledger does not depend on it."""
        if self._path is None:
            return
        try:
            mark = await self._engine.read(_mark_of)
            if mark != self._saved:
                await asyncio.to_thread(_write, self._path, mark)
                self._saved = mark
        except LedgerGone:
            pass  # logged where it was noticed
        except (StoreError, OSError) as error:
            if not self._has_warned:
                self._has_warned = True
                log.warning("mark_not_written", path=str(self._path), error=str(error))

    async def run(self, *, every_s: float) -> None:
        """Save again and again until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.save()


async def _mark_of(reader: Reader) -> LedgerMark:
    row = await reader.fetch_one("ledger_mark") or {}
    return LedgerMark(events=int(row.get("events") or 0), task=row.get("task") or "")


def _write(path: Path, mark: LedgerMark) -> None:
    """Into a new file that takes the old one's place, so that no reader finds half of one."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, OWNER_ONLY)
            json.dump({"events": mark.events, "task": mark.task}, file)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
