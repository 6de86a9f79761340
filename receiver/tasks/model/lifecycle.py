"""What a task may become: two rules, written as the table `TRANSITIONS`.

1. The first end that the provider reports wins, for ever. Whatever comes later changes nothing.
2. `expired` and `refused` are only our inference: one reported end may still take their place.

Pure. Here are verdicts, and the task that follows from one. After its receipt a task changes only through
`receiver.tasks.ledger`, which decides which task an observation is about. The reconciler decides when to poll it next.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from receiver.events.model.event import EventType
from receiver.tasks.model.task import IncomingObservation, Task, Verdict
from submitter.model import REPORTED_FINAL, TERMINAL, Observation, TaskError, TaskState
from submitter.values import changed, value

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
    """The row of a state that any observation may change."""
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
    # Sent, refused for the moment and queued again, and yet the provider reports on it: it was created after all.
    _S.QUEUED: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.QUEUED)),
    # Without the provider's id nothing was polled, so nothing can have expired.
    _S.SUBMITTING: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.SUBMITTING)),
    _S.UNCERTAIN: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.UNCERTAIN)),
    # Refused or settled as refused, and yet the provider reports on it: the provider knows better.
    _S.REFUSED: _open(waiting=_S.SUBMITTED, expired=(_STALE, _S.REFUSED)),
    _S.SUBMITTED: _open(waiting=_S.SUBMITTED, expired=(_APPLIED, _S.EXPIRED)),
    # A queue word after a running one is out of order, or a second try inside the provider: still running.
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


@value
class Change:
    """What an observation makes of a task."""

    #: The task afterwards.
    task: Task
    verdict: Verdict
    #: Set when the observation ends the task.
    event: EventType | None
    #: Whether the observation becomes a line of the timeline; a poll that found nothing new does not.
    should_record: bool


def verdict_on(state: TaskState, reported: TaskState) -> tuple[Verdict, TaskState]:
    """Raise KeyError for a state that no provider can report (submitting, uncertain, refused)."""
    return TRANSITIONS[state][reported]


def apply(task: Task, incoming: IncomingObservation, now_ms: int, *, event_id: str | None = None) -> Change:
    """Judge an observation that is known to be about this task. Raise KeyError as `verdict_on`.

    `event_id` is the id of the event, if the observation ends the task.
    """
    observation = incoming.observation
    verdict, state = verdict_on(task.state, observation.state)
    if verdict is not Verdict.APPLIED:
        return Change(task=_named(task, observation), verdict=verdict, event=None, should_record=True)
    members = _confirmed(task, observation, state, now_ms)
    if incoming.expected_task_id is not None:
        members["settled"] = False  # our token was in it, so the provider itself names the task
    if state in TERMINAL:
        members |= _ended(task, observation, now_ms)
        members["final_event"] = event_id or task.final_event
        after = changed(task, members)
        return Change(task=after, verdict=verdict, event=EVENT_OF[state], should_record=True)
    if incoming.next_poll_ms is not None:
        members["next_poll_ms"] = incoming.next_poll_ms
    after = changed(task, members)
    if incoming.next_poll_of is not None:
        after = changed(after, {"next_poll_ms": incoming.next_poll_of(after), "seen_open_ms": now_ms})
    is_new = (after.state, after.raw_state) != (task.state, task.raw_state)
    should_record = is_new or not observation.is_documented_state or observation.without_result
    return Change(task=after, verdict=verdict, event=None, should_record=should_record)


def _named(task: Task, observation: Observation) -> Task:
    """An operator can end a task that the provider has not named; a later report about it still gives it its id."""
    if task.provider_task_id is not None or not observation.key.provider_task_id:
        return task
    return replace(task, provider_task_id=observation.key.provider_task_id)


def _confirmed(task: Task, observation: Observation, state: TaskState, now_ms: int) -> dict[str, Any]:
    """The members that any applied observation changes.

    It proves that the task exists, so everything that was open about its submit is closed.

    A refused task is unfinished again; if its refusal was published, the event of its end will supersede that one.
    """
    is_reopened = task.final_ms is not None and state not in TERMINAL
    return {
        "state": state,
        "final_ms": None if is_reopened else task.final_ms,
        "raw_state": observation.raw_state,
        "provider_task_id": observation.key.provider_task_id or task.provider_task_id,
        "model": task.model or observation.model,
        "progress": observation.progress if observation.progress is not None else task.progress,
        "submitted_ms": task.submitted_ms if task.submitted_ms is not None else now_ms,
        "submit_body": None,
        "error": None,
        "refusal": None,
        "refusal_status": None,
        "missing_since_ms": None,
    }


def queued(task: Task) -> Task:
    """A task that waits for its account; a caller is told so by a 202."""
    return replace(
        task,
        state=TaskState.QUEUED,
        acknowledged=True,
        queued_ms=task.waits_since_ms,
        next_poll_ms=None,
        deadline_ms=None,
        submit_body=None,
    )


def opened_again(earlier: Task, new: Task) -> Task:
    """A refused task that is opened again under its idempotency key, as a new task for the same request would be."""
    return replace(
        earlier,
        state=new.state,
        queued_until_ms=new.queued_until_ms,
        sent_ms=new.sent_ms,
        deadline_ms=new.deadline_ms,
        next_poll_ms=new.next_poll_ms,
        submit_body=new.submit_body,
        error=None,
        refusal=None,
        refusal_status=None,
    )


def ended_by_us(task: Task, state: TaskState, error: TaskError, event_id: str, now_ms: int) -> Task:
    """A task that ends unreported, because nothing was created; `event_id` is the id of its event."""
    return replace(
        task,
        state=state,
        error=error,
        final_ms=now_ms,
        next_poll_ms=None,
        deadline_ms=None,
        submit_body=None,
        final_event=event_id,
        supersedes=task.final_event,
    )


def _ended(task: Task, observation: Observation, now_ms: int) -> dict[str, Any]:
    """The members that an end changes beside those."""
    succeeded = observation.state is TaskState.SUCCEEDED
    expiries = [output.expires_at_ms for output in observation.outputs if output.expires_at_ms is not None]
    ended: dict[str, Any] = {
        "outputs": observation.outputs,
        "error": None if succeeded else observation.error or NO_REASON,
        "final_ms": now_ms,
        "next_poll_ms": None,
        "result_expires_ms": min(expiries, default=None),
        "supersedes": task.final_event,
    }
    return ended | {"progress": 100} if succeeded else ended
