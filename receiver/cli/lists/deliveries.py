"""`whenfinal deliveries list` without options."""

from types import SimpleNamespace

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import note_rest, show
from receiver.cli.display.list_tables import deliveries_table
from receiver.cli.reading import look_at_ledger
from receiver.cli.repositories import fan_out_on
from receiver.runtime.clock import now_ms
from receiver.store.sqlite_look import LookEngine, run_now
from receiver.webhooks.delivery_repository import DeliveryRepository
from receiver.webhooks.model.delivery import Delivery
from submitter.timestamps import rfc3339


def list_newest_deliveries() -> None:
    """Print what `commands.deliveries` prints without options. Raise Unsuited, before anything is printed."""
    with look_at_ledger() as look:
        engine = LookEngine(look)
        page = run_now(DeliveryRepository(engine, fan_out_on(engine)).deliveries(limit=ROWS_SHOWN))
        found = [_delivery(each) for each in page.items]
    show(deliveries_table(found, now_ms()) if found else "no delivery matches")
    if page.next_cursor is not None:
        note_rest(len(found))


def _delivery(stored: Delivery) -> SimpleNamespace:
    """What the table reads, under the names of the API."""
    return SimpleNamespace(
        id=stored.id,
        state=stored.state,
        last_error=stored.last_error,
        last_status=stored.last_status,
        due_at=rfc3339(stored.due_ms),
        attempts=stored.attempts,
        event_type=stored.event_type,
        task=stored.task_id,
        subscription=stored.subscription,
        endpoint=stored.endpoint,
        created_at=rfc3339(stored.created_ms),
        finished_at=rfc3339(stored.finished_ms),
    )
