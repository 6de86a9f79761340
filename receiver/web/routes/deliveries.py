"""Deliveries and the hosts of `notify`: list and show them, redeliver, resume."""

from receiver.config.api_keys import Scope
from receiver.web.api import deliveries, endpoints
from receiver.web.endpoint import Endpoint
from submitter import api_operations, api_webhooks

DELIVERY_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/deliveries",
        handle=deliveries.list_deliveries,
        name="listDeliveries",
        tag="deliveries",
        summary="List deliveries",
        description="The newest first. The state `dead` shows the dead letters. All conditions must hold. A page may "
        "hold fewer than `limit` and not be the last.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: api_webhooks.DeliveriesPage},
    ),
    Endpoint(
        method="GET",
        path="/v1/deliveries/{id}",
        handle=deliveries.show_delivery,
        name="getDelivery",
        tag="deliveries",
        summary="Get a delivery",
        description="With each of its attempts.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: api_webhooks.DeliveryWithAttempts},
    ),
    Endpoint(
        method="POST",
        path="/v1/deliveries/{id}/redeliver",
        handle=deliveries.redeliver,
        name="redeliver",
        tag="deliveries",
        summary="Redeliver an event",
        description="Send this event again now, with all its retries.",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers={202: api_webhooks.Delivery},
        problems=(409,),
    ),
    Endpoint(
        method="GET",
        path="/v1/endpoints",
        handle=endpoints.list_endpoints,
        name="listEndpoints",
        tag="deliveries",
        summary="List the hosts of `notify`",
        description="By name, each with its breaker, pending deliveries and dead letters. The endpoints of "
        "subscriptions are in `listSubscriptions`.",
        scope=Scope.READ,
        answers={200: api_operations.NotifyEndpointsPage},
    ),
    Endpoint(
        method="POST",
        path="/v1/endpoints/resume",
        handle=endpoints.resume_endpoint,
        name="resumeEndpoint",
        tag="deliveries",
        summary="Resume a host of `notify`",
        description="Close its breaker, and send the deliveries that wait; with `dead_letters` those are sent again.",
        scope=Scope.OPERATE,
        answers={200: api_operations.ResumedEndpoint},
        problems=(404,),
    ),
)
