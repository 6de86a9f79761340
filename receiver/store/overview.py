"""Reads what is open in the ledger, for metrics and the dashboard, at a cost that does not grow with the ledger."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from receiver.metrics.registry import OTHER
from receiver.metrics.snapshot import MOST, NONE, Open, Pause, ProviderSnapshot, Snapshot
from receiver.store.accounts import AccountStatus, account_of
from receiver.store.engine import Reader, Row
from receiver.store.minutes import HOUR_MS
from receiver.store.repository import Repository
from submitter.model import Refusal

#: The states of a task that has not ended.
UNFINISHED = ("queued", "submitting", "uncertain", "submitted", "running")

CONTRADICTED_MS = 24 * HOUR_MS

UNKNOWN_WORDS_MS = 30 * 24 * HOUR_MS  # as long as a timeline is kept by default

MOST_LINES = 10_000  # of timelines; each is looked up with its task

_REASONS = frozenset(Refusal)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What was read, by provider as the ledger names it."""

    tasks: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    opened: dict[str, dict[str, Open]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, kind: str, rows: Sequence[Row]) -> None:
        for row in rows:
            self.opened[row["provider"]][kind] = Open(number=row["number"], since_ms=row["oldest_ms"])


class OverviewRepository(Repository):
    """Reads only; raises StoreUnavailable."""

    async def snapshot(self, providers: Sequence[str], *, now_ms: int) -> Snapshot:
        """What is open now. `providers` are the configured ones; the budgets and sizes are not read here."""

        async def work(reader: Reader) -> Snapshot:
            found = await _read_tasks(reader, providers, now_ms)
            accounts = {row["provider"]: account_of(row) for row in await reader.fetch_all("all_accounts")}
            states = {row["state"]: row["number"] for row in await reader.fetch_all("subscriptions_by_state")}
            return Snapshot(
                at_ms=now_ms,
                providers=_by_provider(found, providers, accounts, now_ms),
                outbox=await _outbox(reader, now_ms),
                dead=await _dead(reader),
                subscriptions={"active": 0, "disabled": 0, **states},
            )

        return await self._engine.read(work)

    async def open_tasks(self) -> dict[str, dict[str, int]]:
        """Unfinished tasks of every provider, configured or not, by state; counted up to `MOST` a state."""

        async def work(reader: Reader) -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = defaultdict(dict)
            for state in UNFINISHED:
                for row in await reader.fetch_all("open_by_provider", state=state, limit=MOST):
                    found[row["provider"]][state] = row["number"]
            return dict(found)

        return await self._engine.read(work)

    async def unknown_words(self, provider: str, *, now_ms: int) -> dict[str, dict[str, int]]:
        """The words of a provider's unfinished tasks that its documents do not name: word → task → when it was said.

        The newest first, as far as `MOST_LINES` lines of timelines tell of them.
        """
        since_ms = now_ms - UNKNOWN_WORDS_MS
        rows = await self._all("unknown_word_tasks", dict, provider=provider, since_ms=since_ms, limit=MOST_LINES)
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for row in rows:
            found[row["raw_state"]].setdefault(row["id"], row["at_ms"])
        return dict(found)


async def _read_tasks(reader: Reader, providers: Sequence[str], now_ms: int) -> _Found:
    found = _Found()
    for state in UNFINISHED:
        rows = await reader.fetch_all("open_by_provider", state=state, limit=MOST)
        for row in rows:
            found.tasks[row["provider"]][state] = row["number"]
        if state == "uncertain":
            found.add("uncertain", await _uncertain(reader, rows))
    found.add("overdue", await reader.fetch_all("overdue_by_provider", limit=MOST))
    since_ms = now_ms - CONTRADICTED_MS
    found.add("contradicted", await reader.fetch_all("contradicted", limit=MOST_LINES, since_ms=since_ms))
    since_ms = now_ms - UNKNOWN_WORDS_MS
    found.add("unknown_words", await reader.fetch_all("unknown_words", limit=MOST_LINES, since_ms=since_ms))
    for name in providers:
        found.opened[name]["due_polls"] = await _due_polls(reader, name, now_ms)
        if found.tasks[name].get("queued"):
            queued = await reader.fetch_all("oldest_queued", provider=name, limit=MOST)
            found.add("queued", [{"provider": name, **row} for row in queued])
    return found


async def _uncertain(reader: Reader, rows: Sequence[Row]) -> list[Row]:
    sent = await reader.fetch_all("sent_times", ids=[row["oldest"] for row in rows])
    since_ms = {row["provider"]: row["at_ms"] for row in sent}
    return [{**row, "oldest_ms": since_ms.get(row["provider"])} for row in rows]


async def _due_polls(reader: Reader, provider: str, now_ms: int) -> Open:
    due = await reader.fetch_one("due_polls", provider=provider, now_ms=now_ms, limit=MOST)
    if due is None or not due["number"]:
        return Open()
    oldest = await reader.fetch_one("oldest_due_poll", provider=provider, now_ms=now_ms)
    return Open(number=due["number"], since_ms=None if oldest is None else oldest["at_ms"])


async def _outbox(reader: Reader, now_ms: int) -> Open:
    pending = await reader.fetch_one("pending_deliveries", limit=MOST) or {"number": 0}
    times = [await reader.fetch_one("oldest_due_delivery", now_ms=now_ms)]
    place = await reader.fetch_one("fan_out_place") or {"done": 0, "newest": 0}
    if place["done"] < place["newest"]:
        times.append(await reader.fetch_one("oldest_without_deliveries", after=place["done"]))
    known = [row["at_ms"] for row in times if row is not None and row["at_ms"] is not None]
    return Open(number=pending["number"], since_ms=min(known, default=None))


async def _dead(reader: Reader) -> Open:
    dead = await reader.fetch_one("dead_deliveries", limit=MOST)
    if dead is None or not dead["number"]:
        return Open()
    finished = await reader.fetch_one("delivery_times", ids=[dead["oldest"]])
    return Open(number=dead["number"], since_ms=None if finished is None else finished["at_ms"])


def _by_provider(
    found: _Found, providers: Sequence[str], accounts: Mapping[str, AccountStatus], now_ms: int
) -> tuple[ProviderSnapshot, ...]:
    known = [_provider(name, [name], found, accounts.get(name), now_ms) for name in providers]
    others = sorted((found.tasks.keys() | found.opened.keys()) - set(providers))
    return (*known, *([_provider(OTHER, others, found, None, now_ms)] if others else ()))


def _provider(
    label: str, names: Sequence[str], found: _Found, account: AccountStatus | None, now_ms: int
) -> ProviderSnapshot:
    """One or, as `other`, several providers of the ledger."""
    tasks = {state: sum(found.tasks[name].get(state, 0) for name in names) for state in UNFINISHED}

    def opened(kind: str) -> Open:
        return _together([found.opened[name].get(kind, NONE) for name in names])

    return ProviderSnapshot(
        name=label,
        tasks=tasks,
        queued=opened("queued"),
        uncertain=opened("uncertain"),
        overdue=opened("overdue"),
        due_polls=opened("due_polls"),
        contradicted=opened("contradicted"),
        unknown_words=opened("unknown_words"),
        polls_paused=None if account is None else _pause(account.paused_until_ms, account.paused_reason, now_ms),
        submits_paused=None
        if account is None
        else _pause(account.submits_paused_until_ms, account.submits_paused_reason, now_ms),
        polls_denied=account is not None and account.alarm is not None,
        submits_denied=account is not None and account.submits_alarm is not None,
    )


def _together(parts: Sequence[Open]) -> Open:
    since_ms = [part.since_ms for part in parts if part.since_ms is not None]
    return Open(number=sum(part.number for part in parts), since_ms=min(since_ms, default=None))


def _pause(until_ms: int | None, reason: str | None, now_ms: int) -> Pause | None:
    """The reason of a hold of submits goes on with the provider's own words, which no label may have."""
    if until_ms is None or until_ms <= now_ms:
        return None
    word = (reason or "").partition(":")[0]
    return Pause(until_ms=until_ms, reason=word if word in _REASONS else OTHER)
