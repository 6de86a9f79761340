"""The tables of the listings that read the ledger quickly, so no model is imported to draw them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from receiver.cli.display.listing import Listing, Styled, format_labels, is_wide, state_cell, table
from receiver.cli.display.times import clock_and_age
from receiver.runtime.printable import escape_control

if TYPE_CHECKING:
    from submitter.api import AnyEvent, Task

#: What stands before the colon of an error without an answer.
_NO_ANSWERS = {
    "ConnectFailed": "no connection",
    "ExchangeTimeout": "timeout",
    "ExchangeBroken": "broken off",
    "webhooks may not go there": "forbidden address",
}

ANSWER_SHOWN = 200  # characters of what an endpoint answered


def tasks_table(tasks: Sequence[Any], now_ms: int) -> Listing:
    """Of tasks, or of values with the same names. The columns after the labels are for `-o wide`."""
    rows = [
        (
            task.id,
            state_cell(task.state),
            task.provider,
            clock_and_age(task.created_at, now_ms),
            percent(task.progress),
            task.model,
            task.provider_task_id,
            format_labels(task.labels),
        )
        for task in tasks
    ]
    names = ("task", "state", "provider", "created", "progress", "model", "provider's id", "labels")
    if not is_wide.get():
        return table(*names, rows=rows)
    further = [_further(task, now_ms) for task in tasks]
    return table(
        *names,
        *("submitted", "final", "deadline", "polls", "files", "error"),
        rows=[(*row, *more) for row, more in zip(rows, further, strict=True)],
    )


def _further(task: "Task", now_ms: int) -> tuple[object, ...]:
    times = (clock_and_age(at, now_ms) for at in (task.submitted_at, task.final_at, task.deadline_at))
    error = None if task.error is None else f"{task.error.code}: {task.error.message}"
    return (*times, task.polls, len(task.outputs) or None, error)


def percent(progress: int | None) -> str | None:
    return None if progress is None else f"{progress} %"


def events_table(events: Sequence[Any], now_ms: int) -> Listing:
    """Of events of the API, or of values with the same names."""
    rows = [
        (each.seq, each.type, subject(each), clock_and_age(each.timestamp, now_ms), each.supersedes) for each in events
    ]
    return table("seq", "type", "about", "time", "supersedes", rows=rows)


def subject(event: "AnyEvent") -> str | None:
    """The id of the task, or the name of what else an event is about."""
    if event.task is not None:
        return str(event.task.id)
    about = getattr(event, "subscription", None) or getattr(event, "provider", None)
    return str(getattr(about, "name", about)) if about else None


def event_line(event: "AnyEvent") -> str:
    """One line of `events --follow`."""
    return f"{event.seq:>6}  {event.timestamp}  {event.type:<14}  {subject(event) or ''}".rstrip()


def deliveries_table(deliveries: Sequence[Any], now_ms: int) -> Listing:
    """Of deliveries of the API, or of values with the same names. The whole last answer is for `-o wide`."""
    rows = [
        (
            each.id,
            _state_and_answer(each.state, each.last_status, each.last_error),
            each.task,
            clock_and_age(each.due_at or each.finished_at, now_ms),
            each.attempts,
            each.event_type,
            each.endpoint,
            each.subscription,
            clock_and_age(each.created_at, now_ms),
        )
        for each in deliveries
    ]
    names = ("delivery", "state, answer", "task", "due or ended", "attempts", "type", "endpoint", "subscription")
    if not is_wide.get():
        return table(*names, "created", rows=rows)
    last = [each.last_error or each.last_status for each in deliveries]
    return table(*names, "created", "last answer", rows=[(*row, each) for row, each in zip(rows, last, strict=True)])


def _state_and_answer(state: str, status: int | None, error: str | None) -> Styled:
    """`delivered 204`, `dead 503`, `pending timeout`, and where no answer came for another reason, its first words."""
    answer = "" if status is None else str(status)
    if status is None and error is not None:
        kind = error.partition(":")[0]
        answer = _NO_ANSWERS.get(kind, kind)
    return Styled(escape_control(f"{state} {answer}".rstrip()), state_cell(state).style)


def attempts_table(attempts: Sequence[Any], now_ms: int) -> Listing:
    rows = [
        (
            clock_and_age(each.at, now_ms),
            f"{each.latency_ms} ms",
            each.error or each.status,
            each.response[:ANSWER_SHOWN],
        )
        for each in attempts
    ]
    return table("time", "took", "result", "answer", rows=rows)
