"""The sheet of one webhook delivery."""

from typing import TYPE_CHECKING

from receiver.cli.display.listing import sheet, state_cell
from receiver.cli.display.times import moment
from submitter.api_webhooks import Delivery

if TYPE_CHECKING:
    from rich.table import Table


def delivery_sheet(delivery: Delivery, now_ms: int) -> "Table":
    return sheet(
        [
            ("delivery", delivery.id),
            ("state", state_cell(delivery.state)),
            ("task", delivery.task),
            ("type", delivery.event_type),
            ("event", f"{delivery.event_id}, number {delivery.event_seq}"),
            ("endpoint", delivery.endpoint),
            ("subscription", delivery.subscription or "none: the notify of the task"),
            ("attempts", delivery.attempts),
            ("last answer", delivery.last_error or delivery.last_status),
            ("created", moment(delivery.created_at, now_ms)),
            ("due", moment(delivery.due_at, now_ms)),
            ("ended", moment(delivery.finished_at, now_ms)),
        ]
    )
