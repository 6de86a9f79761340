"""Runs in the ledger: start one, lease it, say how far it is, stop it, list them."""

from collections.abc import Collection, Sequence
from typing import Any

from receiver.runtime.operator_runs.model import OperatorRun, RunState, run_of, run_row
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import NEWEST, Engine, Tx
from receiver.store.ids import IdMaker, id_floor
from receiver.store.repository import Page, Repository

KEPT_MS = 90 * 86_400_000  # after the start of a run


def _listed(run_ids: Collection[str]) -> list[str]:
    """With one that no run has, because in an empty list SQL finds neither a run nor none."""
    return [*run_ids, ""]


class RunRepository(Repository):
    """Every change of a run raises StoreUnavailable when it was not stored."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        super().__init__(engine)
        self._new_id = new_id

    async def start(self, draft: OperatorRun, *, now_ms: int) -> OperatorRun:
        """Add a run and its audit row; a draft with a nonce that was used before gives the run of then.

        Runs that were started long ago are deleted here, because nothing else adds any; their audit rows stay.
        """

        async def work(tx: Tx) -> OperatorRun | None:
            if await tx.execute_and_count("insert_run", **run_row(draft)):
                detail = {"run": draft.id, "condition": _audited(draft), "expected": draft.expected}
                entry = AuditEntry(actor=draft.actor, action=draft.kind, detail=detail)
                await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            await tx.execute("delete_old_runs", before=id_floor("run", now_ms - KEPT_MS))
            row = await tx.fetch_one("run_by_nonce", nonce=draft.nonce)
            return None if row is None else run_of(row)

        return await self._engine.write(work) or draft

    def new_run_id(self, now_ms: int) -> str:
        return self._new_id("run", now_ms)

    async def run(self, run_id: str) -> OperatorRun | None:
        return await self._one("run_by_id", run_of, id=run_id)

    async def run_of_nonce(self, nonce: str) -> OperatorRun | None:
        return await self._one("run_by_nonce", run_of, nonce=nonce)

    async def runs(self, *, cursor: str | None = None, limit: int = 50) -> Page[OperatorRun]:
        """Newest first."""
        return await self._page("runs_page", run_of, lambda run: run.id, limit, {"cursor": cursor or NEWEST})

    async def by_ids(self, ids: Sequence[str]) -> list[OperatorRun]:
        """Those that are there, newest first."""
        return await self._all("runs_by_ids", run_of, ids=ids)

    async def newest_of_kind(self, kind: str, *, since_ms: int, limit: int) -> list[OperatorRun]:
        """Those that were started since a time, newest first."""
        return await self._all("newest_runs_of_kind", run_of, kind=kind, since=id_floor("run", since_ms), limit=limit)

    async def has_free(self, now_ms: int, *, kinds: Collection[str], in_work: Collection[str] = ()) -> bool:
        """Whether there is an open run of these kinds that nobody leases, beside those that the caller works on."""
        return bool(await self._all("any_free_run", dict, now_ms=now_ms, kinds=list(kinds), in_work=_listed(in_work)))

    async def lease(
        self,
        owner: str,
        *,
        now_ms: int,
        lease_ms: int,
        kinds: Collection[str],
        run_id: str | None = None,
        in_work: Collection[str] = (),
    ) -> OperatorRun | None:
        """An open run of these kinds that nobody leases, or the one of this id if it is one; None when there is none.

        `owner` names this lease and no other. Runs `in_work` are left out.
        """

        async def work(tx: Tx) -> OperatorRun | None:
            row = await tx.fetch_one("free_run", id=run_id, now_ms=now_ms, kinds=list(kinds), in_work=_listed(in_work))
            if row is None:
                return None
            await tx.execute("lease_run", id=row["id"], owner=owner, until_ms=now_ms + lease_ms)
            return run_of(row)

        return await self._engine.write(work)

    async def renew(self, run_id: str, owner: str, *, until_ms: int) -> bool:
        """Keep a leased run for longer; False when it is not ours any more, or over."""

        async def work(tx: Tx) -> bool:
            return bool(await tx.execute_and_count("renew_run", id=run_id, owner=owner, until_ms=until_ms))

        return await self._engine.write(work)

    async def save(self, run: OperatorRun, owner: str, *, until_ms: int | None) -> bool:
        """Store how far a leased run is. `until_ms` None gives it free.

        False when it was stopped, which keeps what became of its items, or is not ours any more, which keeps nothing.
        """

        async def work(tx: Tx) -> bool:
            row = run_row(run)
            found = {name: row[name] for name in ("id", "done", "failed", "notes", "last_error")}
            place = {name: row[name] for name in ("state", "cursor", "ended_ms")}
            if await tx.execute_and_count("save_run", **found, **place, owner=owner, until_ms=until_ms):
                return True
            await tx.execute("save_stopped_run", **found, owner=owner)
            return False

        return await self._engine.write(work)

    async def stop(self, run_id: str, *, actor: str, now_ms: int) -> None:
        """End an open run after the page that it works on."""

        async def work(tx: Tx) -> None:
            if await tx.execute_and_count("stop_run", id=run_id, state=RunState.STOPPED.value, now_ms=now_ms):
                entry = AuditEntry(actor=actor, action="stop run", detail={"run": run_id})
                await record_audit(tx, self._new_id, entry, now_ms=now_ms)

        await self._engine.write(work)


def _audited(run: OperatorRun) -> dict[str, Any]:
    """The condition without the address of a file, which may hold a signature: rows of the audit are kept for ever."""
    is_address = run.condition.get("way") == "succeeded"
    return {name: value for name, value in run.condition.items() if not (is_address and name == "value")}
