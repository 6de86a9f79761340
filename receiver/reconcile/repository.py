"""The reconciler's leases.

A task may be leased when it is due, no lease on it is still running, its provider is not paused and the rate budget has
a token left. A lease ends by itself; whoever comes back later than that is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from receiver.reconcile.model.report import PollResult, ReconcileFilter
from receiver.store.accounts import refill_tokens, set_tokens
from receiver.store.engine import Engine, Reader, Tx
from receiver.tasks.model.rows import task_of
from receiver.tasks.model.task import Task
from submitter.providers.contract import Budget


class PollRepository:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def lease_due(
        self, provider: str, *, budget: Budget, owner: str, now_ms: int, lease_ms: int, limit: int
    ) -> list[Task]:
        """At most `limit` due tasks, each for one token of the rate budget, taken in the same transaction."""
        if not await self._engine.read(lambda reader: _any_due(reader, provider, now_ms)):
            return []

        async def work(tx: Tx) -> list[Task]:
            account = await refill_tokens(tx, provider, budget, now_ms)
            count = min(limit, int(account.tokens))
            if count < 1 or (account.paused_until_ms or 0) > now_ms:
                return []
            due = await tx.fetch_all("due_tasks", provider=provider, now_ms=now_ms, limit=count)
            leased = await _lease(tx, due, owner=owner, now_ms=now_ms, until_ms=now_ms + lease_ms)
            await set_tokens(tx, account, account.tokens - len(leased))
            return leased

        return await self._engine.write(work)

    async def lease_by_filter(
        self, condition: ReconcileFilter, *, owner: str, now_ms: int, lease_ms: int, limit: int
    ) -> list[Task]:
        """By hand: due or not, paused or not, but never what somebody else holds."""

        async def work(tx: Tx) -> list[Task]:
            found = await _unfinished(tx, condition, now_ms, limit)
            return await _lease(tx, found, owner=owner, now_ms=now_ms, until_ms=now_ms + lease_ms)

        return await self._engine.write(work)

    async def find_by_filter(self, condition: ReconcileFilter, *, now_ms: int, limit: int) -> list[Task]:
        """What `lease_by_filter` would look at, leased or not. Changes nothing."""

        async def work(reader: Reader) -> list[Task]:
            return [task_of(row) for row in await _unfinished(reader, condition, now_ms, limit)]

        return await self._engine.read(work)

    async def finish_poll(self, results: Sequence[PollResult], now_ms: int) -> None:
        """End the leases and set the next looks. A result whose owner no longer holds the lease changes nothing."""
        lines = [
            {
                "id": result.task_id,
                "owner": result.owner,
                "next_poll_ms": result.next_poll_ms,
                "not_found": int(result.not_found),
                "now_ms": now_ms,
            }
            for result in sorted(results, key=lambda result: result.task_id)
        ]

        async def work(tx: Tx) -> None:
            await tx.execute_many("finish_poll", lines)

        await self._engine.write(work)


async def _any_due(reader: Reader, provider: str, now_ms: int) -> bool:
    return await reader.fetch_one("any_due", provider=provider, now_ms=now_ms) is not None


async def _lease(tx: Tx, found: Sequence[Mapping[str, Any]], *, owner: str, now_ms: int, until_ms: int) -> list[Task]:
    claims = [{"id": row["id"], "owner": owner, "now_ms": now_ms, "until_ms": until_ms} for row in found]
    await tx.execute_many("lease_task", claims)
    if not claims:
        return []
    held = await tx.fetch_all("leased_tasks", ids=[claim["id"] for claim in claims], owner=owner)
    return [task_of(row) for row in held]


async def _unfinished(
    reader: Reader, condition: ReconcileFilter, now_ms: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    return await reader.fetch_all(
        "unfinished_tasks",
        provider=condition.provider,
        task=condition.task,
        created_before_ms=now_ms - int((condition.older_than_s or 0) * 1000),
        limit=limit,
    )
