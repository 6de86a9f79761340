"""A task at a simulated platform: the accepted submit or its refusal, the planned end, and the state at a given time.

The end of a task is drawn when it is created. Its phase is not stored but computed from the time of the request.
All times are unix seconds as floats; the platforms convert them to their own units.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from submitter.simulator.faults import LATE_RESULTS, QUERY_HITS

JsonObject = dict[str, Any]

NEVER = math.inf

ARCHIVING_SHARE = 0.1  # the last part of a task's duration, in which HiAPI stores the result


class Phase(StrEnum):
    """The phase of a task, in words of no platform; the records use them too."""

    NOT_STARTED = "not_started"
    QUEUED = "queued"
    RUNNING = "running"
    ARCHIVING = "archiving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self in {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELED}


def state_words(*, queued: str, running: str, succeeded: str, failed: str, **others: str) -> Mapping[Phase, str]:
    """Return a platform's word for each phase. `others` name NOT_STARTED, ARCHIVING and CANCELED.

    Without one, they are shown as QUEUED, RUNNING and FAILED.
    """
    words = {Phase.NOT_STARTED: queued, Phase.QUEUED: queued, Phase.RUNNING: running, Phase.ARCHIVING: running}
    words |= {Phase.SUCCEEDED: succeeded, Phase.FAILED: failed, Phase.CANCELED: failed}
    return words | {Phase(name): word for name, word in others.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The requested video."""

    seconds: int = 5
    #: `720P` or `1080P`, in capitals.
    resolution: str = "1080P"
    ratio: str = "16:9"

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height; the shorter side is the number of the resolution."""
        across, down = (int(part) for part in self.ratio.split(":"))
        short = int(self.resolution[:-1])
        return (short * across // down, short) if across >= down else (short, short * down // across)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed; an empty code stands for the platform's own usual code."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A submit that passed a platform's checks."""

    model: str
    prompt: str
    body: JsonObject
    clip: Clip
    callback_url: str | None = None
    #: Provider seconds after which the platform ends the task as expired; None: it lets it run.
    longest_s: float | None = None
    #: Which of the platform's endpoints took it, where its answers differ by that.
    kind: str = ""
    #: Why the task will fail, where the platform checks the input only when it works on it.
    fails_with: TaskError | None = None


class Reason(StrEnum):
    """Why a request is refused. Each platform has its own status, code and envelope for every reason."""

    INVALID = "invalid"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    NO_MODEL = "no_model"
    NOT_ASYNC = "not_async"
    BAD_KEY = "bad_key"
    DENIED = "denied"
    FORBIDDEN = "forbidden"
    NO_BALANCE = "no_balance"
    NO_TASK = "no_task"
    NO_ROUTE = "no_route"
    NOT_PENDING = "not_pending"
    NOT_ENDED = "not_ended"
    RATE = "rate"
    CONCURRENCY = "concurrency"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    KEY_IN_USE = "key_in_use"
    KEY_OF_OTHER_BODY = "key_of_other_body"


THROTTLINGS = frozenset({Reason.RATE, Reason.CONCURRENCY})


class Refusal(Exception):
    """A request that the platform refuses. `field` names the wrong field, in the platform's spelling."""

    def __init__(self, reason: Reason, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


#: The code of a task that its platform ended because it ran too long.
EXPIRED = "expired"

DEFAULT_ERROR = TaskError(code="", message="upstream rejected the picture")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAttempt:
    """One POST of a callback."""

    time_ms: int
    #: 1 to 4.
    number: int
    #: The state that the body reports.
    reported: str
    #: None when there was no answer; `error` then names the reason.
    status: int | None
    error: str | None

    @property
    def is_delivered(self) -> bool:
        """Whether the answer was 2xx."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True, kw_only=True)
class Task:
    """The mutable state of a task."""

    platform: str
    task_id: str
    draft: Draft
    raw: bytes
    headers: Mapping[str, str]
    origin: str
    faults: frozenset[str]
    created_s: float
    ends_s: float
    outcome: Phase
    error: TaskError = DEFAULT_ERROR
    status_queries: int = 0
    replays: int = 0
    #: Whether the platform has deleted its record.
    is_deleted: bool = False
    #: The body of the receipt, before a fault changes it.
    receipt: bytes = b""
    receipt_returned: bool = False
    callbacks: list[CallbackAttempt] = field(default_factory=list)
    #: Set when the end of the task was moved.
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set after the first callback attempt, or when there will be none.
    posted: asyncio.Event = field(default_factory=asyncio.Event)
    #: How often each query fault is still to hit.
    _hits: dict[str, int] = field(default_factory=dict)
    #: How many answers after a success have had no link.
    _without_result: int = 0

    def __post_init__(self) -> None:
        self._hits = {name: hits for name, hits in QUERY_HITS.items() if name in self.faults}

    def next_query_fault(self) -> str | None:
        """Return the fault that this status query meets, and count it."""
        for name, hits in self._hits.items():
            if hits:
                self._hits[name] = hits - 1
                return name
        return None

    def next_result_is_missing(self) -> bool:
        """Return whether this answer after a success has no link, and count it."""
        self._without_result += 1
        is_late = "result_late" in self.faults and self._without_result <= LATE_RESULTS
        return is_late or "result_missing" in self.faults

    def end(self, outcome: Phase, now_s: float, error: TaskError = DEFAULT_ERROR) -> None:
        """End the task now. Raise TaskEndedError when it is already terminal."""
        if self.ends_s <= now_s:
            raise TaskEndedError(self.task_id)
        self.outcome, self.ends_s, self.error = outcome, now_s, error
        self.changed.set()


class TaskEndedError(ValueError):
    """A task cannot be ended because it is already terminal."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id} has already ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A task as one answer shows it."""

    task: Task
    #: Differs from the task's own id only where a fault shows another task.
    task_id: str
    phase: Phase
    percent: int
    now_s: float
    expires_s: float
    video_url: str
    #: A state that no document knows, in place of the phase's.
    undocumented_state: str | None = None

    def state(self, words: Mapping[Phase, str]) -> str:
        """Return the platform's word for the phase."""
        return self.undocumented_state or words[self.phase]

    @property
    def final_s(self) -> float | None:
        """When the task ended, None while it runs. A task that a fault shows as ended has ended now."""
        return min(self.task.ends_s, self.now_s) if self.phase.is_terminal else None


def phase_at(task: Task, now_s: float, *, queued_share: float, not_started_s: float = 0.0) -> Phase:
    """Return the phase of a task at `now_s`. It is not started for `not_started_s`, then queued for a share."""
    if now_s >= task.ends_s:
        return task.outcome
    if now_s < task.created_s + not_started_s:
        return Phase.NOT_STARTED
    share = share_done(task, now_s)
    if share < queued_share:
        return Phase.QUEUED
    archives = share >= 1 - ARCHIVING_SHARE and task.outcome is Phase.SUCCEEDED
    return Phase.ARCHIVING if archives else Phase.RUNNING


def share_done(task: Task, now_s: float) -> float:
    """Return the share of the duration that has passed, 0 to 1. A task that never ends stays at one half."""
    if math.isinf(task.ends_s):
        return 0.5
    return min(1.0, (now_s - task.created_s) / max(task.ends_s - task.created_s, 1e-9))
