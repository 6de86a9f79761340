"""Whether the clock may be believed: what one that leaps ahead would delete or end cannot be brought back.

The ledger remembers the newest time at which retention ran. A clock that is more than a day beyond it may be wrong; or
nothing has run for that long. Either way retention waits for a day, in which an operator can set the clock right. So do
the ends of tasks that follow from our clock alone.
"""

import json
from dataclasses import asdict, dataclass
from functools import partial

import structlog

from receiver.store.engine import Engine, Reader, Tx

log = structlog.get_logger(__name__)

NAME = "retention_clock"  # in the metadata

LEAP_MS = 86_400_000

HOLD_MS = 86_400_000

STORED_EVERY_MS = 3_600_000  # while nothing else changes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRecord:
    """What the ledger has seen of the clock."""

    #: The newest time at which retention ran.
    seen_ms: int
    #: Since when it waits, by the clock that it does not believe yet.
    held_since_ms: int | None = None


def judge(record: ClockRecord, now_ms: int) -> ClockRecord:
    """The record as of now. Retention waits while `held_since_ms` is set."""
    if now_ms - record.seen_ms <= LEAP_MS:
        return ClockRecord(seen_ms=now_ms)  # also when it was set back
    held_since_ms = now_ms if record.held_since_ms is None else min(record.held_since_ms, now_ms)
    if now_ms - held_since_ms >= HOLD_MS:
        return ClockRecord(seen_ms=now_ms)
    return ClockRecord(seen_ms=record.seen_ms, held_since_ms=held_since_ms)


class LeapGuard:
    """One for a process; what it knows is stored in the ledger, so that a restart changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def is_believed(self, now_ms: int) -> bool:
        """Whether retention may delete by this time. Raise StoreUnavailable."""
        stored = await self._engine.read(_stored)
        record = stored
        if record is None:
            record = await self._engine.read(partial(_first_record, now_ms=now_ms))
        judged = judge(record, now_ms)
        if judged.held_since_ms is not None and judged.held_since_ms != record.held_since_ms:
            log.warning(
                "retention_held", clock_ahead_ms=now_ms - record.seen_ms, hint="set the clock; it goes on in a day"
            )
        if stored is None or _is_worth_storing(stored, judged):
            await self._store(judged)
        return judged.held_since_ms is None

    async def _store(self, record: ClockRecord) -> None:
        async def work(tx: Tx) -> None:
            await tx.execute("set_metadata", name=NAME, value=json.dumps(asdict(record)))

        await self._engine.write(work)


async def is_doubted(reader: Reader, now_ms: int) -> bool:
    """Whether what follows from this time alone must wait. Retention, which runs every minute, stores since when."""
    record = await _stored(reader) or await _first_record(reader, now_ms)
    return judge(record, now_ms).held_since_ms is not None


async def held_since_ms(reader: Reader, now_ms: int) -> int | None:
    """Since when retention waits, as it has stored; None while it does not."""
    record = await _stored(reader)
    return None if record is None or record.held_since_ms is None else judge(record, now_ms).held_since_ms


def _is_worth_storing(stored: ClockRecord, judged: ClockRecord) -> bool:
    is_held_otherwise = stored.held_since_ms != judged.held_since_ms
    return is_held_otherwise or abs(judged.seen_ms - stored.seen_ms) >= STORED_EVERY_MS


async def _stored(reader: Reader) -> ClockRecord | None:
    row = await reader.fetch_one("metadata_value", name=NAME)
    return None if row is None else ClockRecord(**json.loads(row["value"]))


async def _first_record(reader: Reader, now_ms: int) -> ClockRecord:
    """For a ledger that has none yet: it was in use when its newest observation was stored."""
    row = await reader.fetch_one("newest_observation") or {}
    return ClockRecord(seen_ms=row.get("at_ms") or now_ms)
