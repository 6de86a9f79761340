"""`whenfinal deliveries`: the outbox of webhooks, and one more try for a dead letter."""

from typing import Annotated

import typer

from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import CommandFailed, emit, note, show
from receiver.cli.display.tables import attempts_table, deliveries_table
from receiver.cli.options import Json, Limit, one_of, told
from receiver.cli.runner import with_services
from receiver.runtime.services import Services
from receiver.webhooks.model.delivery import Attempt, Delivery, DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState, SubscriptionStatus
from submitter import api_webhooks

Name = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, dlv_….")]

State = Annotated[DeliveryState | None, one_of(DeliveryState, "--state", "Only in this state")]


def parse_subscription(text: str) -> str:
    """Of one that is deleted, too: what was delivered to it stays in the ledger."""
    if not text.startswith("sub_"):
        message = f"{text!r} is not the id of a subscription, sub_…"
        raise ValueError(message)
    return text


Of = Annotated[
    str | None,
    typer.Option(
        "--subscription", metavar="ID", parser=told(parse_subscription), help="Only of this subscription, sub_…."
    ),
]


def list_deliveries(*, state: State = None, subscription: Of = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List webhook deliveries, the newest first."""

    async def work(services: Services) -> tuple[tuple[Delivery, ...], bool, int]:
        page = await services.store.deliveries.deliveries(state=state, subscription=subscription, limit=limit)
        return page.items, page.next_cursor is not None, services.clock()

    found, has_more, now_ms = with_services(work)
    if as_json:
        for delivery in found:
            emit(api_webhooks.Delivery.model_validate(delivery).json_values())
    else:
        show(deliveries_table(found, now_ms) if found else "no delivery matches")
    if has_more:
        note(f"only the newest {limit}; see more with --limit")


def show_delivery(name: Name, *, as_json: Json = False) -> None:
    """Show a delivery with every attempt."""

    async def work(services: Services) -> tuple[Delivery | None, list[Attempt], int]:
        deliveries = services.store.deliveries
        return await deliveries.delivery(name), await deliveries.attempts(name), services.clock()

    delivery, attempts, now_ms = with_services(work)
    if delivery is None:
        raise _missing(name)
    if as_json:
        tries = tuple(api_webhooks.Attempt.model_validate(each) for each in attempts)
        emit(
            api_webhooks.DeliveryWithAttempts(
                **dict(api_webhooks.Delivery.model_validate(delivery)), tries=tries
            ).json_values()
        )
    else:
        show(deliveries_table([delivery], now_ms), "", attempts_table(attempts) if attempts else "no attempt so far")


def redeliver(name: Name, *, as_json: Json = False) -> None:
    """Make a delivery due again, its schedule from the start. A running worker sends it."""

    async def work(services: Services) -> tuple[Delivery | None, SubscriptionStatus | None, int]:
        now_ms = services.clock()
        delivery = await services.store.outbox.redeliver(name, actor=ACTOR, now_ms=now_ms)
        owner = delivery.subscription if delivery else None
        return delivery, await services.store.subscriptions.find(owner) if owner else None, now_ms

    delivery, seen, now_ms = with_services(work)
    if delivery is None:
        raise _missing(name)
    if delivery.subscription is not None and seen is None:
        raise CommandFailed(f"{name} stays as it is: its subscription {delivery.subscription} was deleted")
    if as_json:
        emit(api_webhooks.Delivery.model_validate(delivery).json_values())
    else:
        show(deliveries_table([delivery], now_ms), _when_sent(seen))


def _when_sent(seen: SubscriptionStatus | None) -> str:
    if seen is None or seen.subscription.state is SubscriptionState.ACTIVE:
        return "a running worker sends it"
    name = seen.subscription.id
    return f"{name} is disabled: it waits until whenfinal subscriptions enable {name}"


def _missing(name: str) -> CommandFailed:
    return CommandFailed(f"there is no delivery {name}; see `whenfinal deliveries list`")
