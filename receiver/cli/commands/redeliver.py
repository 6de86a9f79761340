"""`whenfinal deliveries redeliver`: some deliveries, or all that a filter finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from receiver.cli.bulk import Act, act_on_all
from receiver.cli.commands.deliveries import MISSING
from receiver.cli.console import USAGE, CommandFailed, emit, show
from receiver.cli.delivery_filters import DeliveryOptions, delivery_filters
from receiver.cli.display.list_tables import deliveries_table
from receiver.cli.each import do_each
from receiver.cli.ids import existing, read_ids
from receiver.cli.options import DryRun, Json, Yes, options_from
from receiver.runtime.clock import now_ms
from submitter.api_webhooks import Delivery
from submitter.client.client import Client

MaybeDeliveryIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Ids of deliveries, dlv_…; - reads them from stdin, one a line."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeliverOptions(DeliveryOptions):
    every: Annotated[bool, typer.Option("--all", help="All dead letters, or all in the given state.")] = False


@options_from(RedeliverOptions)
def redeliver(
    delivery_ids: MaybeDeliveryIds = None,
    *,
    given: RedeliverOptions,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    filters = delivery_filters(given) | ({"all": True} if given.every else {})
    if bool(delivery_ids) == bool(filters):
        raise CommandFailed("give ids, or a filter, or --all for every dead letter", status=USAGE)
    if not delivery_ids:
        _redeliver_all(filters, dry_run=dry_run, yes=yes, as_json=as_json)
    elif dry_run:
        raise CommandFailed("--dry-run goes with a filter, not with ids", status=USAGE)
    else:
        _redeliver_each(read_ids(delivery_ids), as_json=as_json)


def _redeliver_all(filters: Mapping[str, Any], *, dry_run: bool, yes: bool, as_json: bool) -> None:
    act = Act(
        verb="Send again",
        what="delivery",
        which=filters,
        preview=lambda client: client.runs.preview_redeliver(**filters),
        start=lambda client, which: client.runs.redeliver(**which),
    )
    act_on_all(act, dry_run=dry_run, yes=yes, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivered:
    delivery: Delivery
    #: Its subscription is disabled.
    waits: bool


def _redeliver_each(ids: Sequence[str], *, as_json: bool) -> None:
    async def work(client: Client, name: str) -> Redelivered:
        delivery = await existing(client.deliveries.redeliver, name, missing=MISSING)
        owner = None if delivery.subscription is None else await client.subscriptions.get(delivery.subscription)
        return Redelivered(delivery=delivery, waits=owner is not None and owner.state == "disabled")

    def printed(found: Sequence[Redelivered]) -> None:
        if as_json:
            for each in found:
                emit(each.delivery.json_values())
            return
        waiting = dict.fromkeys(each.delivery.subscription for each in found if each.waits)
        lines = [f"{name} is disabled: it waits until whenfinal subscriptions enable {name}" for name in waiting]
        if not all(each.waits for each in found):
            lines.insert(0, "a running worker sends it" if len(found) == 1 else "a running worker sends them")
        show(deliveries_table([each.delivery for each in found], now_ms()), *lines)

    do_each(ids, work, printed)
