"""When the last backup of a ledger was made, and where it went."""

import json
from dataclasses import asdict, dataclass

from receiver.store.engine import Tx
from receiver.store.repository import Repository

_NAME = "last_backup"  # of the value among the metadata

LONGEST_PLACE = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNote:
    """When the last backup was made, and where it went."""

    at_ms: int
    place: str


class BackupRepository(Repository):
    """The note of the last backup. It is a part of the ledger, so a backup holds the note of the one before it."""

    async def note(self, backup: BackupNote) -> None:
        """Raise StoreUnavailable when it was not stored."""

        async def work(tx: Tx) -> None:
            await tx.execute("set_metadata", name=_NAME, value=json.dumps(asdict(backup)))

        await self._engine.write(work)

    async def last(self) -> BackupNote | None:
        """None when none was noted."""
        return await self._one("metadata_value", lambda row: BackupNote(**json.loads(row["value"])), name=_NAME)
