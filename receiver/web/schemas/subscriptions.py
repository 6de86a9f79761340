"""Request bodies and query parameters about subscriptions and replays."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.web.schemas.tasks import (
    LAST_SEQ,
    NEXT_CURSOR,
    Labels,
    Name,
    PageLimit,
    Query,
    RequestBody,
    SubscriptionId,
)
from receiver.webhooks.model.replay import ReplayRange, ReplayWhich
from receiver.webhooks.model.request import LONGEST_OVERLAP_S, USUAL_OVERLAP_S, SubscriptionRequest
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.request import at_most
from submitter.timestamps import find_rfc3339_ms

MOST_VALUES = 1_000  # in one condition; the service itself allows fewer

_LISTED = (Field(strict=False, max_length=MOST_VALUES, fail_fast=True), at_most(MOST_VALUES))

#: The service checks the types, because it names all unknown ones at once; they are only described here.
TypeName = Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in EventType]})]

TypeNames = Annotated[tuple[TypeName, ...], *_LISTED]

Values = Annotated[tuple[str, ...], *_LISTED]


class CreateSubscriptionRequest(RequestBody):
    """Conditions are joined by "and", the values of one by "or"; an empty one lets everything through.

    Empty `types` mean every event about a task. Without a secret one is made.
    """

    url: str
    description: str = ""
    types: TypeNames = ()
    providers: Values = ()
    models: Values = ()
    labels: Labels = Field(default_factory=dict)
    secret: str | None = None
    asymmetric: bool = False
    cloudevents: bool = False
    handshake: bool = False
    rate_per_s: float | None = None
    max_in_flight: int | None = None

    def subscription_request(self) -> SubscriptionRequest:
        return SubscriptionRequest(**dict(self))


#: Stands for what was not given; `changes` leaves it out, also where null has a meaning of its own.
_NOT_GIVEN: Any = Field(default=None)


class ChangeSubscriptionRequest(RequestBody):
    """Only what is given changes; null empties a condition and lifts a limit. `enabled` switches it on and off."""

    url: str = _NOT_GIVEN
    description: str | None = _NOT_GIVEN
    types: TypeNames | None = _NOT_GIVEN
    providers: Values | None = _NOT_GIVEN
    models: Values | None = _NOT_GIVEN
    labels: Labels | None = _NOT_GIVEN
    asymmetric: bool = _NOT_GIVEN
    cloudevents: bool = _NOT_GIVEN
    handshake: bool = _NOT_GIVEN
    rate_per_s: float | None = _NOT_GIVEN
    max_in_flight: int | None = _NOT_GIVEN
    enabled: bool = _NOT_GIVEN

    def changes(self) -> dict[str, Any]:
        """Return what was given; None puts a field back to its default."""
        return self.model_dump(exclude_unset=True)


def _read_time(value: object) -> int:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    at_ms = find_rfc3339_ms(value)
    if at_ms is None:
        raise PydanticCustomError("rfc3339", "is not a time in RFC 3339")
    return at_ms


#: Unix milliseconds; RFC 3339 in the body.
Time = Annotated[
    int,
    BeforeValidator(_read_time),
    WithJsonSchema({"description": "RFC 3339, with its offset or Z", "format": "date-time", "type": "string"}),
]


class ReplayRequest(RequestBody):
    """Events with `first_seq <= seq <= last_seq` and `since <= time < until` that pass both filters.

    At least one bound, or `which: dead`; `first_seq: 1` replays everything. `which`: all of them (the default), only
    dead letters, or only events that have no delivery for this subscription (`missing`). `dry_run` counts and changes
    nothing.
    """

    first_seq: int | None = Field(default=None, ge=0, le=LAST_SEQ)
    last_seq: int | None = Field(default=None, ge=0, le=LAST_SEQ)
    since: Time | None = None
    until: Time | None = None
    types: Annotated[tuple[Annotated[EventType, Field(strict=False)], ...], *_LISTED] = ()
    providers: Annotated[tuple[Name, ...], *_LISTED] = ()
    models: Annotated[tuple[Name, ...], *_LISTED] = ()
    labels: Labels = Field(default_factory=dict)
    which: Annotated[ReplayWhich, Field(strict=False)] = ReplayWhich.ALL
    dry_run: bool = False

    def replay_range(self) -> ReplayRange:
        return ReplayRange(
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            since_ms=self.since,
            until_ms=self.until,
            filter=EventFilter(
                types=frozenset(self.types),
                providers=frozenset(self.providers),
                models=frozenset(self.models),
                labels=self.labels,
            ),
            which=self.which,
        )


class RotateSecretRequest(RequestBody):
    """Without a secret one is made. The old one signs as well for `overlap_s`, a day by default; 0 ends it at once."""

    secret: str | None = None
    overlap_s: float = Field(default=USUAL_OVERLAP_S, ge=0, le=LONGEST_OVERLAP_S)


class SubscriptionsQuery(Query):
    state: Annotated[SubscriptionState, Field(strict=False)] | None = Field(
        default=None, description="only subscriptions in this state", examples=["active"]
    )
    limit: PageLimit = 50
    cursor: SubscriptionId | None = Field(
        default=None, description=NEXT_CURSOR, examples=["sub_01m7yrqm47904bn5a9g1vxy29m"]
    )
