"""What the whole project says about a task. Pure values; times are unix milliseconds.

Here stand the names of states and outcomes, and the values that an adapter makes of a provider's answer. What a state
may become is decided in `receiver.tasks.model.lifecycle`; there is no HTTP here.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from submitter.values import value

#: Our id of a task: `tsk_` and 26 characters that sort by time.
TaskId = NewType("TaskId", str)

#: The provider's id of a task. Only unique together with the provider's name, see `TaskKey`.
ProviderTaskId = NewType("ProviderTaskId", str)


class TaskState(StrEnum):
    """The life of a task; `REPORTED_FINAL` are ends that a provider states, `EXPIRED` is our inference.

    `QUEUED` is ours alone: the provider has not heard of the task yet.
    """

    QUEUED = "queued"
    SUBMITTING = "submitting"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


#: Ends that a provider states.
REPORTED_FINAL = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELED})

#: Those, and the end that we infer.
TERMINAL = REPORTED_FINAL | {TaskState.EXPIRED}

#: States that need no more work from us: terminal ones and a submit that created nothing.
ENDED = TERMINAL | {TaskState.REFUSED}

#: States in which nobody knows yet whether the provider created the task.
UNRESOLVED = frozenset({TaskState.SUBMITTING, TaskState.UNCERTAIN})


class Source(StrEnum):
    """Where an observation comes from."""

    SUBMIT = "submit"
    CALLBACK = "callback"
    POLL = "poll"
    OPERATOR = "operator"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TaskKey:
    """Identifies a task at its provider. `provider` is the configured name, not the adapter's."""

    provider: str
    provider_task_id: ProviderTaskId


@value
class Output:
    """One file that the provider made.

    `type` is open-ended (video, image, audio, first_frame, …). `needs_key`: the provider's host asks for the
    account's key, which must be sent to no other host. `expires_at_ms` is None where the provider states no end.
    """

    url: str
    type: str = "video"
    expires_at_ms: int | None = None
    needs_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """The provider's own code and words, or ours with a code in lower case."""

    code: str
    message: str


@value
class Observation:
    """One statement about a task's state."""

    #: The id is empty only where an operator ends a task that the provider has not named.
    key: TaskKey
    #: SUBMITTED (the provider has it waiting), RUNNING, a reported end, or EXPIRED with source CLOCK.
    state: TaskState
    source: Source
    #: The provider's own word for the state.
    raw_state: str
    #: False for a word that no document of the provider names; `state` is then RUNNING.
    is_documented_state: bool = True
    #: 0 to 100.
    progress: int | None = None
    outputs: tuple[Output, ...] = ()
    error: TaskError | None = None
    #: Needed only when the task was submitted elsewhere and is adopted.
    model: str | None = None
    completed_at_ms: int | None = None
    #: A callback that names an end without its result, so the provider has to be polled; or a poll that found a success
    #: without its result.
    without_result: bool = False
    #: A callback that the provider signed, and the signature is right.
    signature_verified: bool = False
    #: The message as received.
    raw: bytes = b""


# What a submit can come to.


class Refusal(StrEnum):
    """Why a provider surely created nothing; decides what helps: a correction, an operator, or waiting."""

    INVALID = "invalid"  # the request is wrong: correct it, do not repeat it
    DENIED = "denied"  # our key or our rights: an operator must act
    QUOTA = "quota"  # no money left: an operator must act
    THROTTLED = "throttled"  # too fast or too many at once: waiting helps
    UNAVAILABLE = "unavailable"  # documented as refused before processing, or never reached: waiting helps


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The provider's answer to a submit that names the task."""

    provider_task_id: ProviderTaskId
    state: TaskState = TaskState.SUBMITTED
    raw_state: str = ""
    #: The provider says that it answers an earlier POST with the same idempotency key.
    replayed: bool = False
    #: An earlier POST was accepted without a readable id, and this answer does not say that it is of the same task: two
    #: tasks may have been created and paid.
    may_be_second: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Surely nothing was created."""

    refusal: Refusal
    error: TaskError
    #: HTTP status of the answer; None where no POST reached the provider, or the answer to it is no longer stored.
    status: int | None = None
    retry_after_s: float | None = None
    #: The reply as received, capped. Evidence for a person, so two outcomes are equal without it.
    raw: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """The task may exist and may have been paid."""

    reason: str
    #: The provider says that an earlier POST with the same idempotency key is still being processed.
    retry_after_s: float | None = None
    #: An id that the reply names, but not so that it counts as a receipt; a person may settle the task with it.
    provider_task_id: ProviderTaskId | None = None
    #: The provider accepted the POST (2xx) and only the reply cannot be read, so a repeat hardly helps.
    was_accepted: bool = False
    #: The reply as received, capped. Evidence for a person, so two outcomes are equal without it.
    raw: bytes = field(default=b"", repr=False, compare=False)


SubmitOutcome = Receipt | Refused | Uncertain

# What a poll can come to, beside an Observation.


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The provider does not know the id (now). Never a failure of the task."""

    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Too many requests. `retry_after_s` is None where the provider gives no time."""

    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """401 or 403: the key is wrong, or it lacks the right.

    A 401 is about the account, so it speaks for all tasks. A 403 to a poll may be about that one task only.
    """

    status: int
    message: str
    #: The reply as received, capped.
    raw: bytes = field(default=b"", repr=False)

    @property
    def is_about_account(self) -> bool:
        return self.status != 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """No usable answer: 5xx, HTML, cut JSON, another task's id. It says nothing about the task."""

    reason: str
    retry_after_s: float | None = None
    #: The reply as received, capped.
    raw: bytes = field(default=b"", repr=False)


StatusOutcome = Observation | NotFound | Throttled | Denied | Unavailable

# What a cancellation request can come to.


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAccepted:
    """The provider accepted the cancellation request; only a later status shows whether the task was canceled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused:
    """The provider cancels no task in this state."""

    error: TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class CanceledAtOnce:
    """The provider has canceled the task and does not know it any more, so no later status shows the end."""

    #: The provider's own words.
    message: str


CancelOutcome = CancelAccepted | CanceledAtOnce | CancelRefused | NotFound | Throttled | Denied | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTask:
    """One row of a provider's task list: enough for a person to find a lost submit, not enough to end a task."""

    provider_task_id: ProviderTaskId
    raw_state: str
    model: str | None = None
    created_at_ms: int | None = None
    #: None where neither the list nor the query of one task has it.
    prompt: str | None = None
    #: Our own id of the task, empty where it is not of ours; None where the provider has no place for one.
    own_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of a provider's task list, the newest tasks first."""

    rows: tuple[ListedTask, ...]
    #: Whether the provider says that older tasks are on further pages.
    has_more: bool
    #: Until when the same query, for its first page again, brings them; None where pages have numbers.
    older_than_ms: int | None = None
