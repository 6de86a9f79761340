"""The tables of the listings that read the ledger quickly, so no model is imported to draw them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from receiver.cli.display.listing import Listing, format_labels, state_cell, table
from receiver.runtime.durations import format_duration, format_when
from submitter.timestamps import rfc3339

if TYPE_CHECKING:
    from receiver.events.model.event import Event
    from receiver.webhooks.model.delivery import Attempt, Delivery

ANSWER_SHOWN = 200  # characters of what an endpoint answered


def tasks_table(tasks: Sequence[Any], now_ms: int) -> Listing:
    """Of tasks, or of rows with the same names."""
    rows = [
        (
            task.id,
            task.provider,
            state_cell(task.state),
            percent(task.progress),
            format_duration(now_ms - task.created_ms),
            task.provider_task_id,
            task.model,
            format_labels(task.labels),
        )
        for task in tasks
    ]
    return table("task", "provider", "state", "progress", "age", "provider's id", "model", "labels", rows=rows)


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
