"""`whenfinal deliveries redeliver`."""

from receiver.cli.commands.deliveries import DeliveryId
from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import CommandFailed, emit, show
from receiver.cli.display.list_tables import deliveries_table
from receiver.cli.lists.deliveries import missing
from receiver.cli.options import Json
from receiver.cli.runner import with_services
from receiver.runtime.clock import now_ms
from receiver.runtime.services import Services
from receiver.webhooks.model.delivery import Delivery
from receiver.webhooks.model.subscription import SubscriptionState, SubscriptionStatus
from submitter import api_webhooks


def redeliver(delivery_id: DeliveryId, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[Delivery | None, SubscriptionStatus | None]:
        delivery = await services.store.outbox.redeliver(delivery_id, actor=ACTOR, now_ms=services.clock())
        owner = delivery.subscription if delivery else None
        return delivery, await services.store.subscriptions.find(owner) if owner else None

    delivery, status = with_services(work)
    if delivery is None:
        raise missing(delivery_id)
    if delivery.subscription is not None and status is None:
        raise CommandFailed(
            f"{delivery_id} can not be sent again: its subscription {delivery.subscription} was deleted"
        )
    if as_json:
        emit(api_webhooks.Delivery.model_validate(delivery).json_values())
    else:
        show(deliveries_table([delivery], now_ms()), _when_sent(status))


def _when_sent(status: SubscriptionStatus | None) -> str:
    if status is None or status.subscription.state is SubscriptionState.ACTIVE:
        return "a running worker sends it"
    subscription_id = status.subscription.id
    return f"{subscription_id} is disabled: it waits until whenfinal subscriptions enable {subscription_id}"
