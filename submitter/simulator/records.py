"""The books: what really happened at the platforms, as immutable values to compare a client's story with."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from submitter.simulator.task import CallbackAttempt, JsonObject, Phase, Task, TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedTask:
    """One task created, hence one task paid. Times are unix milliseconds; `final_ms` is None while it runs."""

    platform: str
    task_id: str
    model: str
    body: JsonObject
    raw_body: bytes
    headers: Mapping[str, str]
    callback_url: str | None
    faults: tuple[str, ...]
    created_ms: int
    state: str
    final_ms: int | None
    error: TaskError | None
    outputs: tuple[str, ...]
    receipt_returned: bool
    idempotent_replays: int
    status_queries: int
    callbacks: tuple[CallbackAttempt, ...]

    @property
    def is_terminal(self) -> bool:
        return self.final_ms is not None

    @property
    def was_told(self) -> bool:
        """Whether a callback was answered 2xx."""
        return any(attempt.status is not None and 200 <= attempt.status < 300 for attempt in self.callbacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubmit:
    """A submit that created nothing. `status` is None where the connection was reset."""

    platform: str
    time_ms: int
    reason: str
    status: int | None
    raw_body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledRequest:
    """A request answered as over the rate or the concurrency limit, by the limit itself or by a fault."""

    platform: str
    time_ms: int
    method: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything so far. `keys_leaked` counts requests that carried a bearer key to a place not entitled to it."""

    tasks: tuple[BookedTask, ...]
    refused: tuple[RefusedSubmit, ...]
    throttled: tuple[ThrottledRequest, ...]
    keys_leaked: int

    def of(self, platform: str) -> tuple[BookedTask, ...]:
        """The tasks of one platform, oldest first."""
        return tuple(task for task in self.tasks if task.platform == platform)

    def task(self, task_id: str) -> BookedTask:
        """One task by the provider's id; KeyError when there is none."""
        for task in self.tasks:
            if task.task_id == task_id:
                return task
        raise KeyError(task_id)


def booked(task: Task, phase: Phase, outputs: Sequence[str]) -> BookedTask:
    """`task` as the books show it in `phase`."""
    return BookedTask(
        platform=task.platform,
        task_id=task.task_id,
        model=task.draft.model,
        body=task.draft.body,
        raw_body=task.raw,
        headers=task.headers,
        callback_url=task.draft.callback_url,
        faults=tuple(sorted(task.faults)),
        created_ms=milliseconds(task.created_s),
        state=phase.value,
        final_ms=milliseconds(task.ends_s) if phase.is_terminal else None,
        error=task.error if phase is Phase.FAILED else None,
        outputs=tuple(outputs),
        receipt_returned=task.receipt_returned,
        idempotent_replays=task.replays,
        status_queries=task.status_queries,
        callbacks=tuple(task.callbacks),
    )


def milliseconds(seconds: float) -> int:
    """Unix seconds as whole unix milliseconds."""
    return round(seconds * 1000)


def as_json(books: Books) -> JsonObject:
    """The books for the control route; raw bodies are base64 under `raw_body_base64`."""
    return {
        "tasks": [_plain(task) for task in books.tasks],
        "refused": [_plain(refused) for refused in books.refused],
        "throttled": [asdict(throttled) for throttled in books.throttled],
        "keys_leaked": books.keys_leaked,
    }


def _plain(entry: BookedTask | RefusedSubmit) -> JsonObject:
    values = asdict(entry)
    raw: bytes = values.pop("raw_body")
    return values | {"raw_body_base64": base64.b64encode(raw).decode()}
