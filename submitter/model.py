"""What the whole project says about a task. Pure values; times are unix milliseconds.

Here: names of states and outcomes, and the values that adapters make of a provider's words.
Never here: a decision about what a state may become (`receiver.lifecycle`), or any HTTP.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

#: Our id of a task: `tsk_` and 26 characters that sort by time.
TaskId = NewType("TaskId", str)

#: The provider's id of a task. Only unique together with the provider's name, see `TaskKey`.
ProviderTaskId = NewType("ProviderTaskId", str)


class TaskState(StrEnum):
    """The life of a task; `REPORTED_FINAL` are ends that a provider states, `EXPIRED` is our inference."""

    SUBMITTING = "submitting"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


REPORTED_FINAL = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELED})

TERMINAL = REPORTED_FINAL | {TaskState.EXPIRED}

#: States that need no more work from us: terminal ones and a submit that created nothing.
ENDED = TERMINAL | {TaskState.REFUSED}


class Source(StrEnum):
    """Who brought an observation."""

    SUBMIT = "submit"
    CALLBACK = "callback"
    POLL = "poll"
    LIST = "list"
    OPERATOR = "operator"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TaskKey:
    """The provider's own name for a task. `provider` is the configured name, not the adapter's."""

    provider: str
    provider_task_id: ProviderTaskId


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One statement about a task's state, whoever brought it.

    `state` is SUBMITTED (the provider has it waiting), RUNNING, a reported end, or EXPIRED with source CLOCK.
    `raw_state` is the provider's own word. `known_word` is False for a word that is in no document: the state is then
    RUNNING. `progress` is 0-100. `thin`: the message names an end without its result, so the provider must be asked.
    `model` helps to adopt a task submitted elsewhere. `raw` is the message as received.
    """

    key: TaskKey
    state: TaskState
    source: Source
    raw_state: str
    known_word: bool = True
    progress: int | None = None
    outputs: tuple[Output, ...] = ()
    error: TaskError | None = None
    model: str | None = None
    completed_at_ms: int | None = None
    thin: bool = False
    raw: bytes = b""

    @property
    def is_final(self) -> bool:
        return self.state in TERMINAL


# What a submit can come to.


class Refusal(StrEnum):
    """Why a provider surely created nothing; decides who can cure it and whether waiting helps."""

    INVALID = "invalid"  # the request is wrong: cure it, do not repeat it
    DENIED = "denied"  # our key or our rights: an operator must act
    QUOTA = "quota"  # no money left: an operator must act
    THROTTLED = "throttled"  # too fast or too many at once: waiting helps
    UNAVAILABLE = "unavailable"  # documented as refused before processing, or never reached: waiting helps


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The provider's answer that names the task."""

    provider_task_id: ProviderTaskId
    state: TaskState = TaskState.SUBMITTED
    raw_state: str = ""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Surely nothing was created."""

    refusal: Refusal
    error: TaskError
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """The task may exist and may have been paid. `retry_after_s`: the provider says the same key is still at work."""

    reason: str
    retry_after_s: float | None = None


SubmitOutcome = Receipt | Refused | Uncertain

# What asking for a status can come to, beside an Observation.


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The provider does not know the id (now). Never a failure of the task."""

    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Asked too fast. `retry_after_s` is None where the provider gives no time."""

    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """401 or 403: the key is wrong or lacks the right."""

    status: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """No usable statement this time: 5xx, HTML, cut JSON, another task's id. Says nothing about the task."""

    reason: str
    retry_after_s: float | None = None


StatusOutcome = Observation | NotFound | Throttled | Denied | Unavailable

# What a wish to cancel can come to.


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAccepted:
    """The provider took the wish; only a later status says whether it won the race with the scheduler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused:
    """The provider cancels no task in this state."""

    error: TaskError


CancelOutcome = CancelAccepted | CancelRefused | NotFound | Throttled | Denied | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTask:
    """One row of a provider's task list: enough to find a lost submit by eye, never enough to end a task."""

    provider_task_id: ProviderTaskId
    raw_state: str
    model: str | None = None
    created_at_ms: int | None = None
