"""Between what crosses the API about subscriptions and what the service works with."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.web.schemas.tasks import LAST_SEQ, DeliveryShape, Name, Query, Read, Time, Whole, Written
from receiver.webhooks.model.endpoint_health import BreakerState
from receiver.webhooks.model.replay import ReplayRange, ReplayWhich
from receiver.webhooks.model.request import LONGEST_OVERLAP_S, SubscriptionRequest
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.timestamps import parse_rfc3339_ms

MOST_WORDS = 1_000  # in one condition; those who check the words allow fewer

_MANY = Field(strict=False, max_length=MOST_WORDS)

#: Known by the service further in, which names all unknown ones at once; described here.
TypeWord = Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in EventType]})]

TypeWords = Annotated[tuple[TypeWord, ...], _MANY]

Words = Annotated[tuple[str, ...], _MANY]

# Bodies.


class SubscriptionOrderBody(Read):
    """Conditions are joined by "and", the words of one by "or"; an empty one lets everything through.

    Empty `types` mean every event about a task. Without a secret one is made.
    """

    url: str
    description: str = ""
    types: TypeWords = ()
    providers: Words = ()
    models: Words = ()
    labels: dict[str, str] = Field(default_factory=dict)
    secret: str | None = None
    asymmetric: bool = False
    cloudevents: bool = False
    handshake: bool = False
    rate_per_s: float | None = None
    max_in_flight: int | None = None


def subscription_order_of(body: SubscriptionOrderBody) -> SubscriptionRequest:
    return SubscriptionRequest(**{name: getattr(body, name) for name in SubscriptionOrderBody.model_fields})


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


#: In the description there is no default: a client made from it must not send what its caller left out.
_NOT_GIVEN: Any = Field(default=None, json_schema_extra=_without_default)


class SubscriptionChangeBody(Read):
    """Only what is given changes; null empties a condition and lifts a limit. `enabled` switches it on and off."""

    url: str = _NOT_GIVEN
    description: str | None = _NOT_GIVEN
    types: TypeWords | None = _NOT_GIVEN
    providers: Words | None = _NOT_GIVEN
    models: Words | None = _NOT_GIVEN
    labels: dict[str, str] | None = _NOT_GIVEN
    asymmetric: bool = _NOT_GIVEN
    cloudevents: bool = _NOT_GIVEN
    handshake: bool = _NOT_GIVEN
    rate_per_s: float | None = _NOT_GIVEN
    max_in_flight: int | None = _NOT_GIVEN
    enabled: bool = _NOT_GIVEN


def changes_of(body: SubscriptionChangeBody) -> dict[str, Any]:
    """Only what was given; None puts a field back to what it is when nobody asks for anything."""
    return {name: getattr(body, name) for name in body.model_fields_set}


def _moment(text: str) -> str:
    try:
        parse_rfc3339_ms(text)
    except ValueError:
        raise PydanticCustomError("moment", "is not a time in RFC 3339") from None
    return text


Moment = Annotated[
    str,
    AfterValidator(_moment),
    Field(description="RFC 3339, with its offset or Z", json_schema_extra={"format": "date-time"}),
]


class ReplayBody(Read):
    """Events with `first_seq <= seq <= last_seq` and `since <= time < until` that pass both filters.

    At least one bound, or `which: dead`; `first_seq: 1` replays everything. `which`: all of them, only dead letters, or
    only what was never owed (`missing`). `dry_run` counts and changes nothing.
    """

    first_seq: int | None = Field(default=None, ge=0, le=LAST_SEQ)
    last_seq: int | None = Field(default=None, ge=0, le=LAST_SEQ)
    since: Moment | None = None
    until: Moment | None = None
    types: Annotated[tuple[Annotated[EventType, Field(strict=False)], ...], _MANY] = ()
    providers: Annotated[tuple[Name, ...], _MANY] = ()
    models: Annotated[tuple[Name, ...], _MANY] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    which: Annotated[ReplayWhich, Field(strict=False)] = ReplayWhich.ALL
    dry_run: bool = False


def range_of(body: ReplayBody) -> ReplayRange:
    return ReplayRange(
        first_seq=body.first_seq,
        last_seq=body.last_seq,
        since_ms=None if body.since is None else parse_rfc3339_ms(body.since),
        until_ms=None if body.until is None else parse_rfc3339_ms(body.until),
        filter=EventFilter(
            types=frozenset(body.types),
            providers=frozenset(body.providers),
            models=frozenset(body.models),
            labels=body.labels,
        ),
        which=body.which,
    )


DEFAULT_OVERLAP_S = 86_400


class RotateBody(Read):
    """Without a secret one is made. The old one signs along for `overlap_s`; 0 ends it at once."""

    secret: str | None = None
    overlap_s: float = Field(default=DEFAULT_OVERLAP_S, ge=0, le=LONGEST_OVERLAP_S)


# Queries.


class SubscriptionsQuery(Query):
    state: Annotated[SubscriptionState, Field(strict=False)] | None = None
    limit: Whole = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, StringConstraints(pattern=r"^sub_[0-9a-z]{1,40}$")] | None = None


# Answers.


class DisabledShape(Written):
    at: Time
    reason: str | None


class BreakerShape(Written):
    """`failures` in a row. `slow_per_s`: what answers 429 and 503 have slowed it to; null is not slowed."""

    state: BreakerState
    failures: int
    failing_since: Time | None
    paused_until: Time | None
    slow_per_s: float | None


class SubscriptionShape(Written):
    """`public_key` verifies the `v1a` signatures. Of `rate_per_s` and `granted_per_s` the lower one counts."""

    id: str
    url: str
    description: str
    state: SubscriptionState
    types: tuple[EventType, ...]
    providers: tuple[str, ...]
    models: tuple[str, ...]
    labels: dict[str, str]
    asymmetric: bool
    public_key: str | None
    cloudevents: bool
    handshake: bool
    rate_per_s: float | None
    granted_per_s: float | None
    max_in_flight: int | None
    created_at: Time
    changed_at: Time
    disabled: DisabledShape | None
    previous_secret_until: Time | None
    breaker: BreakerShape


class SubscriptionWithSecret(SubscriptionShape):
    """The secret is shown in this answer and never again."""

    secret: str


class LastFailedShape(Written):
    id: str
    status: int | None
    error: str | None


class OwedShape(Written):
    """`last_failed`: the newest that was tried in vain and will be again, or else the newest dead letter."""

    pending: int
    dead: int
    last_failed: LastFailedShape | None


class SubscriptionWithOwed(SubscriptionShape):
    deliveries: OwedShape


class SubscriptionsPage(Written):
    subscriptions: tuple[SubscriptionShape, ...]
    next_cursor: str | None


class ProbeShape(Written):
    """`status` null: no answer came, and `error` says why. `response` is cut to 4 KiB."""

    delivered: bool
    status: int | None
    latency_ms: int
    error: str | None
    response: str


class ReplayShape(Written):
    """`matched` events, of which `made_due` deliveries follow; the others were due already or left out by `which`.

    `oldest_seq`: where what is kept begins, when the range begins before that.
    """

    subscription: str
    matched: int
    made_due: int
    oldest_seq: int | None
    dry_run: bool


class AttemptShape(Written):
    at: Time
    latency_ms: int
    status: int | None
    error: str | None
    response: str


class DeliveryWithTries(DeliveryShape):
    """`tries` in order; `attempts` counts those since it was last made due by hand."""

    tries: tuple[AttemptShape, ...]
