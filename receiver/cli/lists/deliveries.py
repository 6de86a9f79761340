"""`whenfinal deliveries list` and `show`."""

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import CommandFailed, emit, note_more, show
from receiver.cli.display.list_tables import attempts_table, deliveries_table
from receiver.cli.reading import read_ledger
from receiver.cli.repositories import fan_out_on
from receiver.runtime.clock import now_ms
from receiver.store.engine import Engine
from receiver.store.repository import Page
from receiver.webhooks.delivery_repository import DeliveryRepository
from receiver.webhooks.model.delivery import Attempt, Delivery, DeliveryState


def list_deliveries(
    *,
    state: DeliveryState | None = None,
    subscription: str | None = None,
    host: str | None = None,
    limit: int = ROWS_SHOWN,
    as_json: bool = False,
) -> None:
    async def work(engine: Engine) -> Page[Delivery]:
        return await DeliveryRepository(engine, fan_out_on(engine)).deliveries(
            state=state, subscription=subscription, host=host, limit=limit
        )

    page = read_ledger(work)
    if as_json:
        from submitter import api_webhooks

        for delivery in page.items:
            emit(api_webhooks.Delivery.model_validate(delivery).json_values())
    else:
        show(deliveries_table(page.items, now_ms()) if page.items else "no delivery matches")
    note_more(page)


def show_delivery(delivery_id: str, *, as_json: bool = False) -> None:
    async def work(engine: Engine) -> tuple[Delivery | None, list[Attempt]]:
        deliveries = DeliveryRepository(engine, fan_out_on(engine))
        return await deliveries.delivery(delivery_id), await deliveries.attempts(delivery_id)

    delivery, attempts = read_ledger(work)
    if delivery is None:
        raise missing(delivery_id)
    if as_json:
        from submitter import api_webhooks

        view = api_webhooks.Delivery.model_validate(delivery)
        tries = tuple(api_webhooks.Attempt.model_validate(each) for each in attempts)
        emit(api_webhooks.DeliveryWithAttempts(**dict(view), tries=tries).json_values())
    else:
        show(deliveries_table([delivery], now_ms()), "", attempts_table(attempts) if attempts else "no attempt so far")


def missing(delivery_id: str) -> CommandFailed:
    return CommandFailed(f"there is no delivery {delivery_id}; see `whenfinal deliveries list`")
