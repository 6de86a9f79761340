"""The reconciler's leases, and each provider's purse of requests, which submits and all processes share.

A task may be leased when it is due, nobody's lease on it is still running, its provider is not paused and the purse has
a request left. A lease ends by itself; whoever comes back later than that is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from receiver.reconcile.model.report import PollResult, ReconcileFilter
from receiver.store.accounts import AccountStatus, account_of
from receiver.store.engine import Engine, Reader, Tx
from receiver.tasks.model.rows import task_of
from receiver.tasks.model.task import Task
from submitter.providers.contract import Budget
from submitter.providers.schedule import refill, refilled_until


class PollRepository:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def lease_due(
        self, provider: str, *, budget: Budget, owner: str, now_ms: int, lease_ms: int, limit: int
    ) -> list[Task]:
        """At most `limit` due tasks, as far as the purse goes; the purse is debited in the same transaction."""
        if not await self._engine.read(lambda reader: _any_due(reader, provider, now_ms)):
            return []

        async def work(tx: Tx) -> list[Task]:
            account = await _account(tx, provider, budget, now_ms)
            count = min(limit, int(account.tokens))
            if count < 1 or (account.paused_until_ms or 0) > now_ms:
                return []
            due = await tx.fetch_all("due_tasks", provider=provider, now_ms=now_ms, limit=count)
            leased = await _lease(tx, due, owner=owner, now_ms=now_ms, until_ms=now_ms + lease_ms)
            left = account.tokens - len(leased)
            await tx.execute("set_purse", provider=provider, tokens=left, refilled_ms=account.refilled_ms)
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
                "id": result.task,
                "owner": result.owner,
                "next_poll_ms": result.next_poll_ms,
                "not_found": int(result.not_found),
                "now_ms": now_ms,
            }
            for result in sorted(results, key=lambda result: result.task)
        ]

        async def work(tx: Tx) -> None:
            await tx.execute_many("finish_poll", lines)

        await self._engine.write(work)

    async def debit(self, provider: str, *, budget: Budget, count: int, now_ms: int) -> AccountStatus:
        """Take what is sent whatever the purse says (submits); it may go below zero, down to minus the burst."""

        async def work(tx: Tx) -> AccountStatus:
            account = await _account(tx, provider, budget, now_ms)
            tokens = max(account.tokens - count, -float(budget.burst))
            await tx.execute("set_purse", provider=provider, tokens=tokens, refilled_ms=account.refilled_ms)
            return AccountStatus(**{**asdict(account), "tokens": tokens})

        return await self._engine.write(work)

    async def pause(self, provider: str, *, until_ms: int, reason: str, alarm: str | None, now_ms: int) -> None:
        """Ask nothing of a provider until a time. A longer pause is kept, and so is an alarm until `unpause`."""

        async def work(tx: Tx) -> None:
            await tx.execute("open_account", provider=provider, tokens=0.0, now_ms=now_ms)
            await tx.execute("pause_account", provider=provider, until_ms=until_ms, reason=reason, alarm=alarm)

        await self._engine.write(work)

    async def unpause(self, provider: str) -> None:
        """The provider answers again: end its pause and its alarm."""

        async def work(tx: Tx) -> None:
            await tx.execute("unpause_account", provider=provider)

        await self._engine.write(work)

    async def accounts(self) -> list[AccountStatus]:
        async def work(reader: Reader) -> list[AccountStatus]:
            return [account_of(row) for row in await reader.fetch_all("all_accounts")]

        return await self._engine.read(work)


async def _any_due(reader: Reader, provider: str, now_ms: int) -> bool:
    return await reader.fetch_one("any_due", provider=provider, now_ms=now_ms) is not None


async def _account(tx: Tx, provider: str, budget: Budget, now_ms: int) -> AccountStatus:
    """The purse as of now, opened full when it is new."""
    row = await tx.fetch_one("account", provider=provider)
    if row is None:
        await tx.execute("open_account", provider=provider, tokens=float(budget.burst), now_ms=now_ms)
        row = await tx.fetch_one("account", provider=provider)
    account = account_of(row or {})
    refilled_ms = refilled_until(account.refilled_ms, now_ms)
    if refilled_ms < account.refilled_ms:
        # The clock was set back: an empty purse would wait until it has caught up.
        await tx.execute("set_purse", provider=provider, tokens=account.tokens, refilled_ms=refilled_ms)
    tokens = refill(account.tokens, account.refilled_ms, now_ms, budget)
    return AccountStatus(**{**asdict(account), "tokens": tokens, "refilled_ms": refilled_ms})


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
