"""The bodies of the HTTP API that are about subscriptions and deliveries, as models. Pure. See `submitter.api`."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AliasChoices, Field

from submitter.api import ApiModel, EventType, Time


class Disabling(ApiModel):
    """When a subscription was disabled, and why."""

    at: Time
    reason: str | None


class Breaker(ApiModel):
    """The circuit breaker of an endpoint. `failures` counts those in a row.

    `slow_per_s` is the rate that answers 429 and 503 have slowed the endpoint to; null: it is not slowed.
    """

    state: Literal["closed", "open", "half_open"]
    failures: int
    failing_since: Time | None
    paused_until: Time | None
    slow_per_s: float | None


class Subscription(ApiModel):
    """`public_key` verifies the `v1a` signatures. Of `rate_per_s` and `granted_per_s` the lower one counts."""

    id: str
    url: str
    description: str
    state: Literal["active", "disabled"]
    types: tuple[EventType, ...]
    providers: tuple[str, ...]
    models: tuple[str, ...]
    labels: Mapping[str, str]
    asymmetric: bool
    public_key: str | None
    cloudevents: bool
    handshake: bool
    rate_per_s: float | None
    granted_per_s: float | None
    max_in_flight: int | None
    created_at: Time
    changed_at: Time
    disabled: Disabling | None
    previous_secret_until: Time | None
    breaker: Breaker


class SubscriptionWithSecret(Subscription):
    """The secret is in this answer and in no later one."""

    secret: str = Field(repr=False)


class LastFailure(ApiModel):
    """A delivery that failed. `status` null: no answer came, and `error` says why."""

    id: str
    status: int | None = Field(validation_alias=AliasChoices("last_status", "status"))
    error: str | None = Field(validation_alias=AliasChoices("last_error", "error"))


class Backlog(ApiModel):
    """`last_failed` is the newest delivery that failed and will be tried again, or else the newest dead letter."""

    pending: int
    dead: int
    last_failed: LastFailure | None = Field(validation_alias=AliasChoices("failed", "last_failed"))


class SubscriptionWithBacklog(Subscription):
    """A subscription and its deliveries that are pending or dead."""

    deliveries: Backlog


class SubscriptionsPage(ApiModel):
    """`next_cursor` null: this is the last page."""

    subscriptions: tuple[Subscription, ...]
    next_cursor: str | None


class Attempt(ApiModel):
    """One HTTP try. `status` null: no answer came, and `error` says why. `response` is cut to 4 KiB."""

    at: Time
    latency_ms: int
    status: int | None
    error: str | None
    response: str


class ProbeResult(ApiModel):
    """What came of a test webhook. `status` null: no answer came, and `error` says why. `response` is cut to 4 KiB.

    An answer 2xx closes the breaker of an endpoint that `was_failing`, and sends `made_due` deliveries that waited.
    """

    delivered: bool
    status: int | None
    latency_ms: int
    error: str | None
    response: str
    was_failing: bool = False
    made_due: int = 0


class ResumedSubscription(Subscription):
    """The subscription after a resume, and what it was before.

    `made_due` deliveries were due later and are sent now; with `has_more` another resume takes more of them.
    """

    was_disabled: bool
    was_failing: bool
    made_due: int
    has_more: bool


class ReplayResult(ApiModel):
    """`matched` events, for which `made_due` deliveries are pending; the others were pending already or left out.

    `oldest_seq` is set when the range begins before the oldest event that is still stored.
    """

    subscription: str
    matched: int
    made_due: int
    oldest_seq: int | None
    dry_run: bool


# Deliveries.


class Delivery(ApiModel):
    """One event for one endpoint. `subscription` null: for the `notify` of the task. `attempts` counts those made."""

    id: str
    event_seq: int
    event_id: str
    event_type: EventType
    task: str | None = Field(validation_alias=AliasChoices("task", "task_id"))
    subscription: str | None = Field(validation_alias=AliasChoices("subscription", "subscription_id"))
    endpoint: str
    state: Literal["pending", "delivered", "dead"]
    attempts: int
    due_at: Time | None
    created_at: Time
    finished_at: Time | None
    last_status: int | None
    last_error: str | None


class DeliveryWithAttempts(Delivery):
    """`tries` in order; `attempts` counts those since it was last redelivered."""

    tries: tuple[Attempt, ...]


class DeliveriesPage(ApiModel):
    """`next_cursor` null: this is the last page."""

    deliveries: tuple[Delivery, ...]
    next_cursor: str | None
