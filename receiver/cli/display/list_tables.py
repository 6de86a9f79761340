"""The tables of the listings that read the ledger quickly, so no model is imported to draw them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from receiver.cli.display.listing import Listing, format_labels, is_wide, state_cell, table
from receiver.cli.display.times import clock_and_age
from receiver.runtime.durations import format_when
from submitter.timestamps import rfc3339

if TYPE_CHECKING:
    from receiver.events.model.event import Event
    from receiver.webhooks.model.delivery import Attempt, Delivery
    from submitter.api import Task

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


def events_table(events: Sequence["Event"]) -> Listing:
    rows = [(event.seq, rfc3339(event.at_ms), event.type, event.task_id, event.supersedes) for event in events]
    return table("seq", "time", "type", "task", "supersedes", rows=rows)


def deliveries_table(deliveries: Sequence["Delivery"], now_ms: int) -> Listing:
    rows = [
        (
            each.id,
            state_cell(each.state),
            each.attempts,
            None if each.due_ms is None else format_when(each.due_ms, now_ms),
            each.last_error or each.last_status,
            each.event_type,
            each.task_id,
            each.subscription,
            each.endpoint,
        )
        for each in deliveries
    ]
    names = ("delivery", "state", "attempts", "next", "last answer", "type", "task", "subscription", "endpoint")
    return table(*names, rows=rows)


def event_line(event: "Event") -> str:
    """One line of `events --follow`."""
    return f"{event.seq:>6}  {rfc3339(event.at_ms)}  {event.type:<14}  {event.task_id or ''}".rstrip()


def attempts_table(attempts: Sequence["Attempt"]) -> Listing:
    rows = [
        (rfc3339(each.at_ms), f"{each.latency_ms} ms", each.error or each.status, each.response[:ANSWER_SHOWN])
        for each in attempts
    ]
    return table("time", "took", "result", "answer", rows=rows)
