"""`whenfinal events` without options: the last events, from the rows of the ledger to lines of text."""

import json
from types import SimpleNamespace

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import show
from receiver.cli.display.list_tables import events_table
from receiver.cli.reading import look_at_ledger
from receiver.runtime.clock import now_ms
from receiver.store.engine import Row
from submitter.timestamps import rfc3339


def list_newest_events() -> None:
    """Print what `commands.events` prints without options. Raise Unsuited, before anything is printed."""
    with look_at_ledger() as look:
        (bounds,) = look.fetch_all("cursor_bounds", after=0)
        after = max(bounds["oldest_after"], bounds["last_seq"] - ROWS_SHOWN)
        events = [_event(row) for row in look.fetch_all("events_after", after=after, limit=ROWS_SHOWN)]
    show(events_table(events, now_ms()) if events else "no event matches")


def _event(row: Row) -> SimpleNamespace:
    """What the table reads, under the names of the API."""
    about = {} if row["task"] else json.loads(row["body"])["data"]
    return SimpleNamespace(
        seq=row["seq"],
        type=row["type"],
        timestamp=rfc3339(row["at_ms"]),
        task=SimpleNamespace(id=row["task"]) if row["task"] else None,
        subscription=(about.get("subscription") or {}).get("id"),
        provider=SimpleNamespace(**about["provider"]) if about.get("provider") else None,
        supersedes=row["supersedes"],
    )
