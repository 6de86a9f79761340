"""Subscriptions, and which endpoints receive an event. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from receiver.events.model.event import TASK_EVENTS, EventDraft, EventFacts
from receiver.events.model.query import EventFilter, matches
from receiver.webhooks.model.endpoint_health import EndpointState


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One endpoint that an event is delivered to."""

    endpoint_id: str
    url: str
    #: None for the URL in the task's own `notify`.
    subscription: str | None = None


class SubscriptionState(StrEnum):
    """A disabled subscription gets no new deliveries, and its pending ones wait."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A filter, a URL, and how webhooks to it are signed and limited."""

    id: str
    url: str
    description: str = ""
    state: SubscriptionState = SubscriptionState.ACTIVE
    filter: EventFilter = field(default_factory=EventFilter)
    #: `whsec_…`
    secret: str = field(repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    #: `whsk_…`; None unless the subscription asks for ed25519 signatures (`v1a`) as well.
    signing_key: str | None = field(default=None, repr=False)
    previous_signing_key: str | None = field(default=None, repr=False)
    #: Until then the previous secret and key sign as well.
    previous_until_ms: int | None = None
    cloudevents: bool = False
    handshake: bool = False
    #: The owner's own limit. Of this and `granted_per_s` the lower one counts.
    rate_per_s: float | None = None
    #: The limit that the endpoint set in the CloudEvents handshake.
    granted_per_s: float | None = None
    #: None: as the settings say.
    max_in_flight: int | None = None
    created_ms: int
    changed_ms: int
    disabled_ms: int | None = None
    disabled_reason: str | None = None

    def secrets_at(self, now_ms: int) -> tuple[str, ...]:
        """The secrets that sign at a time, the current one first."""
        return keys_at(self.secret, self.previous_secret, self.previous_until_ms, now_ms)

    def signing_keys_at(self, now_ms: int) -> tuple[str, ...]:
        """The signing keys that sign at a time, the current one first."""
        return keys_at(self.signing_key, self.previous_signing_key, self.previous_until_ms, now_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatus:
    """A subscription and its endpoint."""

    subscription: Subscription
    #: None before the first delivery.
    endpoint: EndpointState | None


def subscribes(subscription: Subscription, facts: EventFacts) -> bool:
    """Whether the subscription receives such an event. Without types in its filter it receives those about tasks."""
    has_type = bool(subscription.filter.types) or facts.type in TASK_EVENTS
    return has_type and matches(subscription.filter, facts)


def recipients_of(draft: EventDraft, subscriptions: Iterable[Subscription]) -> Iterator[Recipient]:
    """Every endpoint that the event is delivered to. `subscriptions` are the active ones."""
    if draft.notify_url is not None:
        yield Recipient(endpoint_id=notify_endpoint_id(draft.notify_url), url=draft.notify_url)
    for subscription in subscriptions:
        if subscribes(subscription, draft.facts):
            yield Recipient(endpoint_id=subscription.id, url=subscription.url, subscription=subscription.id)


def notify_endpoint_id(url: str) -> str:
    """Scheme and host of the URL: a host is one endpoint, however many URLs on it the tasks name."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def keys_at(current: str | None, previous: str | None, until_ms: int | None, now_ms: int) -> tuple[str, ...]:
    """The keys of one kind that sign at a time: the current one, and the previous one until `until_ms`."""
    if until_ms is None or until_ms <= now_ms:
        previous = None
    return tuple(key for key in (current, previous) if key is not None)
