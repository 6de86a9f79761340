"""Subscriptions and what goes with them, as plain values. Times are unix milliseconds.

Pure. What is owed to whom stays in `receiver.records`; here is who asked for what, and how each endpoint behaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from receiver.records import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: conditions joined by "and", the words of one by "or", and every label must be there.

    An empty condition lets everything through, but empty `types` only those about tasks where it says who is owed.
    """

    types: frozenset[EventType] = frozenset()
    providers: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)


class SubscriptionState(StrEnum):
    """A disabled one is owed nothing new, and what it is owed waits."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A filter, an endpoint and how it wants to be spoken to.

    `secret` is `whsec_…`. `signing_key` is `whsk_…`, there when ed25519 signatures (`v1a`) are asked for as well. The
    previous pair signs along until `previous_until_ms`. `rate_per_s` is the owner's own limit, `granted_per_s` the
    one that the CloudEvents handshake gave; the lower counts. `max_in_flight` None: as the settings say.
    """

    id: str
    url: str
    description: str = ""
    state: SubscriptionState = SubscriptionState.ACTIVE
    filter: EventFilter = field(default_factory=EventFilter)
    secret: str = field(repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    signing_key: str | None = field(default=None, repr=False)
    previous_signing_key: str | None = field(default=None, repr=False)
    previous_until_ms: int | None = None
    cloudevents: bool = False
    handshake: bool = False
    rate_per_s: float | None = None
    granted_per_s: float | None = None
    max_in_flight: int | None = None
    created_ms: int
    changed_ms: int
    disabled_ms: int | None = None
    disabled_reason: str | None = None

    def secrets_at(self, now_ms: int) -> tuple[str, ...]:
        """What signs at a moment, the current one first."""
        return keys_at(self.secret, self.previous_secret, self.previous_until_ms, now_ms)

    def signing_keys_at(self, now_ms: int) -> tuple[str, ...]:
        return keys_at(self.signing_key, self.previous_signing_key, self.previous_until_ms, now_ms)


def keys_at(current: str | None, previous: str | None, until_ms: int | None, now_ms: int) -> tuple[str, ...]:
    """Those of one kind that sign at a moment: the current one, and the previous one until its time is over."""
    is_over = until_ms is None or until_ms <= now_ms
    return tuple(key for key in (current, None if is_over else previous) if key is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What is owed to one endpoint, and how the endpoint has been behaving.

    `id` is a subscription's id, or for tasks' own `notify` the host of their addresses. `next_due_ms` None: nothing is
    owed. `paused_until_ms`: nothing is leased before. `failures` in a row since the last good answer;
    `failing_since_ms` is the first one's time. `slow_per_s` is what 429 and 503 have slowed it to. `limit_per_s` and
    `max_in_flight` are its subscription's.
    """

    id: str
    next_due_ms: int | None = None
    served_ms: int = 0
    paused_until_ms: int | None = None
    failures: int = 0
    failing_since_ms: int | None = None
    slow_per_s: float | None = None
    tokens: float = 0.0
    refilled_ms: int = 0
    limit_per_s: float | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSubscription:
    """`lane` None: nothing was ever owed to it."""

    subscription: Subscription
    lane: Lane | None


class ReplayWhich(StrEnum):
    """`all`, delivered ones too; only `dead` letters; or only what was never owed to it (`missing`)."""

    ALL = "all"
    DEAD = "dead"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRange:
    """Which events to make due again for one subscription, beside its own filter; None does not bound.

    Numbers are inclusive at both ends, times `since_ms <= at < until_ms`.
    """

    first_seq: int | None = None
    last_seq: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    filter: EventFilter = field(default_factory=EventFilter)
    which: ReplayWhich = ReplayWhich.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCount:
    """`matched` events, of which `made_due` deliveries follow; the rest was due already or left out by `which`.

    `oldest_seq` is set when the range begins before what is kept: the number of the oldest event that still is.
    """

    matched: int = 0
    made_due: int = 0
    oldest_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotActive:
    """The subscription is disabled: nothing is made due for it until it is enabled."""

    subscription: str
    reason: str | None = None
