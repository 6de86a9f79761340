"""Tables of the hosts of `notify`."""

from collections.abc import Sequence

from receiver.cli.display.listing import Listing, table
from receiver.cli.display.subscription_tables import breaker_cell, breaker_problems
from submitter.api_operations import NotifyEndpoint


def endpoints_table(found: Sequence[NotifyEndpoint], now_ms: int) -> Listing:
    """The host is first and whole, because it is copied into the next command."""
    rows = [
        (
            each.endpoint,
            breaker_cell(each.breaker),
            each.pending,
            each.dead,
            ", ".join(breaker_problems(each.breaker, now_ms)),
        )
        for each in found
    ]
    return table("host", "breaker", "pending", "dead", "problem", rows=rows)
