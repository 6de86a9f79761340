"""Between what crosses the API and what the service works with; the command line speaks the same shapes."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from receiver.events.model.event import EventType
from receiver.reconcile.model.report import ReconcileItem, ReconcileSummary
from receiver.tasks.model.request import LONGEST_DEADLINE_S, TaskRequest
from receiver.tasks.model.task import Verdict
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import TaskState
from submitter.request import RawRequest, VideoRequest

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Read(BaseModel):
    """What callers send: nothing unknown, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NotifyOrder(Read):
    """Where the task's events are posted. Without a secret one is made and shown once, in the answer."""

    url: str
    secret: str | None = None


class TaskOrder(Read):
    """Exactly one of `video` and `raw`."""

    provider: Name
    video: VideoRequest | None = None
    raw: RawRequest | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    notify: NotifyOrder | None = None
    deadline_s: int | None = Field(default=None, ge=1, le=LONGEST_DEADLINE_S)


def order_of(body: TaskOrder, key: str | None) -> TaskRequest:
    """`key` is the idempotency key, which the API takes as a header."""
    return TaskRequest(
        provider=body.provider,
        video=body.video,
        raw=body.raw,
        labels=body.labels,
        notify_url=body.notify.url if body.notify else None,
        notify_secret=body.notify.secret if body.notify else None,
        deadline_s=body.deadline_s,
        idempotency_key=key,
    )


def report_view(report: ReconcileSummary) -> dict[str, Any]:
    return {
        "asked": report.asked,
        "changed": report.changed,
        "skipped": report.skipped,
        "tasks": [_line_view(line) for line in report.tasks],
    }


def _line_view(line: ReconcileItem) -> dict[str, Any]:
    return {
        "task": line.task_id,
        "provider": line.provider,
        "task_id": line.provider_task_id,
        "state": line.state.value,
        "plan": line.plan.value,
        "finding": None if line.finding is None else line.finding.value,
        "after": None if line.after is None else line.after.value,
        "skipped": line.skipped,
    }


LAST_SEQ = 2**63 - 1  # the largest number that the ledger can hold

LONGEST_AGE_S = 10 * 366 * 86_400  # older than any ledger

Time = Annotated[str, Field(description="RFC 3339, UTC, with milliseconds", json_schema_extra={"format": "date-time"})]


class Written(BaseModel):
    """What we answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Bodies.


class NoBody(Read):
    """The request has none."""


class ReconcileTaskOrder(Read):
    """`dry_run` changes nothing; with `ask` the provider is asked all the same, to say what would change."""

    dry_run: bool = False
    ask: bool = False


class ReconcileOrder(ReconcileTaskOrder):
    """Conditions joined by "and". `task_id` is ours or the provider's."""

    provider: Name | None = None
    older_than_s: float | None = Field(default=None, ge=0, le=LONGEST_AGE_S)
    task_id: Name | None = None


class SettleOrder(Read):
    """Exactly one: the provider's id of the task that the submit made, or that it made none."""

    task_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")] | None = None
    refused: Literal[True] | None = None


# Queries. Values arrive as text.

_DIGITS = re.compile(r"[0-9]{1,19}")


def _whole(text: object) -> object:
    """Python's own reading would take signs, blanks, underscores and the digits of every script."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise PydanticCustomError("whole_number", "is not a whole number in digits")
    return int(text) if isinstance(text, str) else text


Whole = Annotated[int, BeforeValidator(_whole)]

Label = Annotated[str, StringConstraints(pattern=r"^[^=]{1,64}=[\s\S]{0,256}$")]


class Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoQuery(Query):
    """The request takes none."""


class TaskQuery(Query):
    wait: Whole | None = Field(default=None, ge=0, description="seconds to wait for the task's end")


class TasksQuery(Query):
    state: TaskState | None = None
    provider: Name | None = None
    label: Label | None = Field(default=None, description="name=value")
    older_than_s: Whole | None = Field(default=None, ge=0, le=LONGEST_AGE_S)
    limit: Whole = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, StringConstraints(pattern=r"^tsk_[0-9a-z]{1,40}$")] | None = None


class StreamQuery(Query):
    """Conditions joined by "and", the values of one by "or", but every label must be there."""

    after: Whole | None = Field(
        default=None, ge=0, le=LAST_SEQ, description="the last seq that was seen; none means from now on"
    )
    type: tuple[EventType, ...] = Field(default=(), description="may be repeated; none means all")
    provider: tuple[Name, ...] = Field(default=(), description="may be repeated; none means all")
    model: tuple[Name, ...] = Field(default=(), description="may be repeated; none means all")
    label: tuple[Label, ...] = Field(default=(), description="name=value; may be repeated, each must be there")


class EventsQuery(StreamQuery):
    after: Whole | None = Field(
        default=None, ge=0, le=LAST_SEQ, description="the last seq that was seen; none means from the oldest kept"
    )
    limit: Whole = Field(default=100, ge=1, le=1000, description="events at most; a page may hold fewer")


class DeliveriesQuery(Query):
    state: DeliveryState | None = None
    subscription: Annotated[str, StringConstraints(pattern=r"^sub_[0-9a-z]{1,40}$")] | None = None
    limit: Whole = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, StringConstraints(pattern=r"^dlv_[0-9a-z]{1,40}$")] | None = None


# Answers.


class OutputShape(Written):
    type: str
    url: str
    expires_at: Time | None
    needs_key: bool


class ErrorShape(Written):
    code: str
    message: str


class TaskShape(Written):
    id: str
    provider: str
    task_id: str | None
    model: str | None
    state: TaskState
    raw_state: str
    progress: int | None
    labels: dict[str, str]
    created_at: Time
    submitted_at: Time | None
    final_at: Time | None
    deadline_at: Time | None
    outputs: tuple[OutputShape, ...]
    error: ErrorShape | None
    supersedes: str | None
    callback_expected: bool
    polls: int


class MadeSecret(Written):
    secret: str


class SubmittedShape(TaskShape):
    """`notify` is there once, when its secret was made for this submit."""

    notify: MadeSecret | None = None


class TasksPage(Written):
    tasks: tuple[TaskShape, ...]
    next_cursor: str | None


class NoteShape(Written):
    at: Time
    kind: Literal["observation", "event", "delivery", "attempt", "audit"]
    summary: str
    detail: dict[str, Any]


class Timeline(Written):
    task: str
    timeline: tuple[NoteShape, ...]


class HandLineShape(Written):
    """`finding` is what asking came to, `after` the state that it means; both null where nothing was asked."""

    task: str
    provider: str
    task_id: str | None
    state: TaskState
    plan: str
    finding: str | None
    after: TaskState | None
    skipped: str | None


class HandReportShape(Written):
    asked: int
    changed: int
    skipped: int
    tasks: tuple[HandLineShape, ...]


class DisabledShape(Written):
    """The subscription that an event is about; its address without the query."""

    id: str
    url: str
    reason: str
    disabled_at: Time


class EventShape(Written):
    seq: int
    event_id: str
    type: EventType
    timestamp: Time
    task: TaskShape | None
    supersedes: str | None
    subscription: DisabledShape | None = Field(default=None, description="only in subscription.disabled")


class EventsPage(Written):
    """`has_more`: ask on at once, from `next_after`. A page may be empty and have more all the same."""

    events: tuple[EventShape, ...]
    next_after: int
    has_more: bool


class DeliveryShape(Written):
    id: str
    event_seq: int
    event_id: str
    event_type: EventType
    task: str | None
    subscription: str | None
    endpoint: str
    state: DeliveryState
    attempts: int
    due_at: Time | None
    created_at: Time
    finished_at: Time | None
    last_status: int | None
    last_error: str | None


class DeliveriesPage(Written):
    deliveries: tuple[DeliveryShape, ...]
    next_cursor: str | None


class CallbackVerdict(Written):
    verdict: Verdict


class Alive(Written):
    status: Literal["alive"]


class AccountShape(Written):
    provider: str
    paused_until: Time | None
    paused_reason: str | None
    alarm: str | None


class Ready(Written):
    status: Literal["ready"]
    accounts: tuple[AccountShape, ...]


class FieldError(Written):
    field: str
    rule: str
    accepted: str


class ProviderWords(Written):
    name: str
    code: str
    message: str


class ProblemShape(Written):
    """RFC 9457. `provider` holds the provider's own words when it refused, `task` the id of what stays readable."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: tuple[FieldError, ...] = ()
    provider: ProviderWords | None = None
    task: str | None = None
    oldest_after: int | None = None
    request_id: str
