"""Rich tables of what is paused or fails, made as those of `tables`."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from receiver.cli.display.durations import format_when
from receiver.cli.display.subscription_tables import breaker_cell, endpoint_problems
from receiver.cli.display.tables import cell, table
from receiver.reconcile.model.provider import ProviderStatus, Resumed
from receiver.webhooks.model.endpoint_status import EndpointStatus, ResumedEndpoint


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


def endpoints_table(found: Sequence[EndpointStatus], now_ms: int) -> Table:
    """The host is first and whole, because it is copied into the next command."""
    rows = [
        (
            Text(cell(each.endpoint.id).plain),
            breaker_cell(each.endpoint, now_ms),
            each.pending,
            each.dead,
            ", ".join(endpoint_problems(each.endpoint, now_ms)),
        )
        for each in found
    ]
    return table("host", "breaker", "pending", "dead", "problem", rows=rows)


def resumed_lines(resumed: ResumedEndpoint) -> list[str]:
    """What a resume of an endpoint did, a line each; none where it did nothing."""
    lines = ["its breaker is closed; its failures and its pause are over"] if resumed.was_failing else []
    if resumed.made_due:
        lines.append(f"pending deliveries that are due now: {resumed.made_due}")
    if resumed.redelivered:
        lines.append(f"dead letters that are due again: {resumed.redelivered}")
    if resumed.has_more:
        lines.append("there are more; run the command again")
    return lines


def resumed_line(name: str, resumed: Resumed) -> Text:
    if not resumed.ended:
        return cell(f"{name} has no pause and no alarm; nothing was changed")
    return cell(f"{name} is polled again; tasks that are due now because of it: {resumed.made_due}")
