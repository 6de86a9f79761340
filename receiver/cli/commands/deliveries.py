"""`whenfinal deliveries`: list and show webhook deliveries."""

from collections.abc import Awaitable, Sequence
from typing import Annotated

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import emit, show
from receiver.cli.delivery_filters import DeliveryOptions, delivery_filters
from receiver.cli.display.delivery_sheet import delivery_sheet
from receiver.cli.display.list_tables import attempts_table, deliveries_table
from receiver.cli.each import do_each
from receiver.cli.ids import existing, read_ids
from receiver.cli.options import Json, Limit, options_from
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.runtime.clock import now_ms
from submitter.api_webhooks import DeliveriesPage, Delivery, DeliveryWithAttempts
from submitter.client.client import Client

DeliveryIds = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of deliveries, dlv_…; - reads them from stdin, one a line.")
]

MISSING = "there is no delivery {}; see `whenfinal deliveries list`"


@options_from(DeliveryOptions)
def list_deliveries(*, given: DeliveryOptions, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    filters = delivery_filters(given)

    async def work(client: Client) -> Listed[Delivery]:
        def page_after(most: int, cursor: str | None) -> Awaitable[DeliveriesPage]:
            return client.deliveries.list(limit=most, cursor=cursor, **filters)

        return await listed(page_after, lambda page: page.deliveries, limit)

    found = with_client(work)
    if as_json:
        for each in found.rows:
            emit(each.json_values())
    else:
        show(deliveries_table(found.rows, now_ms()) if found.rows else "no delivery matches")
    note_left_out(found)


def show_delivery(delivery_ids: DeliveryIds, *, as_json: Json = False) -> None:
    async def work(client: Client, name: str) -> DeliveryWithAttempts:
        return await existing(client.deliveries.get, name, missing=MISSING)

    def printed(found: Sequence[DeliveryWithAttempts]) -> None:
        for at, each in enumerate(found):
            if as_json:
                emit(each.json_values())
                continue
            tries = attempts_table(each.tries, now_ms()) if each.tries else "no attempt so far"
            show(*([""] if at else []), delivery_sheet(each, now_ms()), "", tries)

    do_each(read_ids(delivery_ids), work, printed)
