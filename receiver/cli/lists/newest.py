"""`whenfinal tasks list` without options: from the rows of the ledger to lines of text, and no model between them."""

import json
from types import SimpleNamespace

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import note_rest, show
from receiver.cli.display.list_tables import tasks_table
from receiver.cli.reading import look_at_ledger
from receiver.runtime.clock import now_ms
from receiver.store.engine import NEVER_MS, NEWEST, Row
from submitter.timestamps import rfc3339


def list_newest_tasks() -> None:
    """Print what `commands.task_list` prints without options. Raise Unsuited, before anything is printed."""
    with look_at_ledger() as look:
        found = look.fetch_all(
            "tasks_page", cursor=NEWEST, created_before_ms=NEVER_MS, provider=None, limit=ROWS_SHOWN + 1
        )
        tasks = [_task(row) for row in found[:ROWS_SHOWN]]
    show(tasks_table(tasks, now_ms()) if tasks else "no task matches")
    if len(found) > ROWS_SHOWN:
        note_rest(ROWS_SHOWN)


def _task(row: Row) -> SimpleNamespace:
    """What the table reads, under the names of the API."""
    return SimpleNamespace(
        **{
            **row,
            "provider_task_id": row["task_id"],
            "labels": json.loads(row["labels"]),
            "created_at": rfc3339(row["created_ms"]),
        }
    )
