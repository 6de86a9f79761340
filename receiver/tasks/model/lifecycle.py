"""What a task may become.

The two rules of the table:

1. The first end that the provider reports wins, for ever. Whatever comes later changes nothing.
2. `expired` is only our inference: one reported end may still take its place.

Pure. Here: verdicts, and the task that follows from one. Never here: who brought the news, or when to ask again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from receiver.events.model.event import EventType
from receiver.tasks.model.task import IncomingObservation, Task, Verdict
from submitter.model import REPORTED_FINAL, TERMINAL, Observation, TaskError, TaskState

_S = TaskState

_APPLIED, _DUPLICATE, _STALE, _CONTRADICTION = (
    Verdict.APPLIED,
    Verdict.DUPLICATE,
    Verdict.STALE,
    Verdict.CONTRADICTION,
)

#: (verdict, next state) for a state and what is reported of it.
Row = Mapping[TaskState, tuple[Verdict, TaskState]]


def _open(*, waiting: TaskState, expired: tuple[Verdict, TaskState]) -> Row:
    """The row of a state that any report may change."""
    return {
        _S.SUBMITTED: (_APPLIED, waiting),
        _S.RUNNING: (_APPLIED, _S.RUNNING),
        _S.SUCCEEDED: (_APPLIED, _S.SUCCEEDED),
        _S.FAILED: (_APPLIED, _S.FAILED),
        _S.CANCELED: (_APPLIED, _S.CANCELED),
        _S.EXPIRED: expired,
    }


def _closed(state: TaskState) -> Row:
    """The row of a reported end."""
    return {
        _S.SUBMITTED: (_STALE, state),
        _S.RUNNING: (_STALE, state),
        **{final: (_DUPLICATE if final is state else _CONTRADICTION, state) for final in REPORTED_FINAL},
        _S.EXPIRED: (_STALE, state),
    }


TRANSITIONS: Mapping[TaskState, Row] = {
    # Without the provider's id nobody can have asked it, so nothing can have expired.
    _S.SUBMITTING: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.SUBMITTING)),
    _S.UNCERTAIN: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.UNCERTAIN)),
    # Settled by hand as refused, and yet the provider speaks of it: the provider knows better.
    _S.REFUSED: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.REFUSED)),
    _S.SUBMITTED: _open(waiting=_S.SUBMITTED, expired=(_APPLIED, _S.EXPIRED)),
    # A queue word after a running one is news out of order, or a second try inside the provider: still running.
    _S.RUNNING: _open(waiting=_S.RUNNING, expired=(_APPLIED, _S.EXPIRED)),
    _S.SUCCEEDED: _closed(_S.SUCCEEDED),
    _S.FAILED: _closed(_S.FAILED),
    _S.CANCELED: _closed(_S.CANCELED),
    _S.EXPIRED: {
        _S.SUBMITTED: (_STALE, _S.EXPIRED),
        _S.RUNNING: (_STALE, _S.EXPIRED),
        **{final: (_APPLIED, final) for final in REPORTED_FINAL},
        _S.EXPIRED: (_DUPLICATE, _S.EXPIRED),
    },
}

EVENT_OF: Mapping[TaskState, EventType] = {
    _S.SUCCEEDED: EventType.SUCCEEDED,
    _S.FAILED: EventType.FAILED,
    _S.CANCELED: EventType.CANCELED,
    _S.EXPIRED: EventType.EXPIRED,
}

NO_REASON = TaskError(code="unknown", message="the provider gave no reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The task afterwards. `event` is set when this report ends the task, `noteworthy` when it goes on record."""

    task: Task
    verdict: Verdict
    event: EventType | None
    noteworthy: bool


def verdict_on(state: TaskState, reported: TaskState) -> tuple[Verdict, TaskState]:
    """Raise KeyError for a state that no provider can report (submitting, uncertain, refused)."""
    return TRANSITIONS[state][reported]


def apply(task: Task, report: IncomingObservation, now_ms: int) -> Change:
    """What the report makes of the task, the provider's id being known to match or not yet known."""
    seen = report.observation
    verdict, state = verdict_on(task.state, seen.state)
    if verdict is not Verdict.APPLIED:
        return Change(task=task, verdict=verdict, event=None, noteworthy=True)
    after = _with_receipt(task, seen, state, now_ms)
    if state in TERMINAL:
        after = _ended(after, seen, now_ms)
        return Change(task=after, verdict=verdict, event=EVENT_OF[state], noteworthy=True)
    if report.next_poll_ms is not None:
        after = replace(after, next_poll_ms=report.next_poll_ms)
    noteworthy = (after.state, after.raw_state) != (task.state, task.raw_state) or not seen.known_word
    return Change(task=after, verdict=verdict, event=None, noteworthy=noteworthy)


def _with_receipt(task: Task, seen: Observation, state: TaskState, now_ms: int) -> Task:
    """Any applied report proves that the task exists, so nothing about its submit is open any more."""
    return replace(
        task,
        state=state,
        raw_state=seen.raw_state,
        provider_task_id=seen.key.provider_task_id,
        model=task.model or seen.model,
        progress=seen.progress if seen.progress is not None else task.progress,
        submitted_ms=task.submitted_ms if task.submitted_ms is not None else now_ms,
        submit_body=None,
        error=None,
        missing_since_ms=None,
    )


def _ended(task: Task, seen: Observation, now_ms: int) -> Task:
    succeeded = seen.state is TaskState.SUCCEEDED
    expiries = [output.expires_at_ms for output in seen.outputs if output.expires_at_ms is not None]
    return replace(
        task,
        progress=100 if succeeded else task.progress,
        outputs=seen.outputs,
        error=None if succeeded else seen.error or NO_REASON,
        final_ms=now_ms,
        next_poll_ms=None,
        result_expires_ms=min(expiries, default=None),
        supersedes=task.final_event,
    )
