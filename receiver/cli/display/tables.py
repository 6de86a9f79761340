"""Rich tables of what the ledger holds: made from values and the current time, without I/O.

Everything that a provider or caller wrote passes `escape_control` first.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from receiver.cli.display.list_tables import percent
from receiver.cli.display.listing import Listing, cell, format_labels, format_moment, sheet, state_cell, table
from receiver.reconcile.model.report import ReconcileSummary
from receiver.runtime.durations import format_duration, format_when
from receiver.runtime.next_steps import NextSteps, entry_details, format_offset
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueueDepth, QueuePlace
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import TimelineEntry
from submitter.timestamps import rfc3339

_KIND_STYLES: Mapping[str, str] = {"event": "bold", "delivery": "blue", "attempt": "blue", "audit": "magenta"}


def queued_table(placed: Sequence[tuple[Task, QueuePlace]], now_ms: int) -> Listing:
    rows = [
        (
            task.id,
            task.provider,
            f"{place.position} of {place.depth}",
            place.priority,
            format_duration(now_ms - (task.queued_ms or task.created_ms)),
            task.model,
            format_labels(task.labels),
        )
        for task, place in placed
    ]
    return table("task", "provider", "place", "priority", "waiting", "model", "labels", rows=rows)


def queue_lines(depths: Iterable[QueueDepth], accounts: Iterable[AccountStatus], now_ms: int) -> Iterator[Text]:
    """How many tasks wait for each account, since when, and until when they are held back."""
    known = {account.provider: account for account in accounts}
    for queue in depths:
        line = f"{queue.provider}: {queue.depth} queued, the oldest for {format_duration(now_ms - queue.oldest_ms)}"
        account = known.get(queue.provider)
        held_ms = None if account is None else account.submits_paused_until_ms
        if account is not None and held_ms is not None and held_ms > now_ms:
            line += f"; held back, {account.submits_paused_reason}; the next one is sent {format_when(held_ms, now_ms)}"
        yield cell(line)


def task_sheet(task: Task, now_ms: int, place: QueuePlace | None = None) -> RenderableType:
    """All of one task, and where it stands in the queue."""
    lines: list[tuple[str, object]] = [
        ("task", task.id),
        ("provider", task.provider),
        ("provider's id", task.provider_task_id),
        ("state", state_cell(task.state)),
        *_place_lines(place, now_ms),
        ("provider's state", task.raw_state),
        ("progress", percent(task.progress)),
        ("model", task.model),
        ("labels", format_labels(task.labels)),
        ("webhook to", task.notify_url),
        ("idempotency key", task.idempotency_key),
        ("created", format_moment(task.created_ms, now_ms)),
        ("submitted", format_moment(task.submitted_ms, now_ms)),
        ("final", format_moment(task.final_ms, now_ms)),
        ("deadline", format_moment(task.deadline_ms, now_ms)),
        ("overdue since", format_moment(task.overdue_ms, now_ms)),
        ("next poll", format_moment(task.next_poll_ms, now_ms)),
        ("polls so far", task.polls or None),
        ("error", f"{task.error.code}: {task.error.message}" if task.error else None),
    ]
    lines += request_lines(task.request)
    for output in task.outputs:
        ends = f" (until {rfc3339(output.expires_at_ms)})" if output.expires_at_ms else ""
        needs = " (needs the account's key)" if output.needs_key else ""
        lines.append((output.type, f"{output.url}{ends}{needs}"))
    return sheet(lines)


def _place_lines(place: QueuePlace | None, now_ms: int) -> Iterator[tuple[str, object]]:
    if place is None:
        return
    yield "place", f"{place.position} of {place.depth} in the queue"
    yield "priority", place.priority or None
    yield "waits until", format_moment(place.until_ms, now_ms)
    if place.held_until_ms is not None:
        yield "held back", f"{place.held_reason}, until {format_moment(place.held_until_ms, now_ms)}"


def request_lines(request: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What the caller asked for, as it is stored; labels and address stand elsewhere."""
    video: Mapping[str, Any] = request.get("video") or {}
    for name, value in video.items():
        if name != "model":
            values = value if isinstance(value, list) else [value]
            yield from ((f"wanted {name.replace('_', ' ')}", each) for each in values)
    if raw := request.get("raw"):
        yield "wanted path", raw.get("path")
        yield "wanted body", json.dumps(raw.get("body"), ensure_ascii=False)
    yield "wanted within", None if "deadline_s" not in request else format_duration(request["deadline_s"] * 1000)


def timeline_table(timeline: Sequence[TimelineEntry], created_ms: int) -> Table:
    """Each entry with its time after the task was created, and its details below."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for entry in timeline:
        kind = Text(entry.kind, style=_KIND_STYLES.get(entry.kind, ""))
        text = Text("\n").join(cell(line) for line in (entry.summary, *entry_details(entry)))
        grid.add_row(cell(format_offset(entry.at_ms - created_ms)), kind, text)
    return grid


def next_steps_lines(steps: NextSteps) -> Iterator[Text]:
    yield Text("\nWhat happens next", style="bold")
    yield from (cell(f"  {step}") for step in steps.automatic)
    if steps.manual:
        yield Text("\nWhat you can do", style="bold")
        yield from (cell(f"  {step}") for step in steps.manual)


def reconcile_table(report: ReconcileSummary, *, dry_run: bool) -> RenderableType:
    if not report.tasks:
        return cell("no unfinished task matches")
    rows = [
        (
            line.task_id,
            line.provider,
            state_cell(line.state),
            line.plan if line.skipped is None else f"skipped: {line.skipped}",
            line.finding,
            None if line.after in {None, line.state} else state_cell(line.after),
        )
        for line in report.tasks
    ]
    would = "would change" if dry_run else "changed"
    text = f"\nasked {report.asked}, {would} {report.changed}, skipped {report.skipped}"
    return Group(table("task", "provider", "state", "poll", "answer", "then", rows=rows), cell(text))
