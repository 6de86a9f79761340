"""`whenfinal deliveries`: list and show webhook deliveries, without the services."""

from typing import Annotated

import typer

from receiver.cli.console import USAGE, CommandFailed, emit, show
from receiver.cli.display.tables import attempts_table, deliveries_table
from receiver.cli.ledger import fan_out_on, read_ledger
from receiver.cli.options import Json, Limit, enum_option, note_more, parsed_option
from receiver.config.settings import Settings
from receiver.runtime.clock import now_ms
from receiver.store.engine import Engine
from receiver.store.repository import Page
from receiver.webhooks.delivery_repository import DeliveryRepository
from receiver.webhooks.model.delivery import Attempt, Delivery, DeliveryState
from submitter import api_webhooks

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
    *, state: State = None, subscription: Of = None, endpoint: At = None, limit: Limit = 50, as_json: Json = False
) -> None:
    host = None if endpoint is None else _read_host(endpoint)
    if host is not None and (subscription is not None or state is DeliveryState.DELIVERED):
        raise CommandFailed("--endpoint goes with --state pending or dead, and without --subscription", status=USAGE)

    async def work(engine: Engine, _settings: Settings) -> Page[Delivery]:
        return await DeliveryRepository(engine, fan_out_on(engine)).deliveries(
            state=state, subscription=subscription, host=host, limit=limit
        )

    page = read_ledger(work)
    if as_json:
        for delivery in page.items:
            emit(api_webhooks.Delivery.model_validate(delivery).json_values())
    else:
        show(deliveries_table(page.items, now_ms()) if page.items else "no delivery matches")
    note_more(page)


def _read_host(text: str) -> str:
    from receiver.cli.hosts import read_host  # the rules of endpoints need cryptography

    return read_host(text)


def show_delivery(delivery_id: DeliveryId, *, as_json: Json = False) -> None:
    async def work(engine: Engine, _settings: Settings) -> tuple[Delivery | None, list[Attempt]]:
        deliveries = DeliveryRepository(engine, fan_out_on(engine))
        return await deliveries.delivery(delivery_id), await deliveries.attempts(delivery_id)

    delivery, attempts = read_ledger(work)
    if delivery is None:
        raise missing(delivery_id)
    if as_json:
        view = api_webhooks.Delivery.model_validate(delivery)
        tries = tuple(api_webhooks.Attempt.model_validate(each) for each in attempts)
        emit(api_webhooks.DeliveryWithAttempts(**dict(view), tries=tries).json_values())
    else:
        show(deliveries_table([delivery], now_ms()), "", attempts_table(attempts) if attempts else "no attempt so far")


def missing(delivery_id: str) -> CommandFailed:
    return CommandFailed(f"there is no delivery {delivery_id}; see `whenfinal deliveries list`")
