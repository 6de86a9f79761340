"""The bodies that the HTTP API answers with, as models. Pure.

The server makes its answers and the bodies of events from them, `/openapi.json` describes them, and the client reads
them. They take the service's own values as they are: `Task.model_validate(task)` reads the attributes of `task`, where
a time `x_at` of the API is `x_ms`. A member that this version does not know is ignored, because a later one may add it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from submitter.model import ENDED, TaskState
from submitter.timestamps import rfc3339

#: Types of the events that are about a task.
TaskEventType = Literal[
    "task.succeeded", "task.failed", "task.canceled", "task.expired", "task.refused", "task.overdue", "task.uncertain"
]

#: Only for those who name it: not an end, and the end follows.
TASK_UNCERTAIN: TaskEventType = "task.uncertain"

#: What a subscription and a stream without types receive.
TASK_TYPES: tuple[TaskEventType, ...] = tuple(each for each in get_args(TaskEventType) if each != TASK_UNCERTAIN)

SUBSCRIPTION_DISABLED = "subscription.disabled"

#: Types of the events that are about a provider.
ProviderEventType = Literal["provider.paused", "provider.denied", "callbacks.missed"]

PROVIDER_TYPES: tuple[ProviderEventType, ...] = get_args(ProviderEventType)

#: Types of the events that are about no task; only for those who name them.
OPERATOR_TYPES = (SUBSCRIPTION_DISABLED, *PROVIDER_TYPES)

EVENT_TYPES = (*TASK_TYPES, TASK_UNCERTAIN, *OPERATOR_TYPES)


def _value_name(field: str) -> str | AliasChoices:
    """The name of a time in the service's own values, before the API's own name for it."""
    if field == "at" or field.endswith("_at"):
        return AliasChoices(f"{field.removesuffix('_at')}_ms", field)
    return field


class ApiModel(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,  # most programs use a few of the models
        from_attributes=True,
        populate_by_name=True,
        alias_generator=AliasGenerator(validation_alias=_value_name),
    )

    def json_values(self) -> dict[str, Any]:
        """The body as JSON values, its members named as the API names them."""
        return self.model_dump(mode="json", by_alias=True)


def _time_text(value: object) -> object:
    return rfc3339(value) if isinstance(value, int) else value


Time = Annotated[
    str,
    BeforeValidator(_time_text),
    Field(description="RFC 3339, UTC, with milliseconds", json_schema_extra={"format": "date-time"}),
]

EventType = Annotated[
    str, Field(description=f"One of {', '.join(EVENT_TYPES)}. A later version may add types.", examples=[TASK_TYPES[0]])
]

#: The provider's id of a task, which the API names `task_id`.
_PROVIDER_TASK_ID = Field(
    validation_alias=AliasChoices("provider_task_id", "task_id"),
    serialization_alias="task_id",
    description="The provider's id of the task; null until it is known.",
)

# Tasks.


class Output(ApiModel):
    """One file that the provider made. `needs_key`: its host wants the key of the provider's account."""

    type: str
    url: str
    expires_at: Time | None = Field(validation_alias=AliasChoices("expires_at_ms", "expires_at"))
    needs_key: bool


class ErrorDetail(ApiModel):
    """The provider's code and message, or ours with a code in lower case."""

    code: str
    message: str


class Task(ApiModel):
    """One unit of paid work. `id` is ours, `task_id` the provider's."""

    id: str
    provider: str
    provider_task_id: str | None = _PROVIDER_TASK_ID
    model: str | None
    state: TaskState
    raw_state: str
    progress: int | None
    labels: Mapping[str, str]
    created_at: Time
    submitted_at: Time | None
    final_at: Time | None
    deadline_at: Time | None
    outputs: tuple[Output, ...]
    error: ErrorDetail | None
    supersedes: str | None
    callback_expected: bool
    polls: int

    @property
    def is_ended(self) -> bool:
        """Whether the state is the last one, as far as the provider is concerned: terminal, or refused."""
        return self.state in ENDED

    @property
    def notify_secret(self) -> str | None:
        """The secret of the task's own webhooks, in the answer to a submit and nowhere else."""
        return None


class TaskWithRequest(Task):
    """`request` is what the caller asked for: `video` or `raw`, `labels`, `notify` and `deadline_s`.

    It holds no secret, and pictures that were sent in it are cut. It is null for a task that was submitted elsewhere.
    """

    request: Annotated[Mapping[str, Any] | None, BeforeValidator(lambda value: value or None)] = None


class QueuePlace(ApiModel):
    """Where a queued task stands: `position` 1 is sent next, `depth` counts the queued tasks of the account.

    At `until_at` the task is refused if it still waits. Until `held_until_at` no task of the account is sent, because
    of `held_reason`; null: they are sent as there is room.
    """

    position: int
    depth: int
    priority: int
    oldest_at: Time
    until_at: Time | None
    held_until_at: Time | None
    held_reason: str | None


class TaskDetail(TaskWithRequest):
    """`queue` is null unless the task is queued.

    `notify_url` is where its own webhooks are posted. `next_poll_at` null: it is not polled. `overdue_at`: since when
    its deadline has passed.
    """

    queue: QueuePlace | None = None
    notify_url: str | None = None
    idempotency_key: str | None = None
    next_poll_at: Time | None = None
    overdue_at: Time | None = None


class NotifySecret(ApiModel):
    """The secret that was made for the task's own webhooks."""

    secret: str


class SubmittedTask(Task):
    """`notify` is there where its secret is not the one that the caller gave."""

    notify: NotifySecret | None = Field(default=None, repr=False)

    @property
    def notify_secret(self) -> str | None:
        return None if self.notify is None else self.notify.secret


class TasksPage(ApiModel):
    """`next_cursor` null: this is the last page."""

    tasks: tuple[Task, ...]
    next_cursor: str | None


class TimelineEntry(ApiModel):
    """One thing that happened to a task. What `detail` holds depends on `kind`."""

    at: Time
    kind: Literal["observation", "event", "delivery", "attempt", "audit"]
    summary: str
    detail: Mapping[str, Any]


class Timeline(ApiModel):
    """Everything that happened to a task, in order. `task` is our id.

    `left_out` counts, by verdict, further reports of the same kind that are not in the timeline.
    """

    task: str
    timeline: tuple[TimelineEntry, ...]
    left_out: Mapping[str, int]


class ReconcileItem(ApiModel):
    """One task of a reconcile. `plan` is what a poll does, `finding` what it came to, `after` the state that follows.

    `finding` and `after` are null when the provider was not polled; `skipped` then says why.
    """

    task: str = Field(validation_alias=AliasChoices("task", "task_id"))
    provider: str
    provider_task_id: str | None = _PROVIDER_TASK_ID
    state: TaskState
    plan: str
    finding: str | None
    after: TaskState | None
    skipped: str | None


class ReconcileSummary(ApiModel):
    """`changed` counts tasks whose state changed, or would have in a dry run."""

    asked: int
    changed: int
    skipped: int
    tasks: tuple[ReconcileItem, ...]


# Events.


class Event(ApiModel):
    """An event about a task, and the task as it was then.

    `seq` is the cursor. `event_id` is the same in every delivery of the event. `supersedes` names the event that this
    one replaces.
    """

    seq: int
    event_id: str
    type: EventType
    timestamp: Time
    task: Task
    supersedes: str | None


class DisabledSubscription(ApiModel):
    """The subscription that an event is about. `url` is its address without the query."""

    id: str
    url: str
    reason: str
    disabled_at: Time


class SubscriptionDisabled(ApiModel):
    """The event that webhooks to an address have stopped."""

    seq: int
    event_id: str
    type: Literal["subscription.disabled"]
    timestamp: Time
    task: None
    supersedes: str | None
    about: DisabledSubscription = Field(alias="subscription")

    @property
    def subscription(self) -> str:
        """The id of the subscription."""
        return self.about.id

    @property
    def url(self) -> str:
        return self.about.url

    @property
    def reason(self) -> str:
        return self.about.reason

    @property
    def disabled_at(self) -> str:
        return self.about.disabled_at


class ProviderNotice(ApiModel):
    """The provider that an event is about, and what is wrong with it."""

    name: str
    #: What is held back, denied or missing.
    requests: Literal["polls", "submits", "callbacks"]
    reason: str
    #: When a pause ends; null where there is none.
    until: Time | None


class ProviderEvent(ApiModel):
    """The event that a provider holds back our requests, denies our key, or does not call back."""

    seq: int
    event_id: str
    type: ProviderEventType
    timestamp: Time
    task: None
    supersedes: str | None
    provider: ProviderNotice


def _subject(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if kind in PROVIDER_TYPES:
        return "provider"
    return "subscription" if kind == SUBSCRIPTION_DISABLED else "task"


AnyEvent = Annotated[
    Annotated[Event, Tag("task")]
    | Annotated[SubscriptionDisabled, Tag("subscription")]
    | Annotated[ProviderEvent, Tag("provider")],
    Discriminator(_subject),
]


class EventsPage(ApiModel):
    """A page may be empty. `has_more`: read on at once, from `next_after`. `newest` is the number of the last event."""

    events: tuple[AnyEvent, ...]
    next_after: int
    has_more: bool
    newest: int


class OtherMessage(ApiModel):
    """A webhook that is no event: `webhook.test`, or a type that only a later version knows."""

    type: str
    timestamp: str
    data: dict[str, Any]


Message = Event | SubscriptionDisabled | ProviderEvent | OtherMessage


class ResetNotice(ApiModel):
    """What a stream says when events after the cursor are no longer stored; it goes on from `oldest_after`."""

    oldest_after: int


# The service itself.


class FieldError(ApiModel):
    """One broken rule. `field` is a dotted path as the caller wrote it, `accepted` says what would pass."""

    field: str
    rule: str
    accepted: str


class ProviderError(ApiModel):
    """The code and message with which a provider refused."""

    name: str
    code: str
    message: str


class Problem(ApiModel):
    """RFC 9457. `provider` holds what the provider said when it refused, `task` the id of a task that stays readable.

    `oldest_after` is there when a cursor has expired: the stored events come after it.
    """

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: tuple[FieldError, ...] = ()
    provider: ProviderError | None = None
    task: str | None = None
    oldest_after: int | None = None
    request_id: str

    def json_values(self) -> dict[str, Any]:
        """Without members that have their default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
