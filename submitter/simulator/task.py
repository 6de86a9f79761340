"""A task at a simulated platform: what was asked, how it will end, and how it looks at a given moment.

Time alone moves a task: it is created with its end already drawn, and its phase is computed whenever someone looks.
All times are unix seconds as real numbers; platforms turn them into their own units.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from submitter.simulator.faults import QUERY_HITS

JsonObject = dict[str, Any]

NEVER = math.inf

ARCHIVING_SHARE = 0.1  # last part of a run, in which HiAPI stores the result


class Phase(StrEnum):
    """Where a task is, in our own words; the names are also those of the books."""

    NOT_STARTED = "not_started"
    QUEUED = "queued"
    RUNNING = "running"
    ARCHIVING = "archiving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The film to make: length in seconds, `720P` or `1080P` in capitals, ratio as `16:9`."""

    seconds: int = 5
    resolution: str = "1080P"
    ratio: str = "16:9"

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height; the shorter side is the resolution's number."""
        across, down = (int(part) for part in self.ratio.split(":"))
        short = int(self.resolution[:-1])
        return (short * across // down, short) if across >= down else (short, short * down // across)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A submit that passed a platform's checks."""

    model: str
    prompt: str
    body: JsonObject
    clip: Clip
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed; an empty code stands for the platform's own usual code."""

    code: str
    message: str


DEFAULT_ERROR = TaskError(code="", message="upstream rejected the picture")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAttempt:
    """One callback posted: `status` is None when no answer came, and `error` then says why."""

    time_ms: int
    number: int
    reported: str
    status: int | None
    error: str | None


@dataclass(slots=True, kw_only=True)
class Task:
    """The one mutable record of a task; `changed` wakes whoever waits for its end."""

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
    receipt_returned: bool = False
    callbacks: list[CallbackAttempt] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    posted: asyncio.Event = field(default_factory=asyncio.Event)
    _hits: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hits = {name: hits for name, hits in QUERY_HITS.items() if name in self.faults}

    def next_query_fault(self) -> str | None:
        """The fault that this status query meets, used up by asking."""
        for name, hits in self._hits.items():
            if hits:
                self._hits[name] = hits - 1
                return name
        return None

    def end(self, outcome: Phase, now_s: float, error: TaskError = DEFAULT_ERROR) -> None:
        """End now; raises when the task is already terminal."""
        if self.ends_s <= now_s:
            raise TaskEndedError(self.task_id)
        self.outcome, self.ends_s, self.error = outcome, now_s, error
        self.changed.set()


class TaskEndedError(ValueError):
    """Raised when a task that is already terminal is told to end."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id} has already ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A task as one answer shows it; `task_id` differs from the task's own only when the platform mixes them up."""

    task: Task
    task_id: str
    phase: Phase
    percent: int
    now_s: float
    expires_s: float
    video_url: str
    strange: str | None = None

    def state(self, words: Mapping[Phase, str]) -> str:
        """The platform's word for the phase."""
        return self.strange or words[self.phase]

    @property
    def final_s(self) -> float | None:
        """When it ended, None while it runs; a task wrongly shown as ended ended just now."""
        return min(self.task.ends_s, self.now_s) if self.phase.is_terminal else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a task's duration is divided: a share queued, and before that some seconds not started at all."""

    queued_share: float
    not_started_s: float = 0.0


def phase_at(task: Task, now_s: float, pace: Pace) -> Phase:
    """What a look at `now_s` finds."""
    if now_s >= task.ends_s:
        return task.outcome
    if now_s < task.created_s + pace.not_started_s:
        return Phase.NOT_STARTED
    share = share_done(task, now_s)
    if share < pace.queued_share:
        return Phase.QUEUED
    archives = share >= 1 - ARCHIVING_SHARE and task.outcome is Phase.SUCCEEDED
    return Phase.ARCHIVING if archives else Phase.RUNNING


def share_done(task: Task, now_s: float) -> float:
    """0 to 1; a task that never ends stays at the middle once it is out of the queue."""
    if math.isinf(task.ends_s):
        return 0.5
    return min(1.0, (now_s - task.created_s) / max(task.ends_s - task.created_s, 1e-9))
