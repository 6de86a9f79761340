"""The audit: who did what, and when. Its rows are added in the transaction of the action, and are never deleted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver.store.codec import to_json
from receiver.store.engine import NEWEST, Engine, Param, Row, Tx
from receiver.store.ids import IdMaker, id_floor
from receiver.store.repository import Repository

ROWS_AT_ONCE = 500

LOOKED_AT_MOST = 10_000  # rows, for one page

_SKEW_MS = 3_600_000  # an id may be newer than its row, after the clock was set back


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A row as it was stored."""

    id: str
    at_ms: int
    actor: str
    action: str
    task_id: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSearch:
    """What rows must fit; None fits all. Times are unix milliseconds, both inclusive."""

    actor: str | None = None
    action: str | None = None
    task_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAudit:
    """A page of rows, the newest first."""

    rows: tuple[AuditRow, ...]
    #: Where the next page begins; None at the end.
    next_cursor: str | None
    #: The page ended because LOOKED_AT_MOST rows were looked at.
    is_cut: bool = False


class AuditLog(Repository):
    """Rows of actions that have no transaction of their own, such as a call to a provider; and a look at all rows."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        super().__init__(engine)
        self._new_id = new_id

    async def record(self, entry: AuditEntry, *, now_ms: int) -> None:
        """Add one row in a transaction of its own. Raise StoreUnavailable when it was not stored."""

        async def work(tx: Tx) -> None:
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)

        await self._engine.write(work)

    async def page(self, wanted: AuditSearch, *, cursor: str | None = None, limit: int = 50) -> FoundAudit:
        """The newest rows that fit and are older than the cursor."""
        found: list[Row] = []
        floor = "" if wanted.since_ms is None else id_floor("aud", wanted.since_ms - _SKEW_MS)
        until = NEWEST if wanted.until_ms is None else id_floor("aud", wanted.until_ms + _SKEW_MS)
        looked_at, at = 0, min(cursor or NEWEST, until)
        while looked_at < LOOKED_AT_MOST:
            rows = await self._rows(wanted, floor, at)
            found += [row for row in rows if _fits(row, wanted)]
            if len(found) > limit:
                shown = tuple(map(_audit_row, found[:limit]))
                return FoundAudit(rows=shown, next_cursor=shown[-1].id)
            if len(rows) < ROWS_AT_ONCE:
                return FoundAudit(rows=tuple(map(_audit_row, found)), next_cursor=None)
            looked_at, at = looked_at + len(rows), rows[-1]["id"]
        return FoundAudit(rows=tuple(map(_audit_row, found)), next_cursor=at, is_cut=True)

    async def news(self, wanted: AuditSearch, *, newer_than: str) -> int:
        """How many of the first ROWS_AT_ONCE rows fit that are newer than an id."""
        until = NEWEST if wanted.until_ms is None else id_floor("aud", wanted.until_ms + _SKEW_MS)
        return sum(_fits(row, wanted) for row in await self._rows(wanted, newer_than, until))

    async def _rows(self, wanted: AuditSearch, floor: str, cursor: str) -> list[Row]:
        """The next rows that can fit, by the condition that leaves the fewest."""
        name = "audit_page"
        params: dict[str, Param] = {"floor": floor, "cursor": cursor, "limit": ROWS_AT_ONCE}
        if wanted.task_id is not None:
            name, params["task"] = "audit_page_of_task", wanted.task_id
        elif wanted.actor is not None:
            name, params["actor"] = "audit_page_of_actor", wanted.actor
        elif wanted.action is not None:
            name, params["action"] = "audit_page_of_action", wanted.action
        return await self._all(name, dict, **params)


def _fits(row: Row, wanted: AuditSearch) -> bool:
    """The task is what rows were read by, where one is asked for."""
    is_by_whom = wanted.actor in {None, row["actor"]} and wanted.action in {None, row["action"]}
    since_ms, until_ms = wanted.since_ms, wanted.until_ms
    return (
        is_by_whom and (since_ms is None or row["at_ms"] >= since_ms) and (until_ms is None or row["at_ms"] <= until_ms)
    )


def _audit_row(row: Row) -> AuditRow:
    return AuditRow(
        id=row["id"],
        at_ms=row["at_ms"],
        actor=row["actor"],
        action=row["action"],
        task_id=row["task"],
        detail=json.loads(row["detail"]),
    )
