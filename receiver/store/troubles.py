"""What is wrong apart from tasks: accounts, endpoints, the clock. Plain values; `trouble_repository` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from receiver.store.accounts import AccountStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingEndpoint:
    """An endpoint with pending deliveries whose breaker is open."""

    id: str
    #: None for a host that tasks name in `notify`; its id is its address.
    url: str | None
    #: In a row.
    failures: int
    since_ms: int | None
    #: Until then nothing is posted.
    paused_until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledSubscription:
    """A subscription that gets no deliveries."""

    id: str
    url: str
    since_ms: int | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """What is wrong now."""

    #: Of every provider that was used or paused.
    accounts: Mapping[str, AccountStatus] = field(default_factory=dict)
    #: Those that have failed for longest first.
    endpoints: tuple[FailingEndpoint, ...] = ()
    disabled: tuple[DisabledSubscription, ...] = ()
    #: Since when retention and ends by our clock wait, because it may have leaped ahead; see `receiver.store.leap`.
    clock_doubted_since_ms: int | None = None
