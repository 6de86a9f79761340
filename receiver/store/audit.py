"""The audit: who did what, and when. Its rows are added in the transaction of the action, and are never deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver.store.codec import to_json
from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One row of the audit, without its id and its time."""

    #: A name of an API key, of a person at the command line, or `service` for what the service did by itself.
    actor: str
    action: str
    #: JSON values; never a secret or an address.
    detail: Mapping[str, Any] = field(default_factory=dict)
    #: Our id of the task that the action was about, None when it was about none.
    task_id: str | None = None


async def record_audit(tx: Tx, new_id: IdMaker, entry: AuditEntry, *, now_ms: int) -> None:
    """Add one row in the caller's transaction, so that an action and its audit row are committed together."""
    await tx.execute(
        "insert_audit",
        id=new_id("aud", now_ms),
        at_ms=now_ms,
        actor=entry.actor,
        action=entry.action,
        task=entry.task_id,
        detail=to_json(dict(entry.detail)),
    )


class AuditLog:
    """For actions that have no transaction of their own, such as a call to a provider."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        self._engine = engine
        self._new_id = new_id

    async def record(self, entry: AuditEntry, *, now_ms: int) -> None:
        """Add one row in a transaction of its own. Raise StoreUnavailable when it was not stored."""

        async def work(tx: Tx) -> None:
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)

        await self._engine.write(work)
