"""A configured provider as operators see it: its account's rate budget, pauses, alarms and tasks. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import limits_of
from submitter.providers import schedule
from submitter.providers.contract import ConfiguredProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """One configured provider. `tokens` and the pauses are as of now."""

    name: str
    adapter: str
    #: Host and port of the base URL.
    host: str
    #: Requests left in the rate budget; below zero after submits that did not wait for it.
    tokens: float
    #: What the rate budget holds at most.
    burst: int
    #: Of polls; None: not paused.
    paused_until_ms: int | None
    paused_reason: str | None
    #: Of polls.
    alarm: str | None
    #: None: submits are not held back.
    submits_paused_until_ms: int | None
    submits_paused_reason: str | None
    submits_alarm: str | None
    #: Tasks that have not ended, those in the queue included.
    unfinished: int
    #: Tasks that wait in the queue.
    queued: int
    #: Tasks that count for the limit: submitting, submitted or running, and not overdue.
    in_flight: int
    #: Tasks in flight by the settings or the documents; None: no limit.
    max_in_flight: int | None
    #: What the provider took when it refused one more; None: it has refused none.
    learned_in_flight: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """How many tasks a provider has; see `ProviderStatus`."""

    unfinished: int = 0
    queued: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a resume ended; nothing where the provider had no pause, no hold of submits and no alarm."""

    #: The provider had a pause of polls, which may have been over, a hold of submits, or an alarm.
    ended: bool
    #: Tasks whose poll had been put off until after the pause; they are due now.
    made_due: int


def provider_status(
    configured: ConfiguredProvider,
    account: AccountStatus | None,
    *,
    counts: TaskCounts,
    speed: float,
    now_ms: int,
) -> ProviderStatus:
    """`account` is None before the first request to the provider: its rate budget is full."""
    limits = limits_of(configured, speed=speed)
    name, budget = configured.account.name, limits.budget
    known = account or AccountStatus(provider=name, tokens=float(budget.burst), refilled_ms=now_ms)
    is_paused = (known.paused_until_ms or 0) > now_ms
    is_held = known.are_submits_held(now_ms)
    return ProviderStatus(
        name=name,
        adapter=configured.account.adapter,
        host=host_of(configured.account.base_url),
        tokens=schedule.refill(known.tokens, known.refilled_ms, now_ms, budget),
        burst=budget.burst,
        paused_until_ms=known.paused_until_ms if is_paused else None,
        paused_reason=known.paused_reason if is_paused else None,
        alarm=known.alarm,
        submits_paused_until_ms=known.submits_paused_until_ms if is_held else None,
        submits_paused_reason=known.submits_paused_reason if is_held else None,
        submits_alarm=known.submits_alarm,
        unfinished=counts.unfinished,
        queued=counts.queued,
        in_flight=counts.in_flight,
        max_in_flight=limits.max_in_flight,
        learned_in_flight=known.learned_in_flight,
    )


def host_of(url: str) -> str:
    """Host and port, without a user name or a password."""
    return urlsplit(url).netloc.rpartition("@")[2]
