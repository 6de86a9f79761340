"""Rich tables and sheets of tasks, made from the answers of the API and the current time, without I/O.

Everything that a provider or caller wrote passes `escape_control` first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from receiver.cli.display.list_tables import percent
from receiver.cli.display.listing import Listing, cell, format_labels, sheet, state_cell, table
from receiver.cli.display.times import age, clock, moment, offset, when
from receiver.runtime.durations import format_duration
from submitter.api import QueuePlace, ReconcileSummary, Task, TaskDetail, TimelineEntry
from submitter.api_queue import QueuedTask, QueueLength
from submitter.api_tasks import Explanation

_KIND_STYLES: Mapping[str, str] = {"event": "bold", "delivery": "blue", "attempt": "blue", "audit": "magenta"}

ANSWER_SHOWN = 200  # characters of what an endpoint answered


def queued_table(queued: Sequence[QueuedTask], now_ms: int) -> Listing:
    rows = [
        (
            task.id,
            task.provider,
            f"{task.queue.position} of {task.queue.depth}",
            task.queue.priority,
            age(task.waits_since, now_ms),
            task.model,
            format_labels(task.labels),
        )
        for task in queued
    ]
    return table("task", "provider", "place", "priority", "waiting", "model", "labels", rows=rows)


def queue_lines(queues: Sequence[QueueLength], now_ms: int) -> Iterator[Text]:
    """How many tasks wait for each account, since when, and until when they are held back."""
    for queue in queues:
        line = f"{queue.provider}: {queue.depth} queued, the oldest for {age(queue.oldest_at, now_ms)}"
        if queue.held_until is not None:
            line += f"; held back, {queue.held_reason}; the next one is sent {when(queue.held_until, now_ms)}"
        yield cell(line)


def task_sheet(task: Task, now_ms: int) -> RenderableType:
    """All of one task. What only the answer about one task has is left out of any other."""
    detail = task if isinstance(task, TaskDetail) else None
    lines: list[tuple[str, object]] = [
        ("task", task.id),
        ("provider", task.provider),
        ("provider's id", task.provider_task_id),
        ("state", state_cell(task.state)),
        *_place_lines(None if detail is None else detail.queue, now_ms),
        ("provider's state", task.raw_state),
        ("progress", percent(task.progress)),
        ("model", task.model),
        ("labels", format_labels(task.labels)),
        *([] if detail is None else [("webhook to", detail.notify_url), ("idempotency key", detail.idempotency_key)]),
        ("created", moment(task.created_at, now_ms)),
        ("submitted", moment(task.submitted_at, now_ms)),
        ("final", moment(task.final_at, now_ms)),
        ("deadline", moment(task.deadline_at, now_ms)),
        *([] if detail is None else _poll_lines(detail, now_ms)),
        ("polls so far", task.polls or None),
        ("error", f"{task.error.code}: {task.error.message}" if task.error else None),
        *([] if detail is None else request_lines(detail.request or {})),
    ]
    for output in task.outputs:
        ends = f" (until {output.expires_at})" if output.expires_at else ""
        needs = " (needs the account's key)" if output.needs_key else ""
        lines.append((output.type, f"{output.url}{ends}{needs}"))
    return sheet(lines)


def _poll_lines(task: TaskDetail, now_ms: int) -> Iterator[tuple[str, object]]:
    yield "overdue since", moment(task.overdue_at, now_ms)
    yield "next poll", moment(task.next_poll_at, now_ms)


def _place_lines(place: QueuePlace | None, now_ms: int) -> Iterator[tuple[str, object]]:
    if place is None:
        return
    yield "place", f"{place.position} of {place.depth} in the queue"
    yield "priority", place.priority or None
    yield "waits until", moment(place.until_at, now_ms)
    if place.held_until_at is not None:
        yield "held back", f"{place.held_reason}, until {moment(place.held_until_at, now_ms)}"


def request_lines(request: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What the caller asked for, as it is stored; labels and address stand elsewhere."""
    video, raw, deadline_s = (request.get(name) for name in ("video", "raw", "deadline_s"))
    for name, value in video.items() if isinstance(video, dict) else ():
        if name != "model":
            values = value if isinstance(value, list) else [value]
            yield from ((name.replace("_", " "), each) for each in values)
    if isinstance(raw, dict):
        yield "path", raw.get("path")
        yield "body", json.dumps(raw.get("body"), ensure_ascii=False)
    yield "to end within", format_duration(deadline_s * 1000) if isinstance(deadline_s, int) else None


def timeline_table(timeline: Sequence[TimelineEntry], created_at: str, now_ms: int) -> Table:
    """Each entry with its time after the task was created, the clock, and its details below."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for entry in timeline:
        kind = Text(entry.kind, style=_KIND_STYLES.get(entry.kind, ""))
        text = Text("\n").join(cell(line) for line in (entry.summary, *entry_details(entry)))
        grid.add_row(cell(offset(entry.at, created_at)), cell(clock(entry.at, now_ms)), kind, text)
    return grid


def entry_details(entry: TimelineEntry) -> Iterator[str]:
    """The lines that stand below an entry's summary."""
    detail = entry.detail
    error, outputs = detail.get("error"), detail.get("outputs")
    if entry.kind == "observation" and isinstance(error, dict) and str(error.get("message")) not in entry.summary:
        yield f"{error.get('code')}: {error.get('message')}"
    if entry.kind == "observation" and detail.get("reply"):
        yield f"reply: {_one_line(str(detail['reply']))}"
    for output in outputs if isinstance(outputs, list) else ():
        yield f"{output.get('type', 'file')}: {output.get('url')}" if isinstance(output, dict) else str(output)
    if entry.kind == "attempt" and detail.get("response"):
        yield f"answer: {str(detail['response'])[:ANSWER_SHOWN]}"
    if entry.kind == "audit":
        yield from (f"{name}: {value}" for name, value in detail.items())


def _one_line(text: str) -> str:
    """A reply of many lines in one, its line ends and tabs as escapes."""
    return text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")


def explanation_parts(explained: Explanation, now_ms: int) -> Iterator[RenderableType]:
    """All of a task, its timeline, and its next steps."""
    task = explained.task
    yield task_sheet(task, now_ms)
    yield ""
    yield timeline_table(explained.timeline, task.created_at, now_ms)
    yield from next_steps_lines(explained)


def next_steps_lines(explained: Explanation) -> Iterator[Text]:
    yield Text("\nWhat happens next", style="bold")
    yield from (cell(f"  {step}") for step in explained.next)
    if explained.cure:
        yield Text("\nWhat you can do", style="bold")
        yield from (cell(f"  {step}") for step in explained.cure)


def reconcile_table(report: ReconcileSummary, *, dry_run: bool) -> RenderableType:
    if not report.tasks:
        return cell("no unfinished task matches")
    rows = [
        (
            line.task,
            state_cell(line.state),
            line.finding,
            None if line.after in {None, line.state} else state_cell(line.after),
            line.plan if line.skipped is None else f"skipped: {line.skipped}",
            line.provider,
        )
        for line in report.tasks
    ]
    would = "would change" if dry_run else "changed"
    text = f"\nasked {report.asked}, {would} {report.changed}, skipped {report.skipped}"
    return Group(table("task", "state", "answer", "then", "poll", "provider", rows=rows), cell(text))
