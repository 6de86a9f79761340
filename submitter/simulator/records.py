"""Records of what really happened at the platforms, as immutable values to compare with what a client observed."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from submitter.simulator.task import CallbackAttempt, JsonObject, Phase, Task, TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task that was created and hence paid for. Times are unix milliseconds."""

    platform: str
    task_id: str
    model: str
    #: The submitted body, parsed.
    body: JsonObject
    raw_body: bytes
    headers: Mapping[str, str]
    callback_url: str | None
    faults: tuple[str, ...]
    created_ms: int
    state: str
    #: None while the task is not terminal.
    final_ms: int | None
    error: TaskError | None
    #: URLs of the results.
    outputs: tuple[str, ...]
    #: Whether the receipt was sent whole.
    receipt_returned: bool
    #: Submits that were answered with the stored receipt.
    idempotent_replays: int
    status_queries: int
    callbacks: tuple[CallbackAttempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubmit:
    """A submit that created nothing."""

    platform: str
    time_ms: int
    reason: str
    #: None: the connection was reset.
    status: int | None
    raw_body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledRequest:
    """A request that was answered as above the rate or concurrency limit, by the limit itself or by a fault."""

    platform: str
    time_ms: int
    method: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Everything that happened so far."""

    tasks: tuple[TaskRecord, ...]
    refused: tuple[RefusedSubmit, ...]
    throttled: tuple[ThrottledRequest, ...]
    #: Requests that carried a bearer key to a host that must not receive it.
    keys_leaked: int

    def of(self, platform: str) -> tuple[TaskRecord, ...]:
        """Return the tasks of one platform, oldest first."""
        return tuple(task for task in self.tasks if task.platform == platform)

    def task(self, task_id: str) -> TaskRecord:
        """Return one task by the provider's id. Raise KeyError when there is none."""
        for task in self.tasks:
            if task.task_id == task_id:
                return task
        raise KeyError(task_id)


def task_record(task: Task, phase: Phase, outputs: Sequence[str]) -> TaskRecord:
    """Return the record of a task that is in `phase`."""
    return TaskRecord(
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
    """Convert unix seconds to whole unix milliseconds."""
    return round(seconds * 1000)


def as_json(records: Records) -> JsonObject:
    """Return the records for the control route; raw bodies are base64 under `raw_body_base64`."""
    return {
        "tasks": [_plain(task) for task in records.tasks],
        "refused": [_plain(refused) for refused in records.refused],
        "throttled": [asdict(throttled) for throttled in records.throttled],
        "keys_leaked": records.keys_leaked,
    }


def _plain(record: TaskRecord | RefusedSubmit) -> JsonObject:
    values = asdict(record)
    raw: bytes = values.pop("raw_body")
    return values | {"raw_body_base64": base64.b64encode(raw).decode()}
