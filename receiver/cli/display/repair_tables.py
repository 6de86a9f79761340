"""Rich tables of what is paused or fails, made as those of `tables`."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from receiver.cli.display.durations import format_when
from receiver.cli.display.tables import cell, table
from receiver.reconcile.model.provider import ProviderStatus, Resumed


def providers_table(found: Sequence[ProviderStatus], now_ms: int) -> Table:
    rows = [
        (
            each.name,
            None if each.paused_until_ms is None else Text(format_when(each.paused_until_ms, now_ms), style="yellow"),
            each.paused_reason,
            None if each.alarm is None else Text(cell(each.alarm).plain, style="bold red"),
            each.unfinished,
            f"{each.tokens:.0f} of {each.burst}",
            each.adapter,
            each.host,
        )
        for each in found
    ]
    names = ("provider", "paused until", "reason", "alarm", "unfinished", "tokens", "adapter", "host")
    return table(*names, rows=rows)


def resumed_line(name: str, resumed: Resumed) -> Text:
    if not resumed.ended:
        return cell(f"{name} has no pause and no alarm; nothing was changed")
    return cell(f"{name} is polled again; tasks that are due now because of it: {resumed.made_due}")
