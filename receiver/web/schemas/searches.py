"""What is looked for: filters of tasks and deliveries, as query parameters and as members of a body.

A list and an act on all that it shows take the same names. Filters that nothing can fit both are refused, because the
caller meant another thing.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from receiver.events.model.event import EventType
from receiver.runtime.example import PROVIDER, PROVIDER_TASK_ID
from receiver.tasks.model.search import LABELS_MOST, EndedBy, TaskSearch
from receiver.web.schemas.subscriptions import Time
from receiver.web.schemas.tasks import DIGITS, LONGEST_AGE_S, NEXT_CURSOR, Label, Name, PageLimit, Query, SubscriptionId
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.delivery_search import Answer, DeliverySearch
from receiver.webhooks.model.endpoint_status import notify_host
from submitter.model import ENDED, TaskId, TaskState
from submitter.request import at_most

IDS_MOST = 100

_FLAGS = {"true": True, "false": False}


def _read_flag(text: object) -> object:
    if isinstance(text, str) and text not in _FLAGS:
        raise PydanticKnownError("bool_type")
    return _FLAGS[text] if isinstance(text, str) else text


#: Of a query, where each value is text.
FLAG = BeforeValidator(_read_flag)

Flag = Annotated[bool, FLAG]

#: An id or a key of others.
Foreign = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]

OurTaskId = Annotated[str, StringConstraints(pattern=r"^tsk_[0-9A-Za-z_]{1,40}$")]

DeliveryId = Annotated[str, StringConstraints(pattern=r"^dlv_[0-9A-Za-z_]{1,40}$")]

_LABELS = (Field(strict=False, max_length=LABELS_MOST), at_most(LABELS_MOST))

_FEW = (Field(strict=False, max_length=20), at_most(20))


def contradiction(name: str, rule: str, accepted: str) -> PydanticCustomError:
    """The error of a filter beside another one; `receiver.web.validation` reads the name from it."""
    return PydanticCustomError("contradiction", "contradicts", {"field": name, "rule": rule, "accepted": accepted})


class TaskConditions(BaseModel):
    """Conditions of tasks, joined by "and"; the values of one by "or", but each label must be there."""

    state: Annotated[tuple[Annotated[TaskState, Field(strict=False)], ...], *_FEW] = Field(
        default=(), description="only tasks in this state; may be repeated", examples=[["failed"]]
    )
    provider: Name | None = Field(default=None, description="only tasks of this provider", examples=[PROVIDER])
    model: Name | None = Field(
        default=None, description="only tasks of this model", examples=["happyhorse-1.1/text-to-video"]
    )
    label: Annotated[tuple[Label, ...], *_LABELS] = Field(
        default=(), description="only tasks with this label, as name=value; up to two", examples=[["film=1"]]
    )
    key: Foreign | None = Field(
        default=None, description="only tasks of this idempotency key", examples=["film-1-shot-7"]
    )
    task_id: Foreign | None = Field(
        default=None, description="only tasks with this id of the provider", examples=[PROVIDER_TASK_ID]
    )
    since: Time | None = Field(
        default=None, description="only tasks created then or later", examples=["2026-09-21T14:00:00Z"]
    )
    until: Time | None = Field(
        default=None, description="only tasks created then or before", examples=["2026-09-21T15:00:00Z"]
    )
    older_than_s: Annotated[int, Field(ge=0, le=LONGEST_AGE_S), DIGITS] | None = Field(
        default=None, description="only tasks created at least so many seconds ago", examples=[600]
    )
    overdue: Flag = Field(
        default=False, description="true: only unfinished tasks whose deadline has passed", examples=[True]
    )
    contradicted: Flag = Field(
        default=False, description="true: only tasks whose provider told of two different ends", examples=[True]
    )
    ended_by: Annotated[tuple[Annotated[EndedBy, Field(strict=False)], ...], *_FEW] = Field(
        default=(),
        description="only tasks whose end was told by this, as long as the timeline says so; may be repeated",
        examples=[["poll"]],
    )

    @model_validator(mode="after")
    def _fits_something(self) -> Self:
        check_times(self.since, self.until)
        check_labels(self.label)
        ended = set(self.state) & ENDED
        if self.overdue and self.state and not set(self.state) - ENDED:
            raise contradiction("overdue", "goes with no `state` that is given", "a `state` that is no end")
        if self.ended_by and self.state and not ended:
            raise contradiction("ended_by", "goes with no `state` that is given", "a `state` that is an end")
        if self.ended_by and self.overdue:
            raise contradiction("ended_by", "does not go with `overdue`", "one of the two")
        return self

    def task_search(self, now_ms: int, *, ids: Sequence[str] = ()) -> TaskSearch:
        ages_ms = [] if self.older_than_s is None else [now_ms - self.older_than_s * 1000]
        ages_ms += [] if self.until is None else [self.until]
        return TaskSearch(
            states=frozenset(self.state),
            is_overdue=self.overdue,
            is_contradicted=self.contradicted,
            provider=self.provider,
            model=self.model,
            labels=tuple((name, value) for name, _, value in (each.partition("=") for each in self.label)),
            ids=tuple(ids),
            provider_task_id=self.task_id,
            idempotency_key=self.key,
            ended_by=frozenset(self.ended_by),
            since_ms=self.since,
            until_ms=min(ages_ms, default=None),
        )


def check_times(since: int | None, until: int | None) -> None:
    if since is not None and until is not None and since > until:
        raise contradiction("until", "is before `since`", "`since` or later")


def check_labels(labels: Sequence[str]) -> None:
    names = [each.partition("=")[0] for each in dict.fromkeys(labels)]
    if len(set(names)) < len(names):
        raise contradiction("label", "names a label twice", "one value for each name")


class TasksQuery(TaskConditions, Query):
    limit: PageLimit = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^tsk_[0-9a-z]{1,40}$")] | None = Field(
        default=None, description=NEXT_CURSOR, examples=["tsk_01m7yrqm47904bn5a9g1vxy29m"]
    )


_NAMES_A_TASK = (
    "an id of ours or its beginning, the provider's id, PROVIDER/ID, an idempotency key, the id of an event or of a "
    "delivery, or a label as name=value"
)


class FindQuery(Query):
    text: Foreign = Field(description=_NAMES_A_TASK, examples=[PROVIDER_TASK_ID])
    limit: PageLimit = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^tsk_[0-9a-z]{1,40}$")] | None = Field(
        default=None, description=NEXT_CURSOR, examples=["tsk_01m7yrqm47904bn5a9g1vxy29m"]
    )

    @model_validator(mode="before")
    @classmethod
    def _has_text(cls, values: object) -> object:
        if isinstance(values, Mapping) and "text" not in values:
            raise contradiction("text", "is missing", _NAMES_A_TASK)
        return values


def _read_host(text: object) -> object:
    if not isinstance(text, str):
        raise PydanticKnownError("string_type")
    try:
        return notify_host(text)
    except ValueError:
        raise PydanticCustomError("host", "is not the address of a host") from None


class DeliveryConditions(BaseModel):
    """Conditions of deliveries, joined by "and"; the values of one by "or"."""

    state: Annotated[tuple[Annotated[DeliveryState, Field(strict=False)], ...], *_FEW] = Field(
        default=(), description="only deliveries in this state; may be repeated", examples=[["dead"]]
    )
    failing: Flag = Field(
        default=False, description="true: only those that failed and are attempted again", examples=[True]
    )
    subscription: SubscriptionId | None = Field(
        default=None, description="only of this subscription", examples=["sub_01m7yrqm47904bn5a9g1vxy29m"]
    )
    endpoint: Annotated[str, StringConstraints(max_length=2_048), BeforeValidator(_read_host)] | None = Field(
        default=None,
        description="only what this host of `notify` has not received: pending deliveries and dead letters",
        examples=["https://hooks.example.com"],
    )
    task: OurTaskId | None = Field(
        default=None, description="only of events of this task", examples=["tsk_01m7yrqm47904bn5a9g1vxy29m"]
    )
    type: Annotated[EventType, Field(strict=False)] | None = Field(
        default=None, description="only of events of this type", examples=["task.failed"]
    )
    since: Time | None = Field(
        default=None, description="only deliveries made then or later", examples=["2026-09-21T14:00:00Z"]
    )
    until: Time | None = Field(
        default=None, description="only deliveries made then or before", examples=["2026-09-21T15:00:00Z"]
    )
    error: Annotated[tuple[Annotated[Answer, Field(strict=False)], ...], *_FEW] = Field(
        default=(),
        description="only those whose last attempt was answered so, none: not at all; may be repeated",
        examples=[["5xx"]],
    )

    @model_validator(mode="after")
    def _fits_something(self) -> Self:
        check_times(self.since, self.until)
        states = set(self.state)
        if self.endpoint is not None and (self.subscription is not None or states == {DeliveryState.DELIVERED}):
            accepted = "`state` pending or dead, and no `subscription`"
            raise contradiction("endpoint", "does not go with these conditions", accepted)
        if self.failing and states and DeliveryState.PENDING not in states:
            raise contradiction("failing", "goes with no `state` that is given", "`state` pending, or none")
        return self

    def delivery_search(self, *, ids: Sequence[str] = ()) -> DeliverySearch:
        states = frozenset(self.state)
        if self.endpoint is not None:
            unreceived = frozenset({DeliveryState.PENDING, DeliveryState.DEAD})
            states = states & unreceived or unreceived
        return DeliverySearch(
            states=states,
            is_failing=self.failing,
            subscription=self.subscription,
            host=self.endpoint,
            event_type=self.type,
            answers=frozenset(self.error),
            task=None if self.task is None else TaskId(self.task),
            ids=tuple(ids),
            since_ms=self.since,
            until_ms=self.until,
        )


class DeliveriesQuery(DeliveryConditions, Query):
    limit: PageLimit = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^dlv_[0-9a-z]{1,40}$")] | None = Field(
        default=None, description=NEXT_CURSOR, examples=["dlv_01m7yrqm47904bn5a9g1vxy29m"]
    )


class AuditQuery(Query):
    actor: Name | None = Field(default=None, description="only what this caller did", examples=["key ops"])
    action: Name | None = Field(default=None, description="only this action", examples=["settle"])
    task: OurTaskId | None = Field(
        default=None, description="only about this task", examples=["tsk_01m7yrqm47904bn5a9g1vxy29m"]
    )
    since: Time | None = Field(
        default=None, description="only what was done then or later", examples=["2026-09-21T14:00:00Z"]
    )
    until: Time | None = Field(
        default=None, description="only what was done then or before", examples=["2026-09-21T15:00:00Z"]
    )
    limit: PageLimit = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^aud_[0-9a-z]{1,40}$")] | None = Field(
        default=None, description=NEXT_CURSOR, examples=["aud_01m7yrqm47904bn5a9g1vxy29m"]
    )

    @model_validator(mode="after")
    def _fits_something(self) -> Self:
        check_times(self.since, self.until)
        return self
