"""The pauses of providers: how they end, by an answer of the provider or by an operator.

A good poll ends the pause and the alarm of polls; a receipt or an operator ends the hold and the alarm of submits.

While a provider is paused none of its tasks is polled, and the next poll of those that met the pause is put off until
after it. So the end of a pause also makes those tasks due.
"""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from receiver.events.model.event import EventDraft
from receiver.reconcile.model.provider import ProviderStatus, Resumed, TaskCounts, provider_status
from receiver.store.accounts import AccountStatus, PollPause, account_of, ends_before_ms, pause_polls
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.engine import NEVER_MS, Engine, Row, Tx
from receiver.store.ids import IdMaker
from receiver.store.repository import Repository
from receiver.webhooks.model.provider_events import began
from receiver.webhooks.publisher import EventPublisher
from receiver.webhooks.reporter import tell_began
from submitter.providers.contract import ConfiguredProvider

log = structlog.get_logger(__name__)

PUT_OFF_AT_ONCE = 500  # tasks that are made due; others wait for the time at which the pause would have ended


class ProviderRepository(Repository):
    """Each method is one transaction, or reads only, and raises StoreUnavailable when nothing of it was stored."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._publisher = publisher

    async def statuses(
        self, providers: Mapping[str, ConfiguredProvider], *, speed: float, now_ms: int
    ) -> list[ProviderStatus]:
        """Of the configured providers, in their order."""
        accounts = {account.provider: account for account in await self._all("all_accounts", account_of)}
        queued = {row["provider"]: int(row["depth"]) for row in await self._all("queue_depths", dict)}
        return [
            provider_status(
                configured,
                accounts.get(name),
                counts=TaskCounts(
                    unfinished=await self._one("count_unfinished", _number, provider=name) or 0,
                    queued=queued.get(name, 0),
                    in_flight=await self._one("in_flight", _number, provider=name, beside="") or 0,
                ),
                speed=speed,
                now_ms=now_ms,
            )
            for name, configured in providers.items()
        ]

    async def pause(self, provider: str, pause: PollPause, *, now_ms: int) -> list[EventDraft]:
        """Send no polls to a provider until a time. A longer pause stays, and an alarm too.

        Publish and return what began by it: that it is paused, that it denies our key, both or nothing.
        """

        async def work(tx: Tx) -> list[EventDraft]:
            before, after = await pause_polls(tx, provider, pause, now_ms)
            drafts = list(began(before, after, new_id=self._new_id, now_ms=now_ms))
            await self._publisher.publish(tx, drafts, now_ms=now_ms)
            return drafts

        drafts = await self._engine.write(work)
        tell_began(drafts)
        return drafts

    async def resume(self, configured: ConfiguredProvider, *, speed: float, actor: str, now_ms: int) -> Resumed:
        """End the pause of polls, the hold of submits and both alarms, because a person says so.

        Only what it ends is in the audit.
        """

        async def work(tx: Tx) -> Resumed:
            account = await _locked(tx, configured)
            if account is None:
                return Resumed(ended=False, made_due=0)
            resumed = await _end(tx, configured, account, speed=speed, before_ms=NEVER_MS, now_ms=now_ms)
            if account.are_submits_held(now_ms) or account.submits_alarm is not None:
                await tx.execute("resume_submits", provider=account.provider, before_ms=NEVER_MS)
                resumed = replace(resumed, ended=True)
            if resumed.ended:
                detail = {"provider": account.provider, "tasks_made_due": resumed.made_due}
                entry = AuditEntry(actor=actor, action="provider resumed", detail=detail)
                await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            return resumed

        resumed = await self._engine.write(work)
        if resumed.ended:
            log.info("provider_resumed", provider=configured.account.name, actor=actor)
        return resumed

    async def end_pause(self, configured: ConfiguredProvider, *, speed: float, sent_ms: int, now_ms: int) -> bool:
        """End the pause and the alarm of polls of a provider that gave a good answer to a request sent at `sent_ms`.

        One that began later stays; see `ends_before_ms`.
        """

        async def work(tx: Tx) -> bool:
            account = await _locked(tx, configured)
            if account is None:
                return False
            before_ms = ends_before_ms(account.paused_since_ms, sent_ms=sent_ms, now_ms=now_ms)
            return (await _end(tx, configured, account, speed=speed, before_ms=before_ms, now_ms=now_ms)).ended

        return await self._engine.write(work)


async def _locked(tx: Tx, configured: ConfiguredProvider) -> AccountStatus | None:
    """None where the provider was never used or paused."""
    row = await tx.fetch_one("account", provider=configured.account.name)
    return None if row is None else account_of(row)


async def _end(
    tx: Tx, configured: ConfiguredProvider, account: AccountStatus, *, speed: float, before_ms: int, now_ms: int
) -> Resumed:
    name = account.provider
    if not await tx.execute_and_count("unpause_account", provider=name, before_ms=before_ms):
        return Resumed(ended=False, made_due=0)
    if account.paused_until_ms is None or account.paused_until_ms <= now_ms:
        return Resumed(ended=True, made_due=0)
    # As far as `schedule.after_pause` spreads the polls.
    spread_ms = round(configured.adapter.CAPABILITIES.poll.every_s / speed * 1000)
    found = await tx.fetch_all(
        "put_off_tasks",
        provider=name,
        from_ms=account.paused_until_ms,
        until_ms=account.paused_until_ms + spread_ms,
        limit=PUT_OFF_AT_ONCE,
    )
    await tx.execute_many("poll_now", [{"id": each["id"], "now_ms": now_ms} for each in found])
    return Resumed(ended=True, made_due=len(found))


def _number(row: Row) -> int:
    return int(row["number"])
