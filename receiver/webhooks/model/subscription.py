"""Who is owed an event, by one rule for webhooks, pulls and streams. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from receiver.events.model.event import TASK_EVENTS, EventDraft, EventFacts
from receiver.events.model.query import EventFilter, matches
from receiver.webhooks.model.endpoint_health import EndpointState


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One endpoint that is owed an event. `subscription` None: the task's own `notify`."""

    lane: str
    endpoint: str
    subscription: str | None = None


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


def subscribes(subscription: Subscription, facts: EventFacts) -> bool:
    """Whether it is owed such an event; one that names no types gets those about tasks."""
    is_asked_for = bool(subscription.filter.types) or facts.type in TASK_EVENTS
    return is_asked_for and matches(subscription.filter, facts)


def recipients_of(draft: EventDraft, subscriptions: Iterable[Subscription]) -> Iterator[Owed]:
    """`subscriptions` are the active ones."""
    if draft.notify_url is not None:
        yield Owed(lane=notify_endpoint_id(draft.notify_url), endpoint=draft.notify_url)
    for each in subscriptions:
        if subscribes(each, draft.facts):
            yield Owed(lane=each.id, endpoint=each.url, subscription=each.id)


def notify_endpoint_id(url: str) -> str:
    """The host of the address: one that hangs is one lane, however many addresses on it the tasks name."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def keys_at(current: str | None, previous: str | None, until_ms: int | None, now_ms: int) -> tuple[str, ...]:
    """Those of one kind that sign at a moment: the current one, and the previous one until its time is over."""
    is_over = until_ms is None or until_ms <= now_ms
    return tuple(key for key in (current, None if is_over else previous) if key is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatus:
    """`lane` None: nothing was ever owed to it."""

    subscription: Subscription
    lane: EndpointState | None
