"""`whenfinal deliveries`: list and show webhook deliveries, without the services."""

from typing import Annotated

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import USAGE, CommandFailed
from receiver.cli.lists import deliveries as lists
from receiver.cli.options import Json, Limit, enum_option, parsed_option
from receiver.webhooks.model.delivery import DeliveryState

DeliveryId = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, dlv_….")]

State = Annotated[DeliveryState | None, enum_option(DeliveryState, "--state", "Only in this state")]


def parse_subscription(text: str) -> str:
    """A deleted subscription is accepted, because its deliveries stay in the ledger."""
    if not text.startswith("sub_"):
        message = f"{text!r} is not the id of a subscription, sub_…"
        raise ValueError(message)
    return text


Of = Annotated[
    str | None,
    parsed_option("--subscription", "ID", parse_subscription, "Only of this subscription, sub_…."),
]


At = Annotated[
    str | None,
    typer.Option(
        "--endpoint", metavar="HOST", help="Only what this host of notify has not received: pending and dead."
    ),
]


def list_deliveries(
    *,
    state: State = None,
    subscription: Of = None,
    endpoint: At = None,
    limit: Limit = ROWS_SHOWN,
    as_json: Json = False,
) -> None:
    host = None if endpoint is None else _read_host(endpoint)
    if host is not None and (subscription is not None or state is DeliveryState.DELIVERED):
        raise CommandFailed("--endpoint goes with --state pending or dead, and without --subscription", status=USAGE)

    lists.list_deliveries(state=state, subscription=subscription, host=host, limit=limit, as_json=as_json)


def _read_host(text: str) -> str:
    from receiver.cli.hosts import read_host  # the rules of endpoints need cryptography

    return read_host(text)


def show_delivery(delivery_id: DeliveryId, *, as_json: Json = False) -> None:
    lists.show_delivery(delivery_id, as_json=as_json)
