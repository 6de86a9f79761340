"""A configured provider as operators see it: its account's rate budget, pause and alarm. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from receiver.store.accounts import AccountStatus
from submitter.providers import schedule
from submitter.providers.contract import ConfiguredProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """One configured provider. `tokens` and `paused_until_ms` are as of now."""

    name: str
    adapter: str
    #: Host and port of the base URL.
    host: str
    #: Requests left in the rate budget; below zero after submits that did not wait for it.
    tokens: float
    #: What the rate budget holds at most.
    burst: int
    #: None: not paused.
    paused_until_ms: int | None
    paused_reason: str | None
    alarm: str | None
    #: Tasks that have not ended.
    unfinished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a resume ended; nothing where the provider had no pause and no alarm."""

    #: The provider had a pause, which may have been over, or an alarm.
    ended: bool
    #: Tasks whose poll had been put off until after the pause; they are due now.
    made_due: int


def provider_status(
    configured: ConfiguredProvider, account: AccountStatus | None, *, unfinished: int, speed: float, now_ms: int
) -> ProviderStatus:
    """`account` is None before the first request to the provider: its rate budget is full."""
    budget = schedule.scaled(configured.adapter.CAPABILITIES.budget, speed)
    tokens = float(budget.burst)
    if account is not None:
        tokens = schedule.refill(account.tokens, account.refilled_ms, now_ms, budget)
    is_paused = account is not None and account.paused_until_ms is not None and account.paused_until_ms > now_ms
    return ProviderStatus(
        name=configured.account.name,
        adapter=configured.account.adapter,
        host=host_of(configured.account.base_url),
        tokens=tokens,
        burst=budget.burst,
        paused_until_ms=account.paused_until_ms if account is not None and is_paused else None,
        paused_reason=account.paused_reason if account is not None and is_paused else None,
        alarm=None if account is None else account.alarm,
        unfinished=unfinished,
    )


def host_of(url: str) -> str:
    """Host and port, without a user name or a password."""
    return urlsplit(url).netloc.rpartition("@")[2]
