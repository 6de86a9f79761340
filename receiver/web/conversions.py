"""Between what crosses the API and what the service works with; the command line speaks the same shapes."""

from typing import Any

from receiver.by_hand import HandLine, HandReport
from receiver.orders import Order
from receiver.web.shapes import TaskOrder


def order_of(body: TaskOrder, key: str | None) -> Order:
    """`key` is the idempotency key, which the API takes as a header."""
    return Order(
        provider=body.provider,
        video=body.video,
        raw=body.raw,
        labels=body.labels,
        notify_url=body.notify.url if body.notify else None,
        notify_secret=body.notify.secret if body.notify else None,
        deadline_s=body.deadline_s,
        idempotency_key=key,
    )


def report_view(report: HandReport) -> dict[str, Any]:
    return {
        "asked": report.asked,
        "changed": report.changed,
        "skipped": report.skipped,
        "tasks": [_line_view(line) for line in report.tasks],
    }


def _line_view(line: HandLine) -> dict[str, Any]:
    return {
        "task": line.task,
        "provider": line.provider,
        "task_id": line.task_id,
        "state": line.state.value,
        "plan": line.plan.value,
        "finding": None if line.finding is None else line.finding.value,
        "after": None if line.after is None else line.after.value,
        "skipped": line.skipped,
    }
