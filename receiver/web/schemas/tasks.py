"""Request bodies and query parameters about tasks, events and deliveries. The answers are in `submitter.api`."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from receiver.events.model.event import EventType
from receiver.runtime.example import PROVIDER
from receiver.tasks.model.request import HIGHEST_PRIORITY, LONGEST_DEADLINE_S, LONGEST_QUEUE_S, TaskRequest
from receiver.webhooks.model.endpoint import LABELS_CAP
from submitter.request import CheckedRequest, NotifyRequest, RawRequest, VideoRequest, at_most

LAST_SEQ = 2**63 - 1  # the largest number that the ledger can hold

LONGEST_AGE_S = 10 * 366 * 86_400  # older than any ledger

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


#: The service checks the names and values, of which it allows fewer.
Labels = Annotated[dict[str, str], at_most(LABELS_CAP)]


class RequestBody(CheckedRequest):
    """Base of the request bodies."""


class NoBody(RequestBody):
    """The request has none."""


class SubmitRequest(RequestBody):
    """Exactly one of `video` and `raw`."""

    provider: Name
    video: VideoRequest | None = None
    raw: RawRequest | None = None
    labels: Labels = Field(default_factory=dict)
    notify: NotifyRequest | None = None
    deadline_s: int | None = Field(
        default=None, ge=1, le=LONGEST_DEADLINE_S, description="seconds from when it is sent until it is overdue"
    )
    priority: int = Field(
        default=0,
        ge=0,
        le=HIGHEST_PRIORITY,
        description="of two queued tasks the one with the higher number is sent first",
    )
    queue_for_s: int | None = Field(
        default=None,
        ge=0,
        le=LONGEST_QUEUE_S,
        description="seconds for which it may wait for room at its account; 0: without room it is refused at once",
    )

    def task_request(self, idempotency_key: str | None, *, key_scope: str) -> TaskRequest:
        """Return what the submission takes; the key comes in a header, and belongs to the caller in `key_scope`."""
        values = {name: getattr(self, name) for name in SubmitRequest.model_fields}
        notify: NotifyRequest | None = values.pop("notify")
        return TaskRequest(
            **values,
            notify_url=None if notify is None else notify.url,
            notify_secret=None if notify is None else notify.secret,
            idempotency_key=idempotency_key,
            key_scope=key_scope,
        )


class ReconcileTaskRequest(RequestBody):
    """`dry_run` changes nothing; with `ask` it polls the provider all the same, to report what would change."""

    dry_run: bool = False
    ask: bool = False


class ReconcileRequest(ReconcileTaskRequest):
    """Conditions joined by "and". `task_id` is ours or the provider's."""

    provider: Name | None = None
    older_than_s: float | None = Field(default=None, ge=0, le=LONGEST_AGE_S)
    task_id: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | None = None


SETTLE_WAYS = ("task_id", "refused", "succeeded", "failed", "canceled")


class SettleRequest(RequestBody):
    """Exactly one of `task_id`, `refused`, `succeeded`, `failed` and `canceled`.

    `task_id`: the submit created this task of the provider; the provider is asked first, unless `force` is true.
    `refused`: it created none. The others end an unfinished task: with the URLs of its files, or with a reason.
    """

    task_id: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    refused: Literal[True] | None = None
    succeeded: Annotated[list[Annotated[str, StringConstraints(max_length=8192)]], Field(max_length=100)] | None = None
    failed: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None
    canceled: Literal[True] | None = None
    force: bool = False

    @property
    def ways(self) -> list[str]:
        """Those that are given."""
        return [name for name in SETTLE_WAYS if getattr(self, name) is not None]


class IdentifyRequest(RequestBody):
    task_id: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


# Queries. Their values arrive as text.

_DIGITS = re.compile(r"[0-9]{1,19}")


def _whole_number(text: object) -> object:
    """Python's own reading would take signs, blanks, underscores and the digits of every script."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise PydanticCustomError("whole_number", "is not a whole number in digits")
    return int(text) if isinstance(text, str) else text


#: Stands after the bounds: pydantic describes them as `minimum` and `maximum` only on the number itself.
DIGITS = BeforeValidator(_whole_number)

#: A parameter that is given without a value.
EMPTY_IS_NONE = BeforeValidator(lambda text: text or None)

Seq = Annotated[int, Field(ge=0, le=LAST_SEQ), DIGITS]

PageLimit = Annotated[int, Field(ge=1, le=200, description="items in one page at most", examples=[50]), DIGITS]

NEXT_CURSOR = "the `next_cursor` of the page before"

SubscriptionId = Annotated[str, StringConstraints(pattern=r"^sub_[0-9a-z]{1,40}$")]

Label = Annotated[str, StringConstraints(pattern=r"^[^=]{1,64}=[\s\S]{0,256}$")]


class Query(BaseModel):
    """Base of the query parameters: no unknown name."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class NoQuery(Query):
    """The request takes none."""


class AnyQuery(BaseModel):
    """Whatever it says, the answer is the same."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class TaskQuery(Query):
    """`wait` without a number is given and None."""

    wait: Annotated[Annotated[int, Field(ge=0), DIGITS] | None, EMPTY_IS_NONE] = Field(
        default=None, description="seconds to wait for the end of the task; without a number 45", examples=[30]
    )


class EventConditions(Query):
    """Conditions joined by "and", the values of one by "or"; of labels, each must be there."""

    type: tuple[EventType, ...] = Field(
        default=(), description="only these types; may be repeated", examples=[["task.succeeded"]]
    )
    provider: tuple[Name, ...] = Field(
        default=(), description="only of these providers; may be repeated", examples=[[PROVIDER]]
    )
    model: tuple[Name, ...] = Field(
        default=(), description="only of these models; may be repeated", examples=[["happyhorse-1.1/text-to-video"]]
    )
    label: tuple[Label, ...] = Field(
        default=(), description="only with this label, as name=value; may be repeated", examples=[["film=1"]]
    )


class StreamQuery(EventConditions):
    after: Seq | None = Field(
        default=None, description="the last seq that you have; without it, from now on", examples=[17]
    )
    lastEventId: Annotated[Seq | None, EMPTY_IS_NONE] = Field(  # noqa: N815 - as polyfills of EventSource name it
        default=None, description="the header `Last-Event-ID` as a parameter; wins over `after`", examples=[17]
    )
    token: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="a token of `POST /v1/stream-tokens`, in place of a key; its conditions count beside these",
        examples=["eyJrZXkiOiJvcHMi…"],
    )


class EventsQuery(EventConditions):
    after: Seq | None = Field(
        default=None, description="the last seq that you have; without it, from the oldest stored event", examples=[17]
    )
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = Field(
        default=100, description="events at most; a page may hold fewer and not be the last", examples=[100]
    )
