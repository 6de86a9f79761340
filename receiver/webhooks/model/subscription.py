"""Subscriptions, and which endpoints receive an event. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from receiver.events.model.event import TASK_EVENTS, EventFacts
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
    #: The key of the ledger that created it; None: a key of the settings, or the command.
    key_id: str | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """An active subscription, as it is or was, for the events after `after_seq` and up to `until_seq`."""

    id: str
    url: str
    filter: EventFilter
    after_seq: int
    #: None: it is as it is now.
    until_seq: int | None


def subscribes(wanted: EventFilter, facts: EventFacts) -> bool:
    """Whether a subscription with this filter receives such an event. Without types it receives those about tasks."""
    has_type = bool(wanted.types) or facts.type in TASK_EVENTS
    return has_type and matches(wanted, facts)


def recipients_of(
    facts: EventFacts, seq: int, notify_url: str | None, subscribers: Iterable[Subscriber]
) -> Iterator[Recipient]:
    """Every endpoint that the event with this number is delivered to. `notify_url` is that of its task."""
    if notify_url is not None and facts.type in TASK_EVENTS:
        yield Recipient(endpoint_id=notify_endpoint_id(notify_url), url=notify_url)
    for each in subscribers:
        is_counting = each.after_seq < seq and (each.until_seq is None or seq <= each.until_seq)
        if is_counting and subscribes(each.filter, facts):
            yield Recipient(endpoint_id=each.id, url=each.url, subscription=each.id)


def notify_endpoint_id(url: str) -> str:
    """Scheme and host of the URL: a host is one endpoint, however many URLs on it the tasks name."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def keys_at(current: str | None, previous: str | None, until_ms: int | None, now_ms: int) -> tuple[str, ...]:
    """The keys of one kind that sign at a time: the current one, and the previous one until `until_ms`."""
    if until_ms is None or until_ms <= now_ms:
        previous = None
    return tuple(key for key in (current, previous) if key is not None)
