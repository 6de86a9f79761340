"""The endpoints with which operators see trouble at providers and addresses and end it. See `receiver.web.routes`."""

from receiver.config.api_keys import Scope
from receiver.web.api import endpoints, providers, subscriptions
from receiver.web.endpoint import Endpoint
from submitter import api_operations, api_webhooks

REPAIR_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/providers",
        handle=providers.list_providers,
        name="listProviders",
        tag="operations",
        summary="List the providers",
        description="Each configured provider with its rate budget, the pause of its polls, the hold of its submits, "
        "their alarms, its queue, and its tasks in flight with their limits.",
        scope=Scope.READ,
        answers={200: api_operations.ProviderStatuses},
    ),
    Endpoint(
        method="POST",
        path="/v1/providers/{name}/resume",
        handle=providers.resume_provider,
        name="resumeProvider",
        tag="operations",
        summary="Resume a provider",
        description="End the pause of its polls, the hold of its submits, and the alarms of both. The tasks whose poll "
        "had been put off are polled now, and queued tasks are sent as there is room. Without a pause, a hold and an "
        "alarm nothing changes.",
        scope=Scope.OPERATE,
        answers={200: api_operations.ResumedProvider},
    ),
    Endpoint(
        method="POST",
        path="/v1/subscriptions/{id}/resume",
        handle=subscriptions.resume_subscription,
        name="resumeSubscription",
        tag="subscriptions",
        summary="Resume a subscription",
        description="Enable it if it is disabled, close its breaker, and send the deliveries that wait. Without "
        "trouble nothing changes.",
        scope=Scope.OPERATE,
        answers={200: api_webhooks.ResumedSubscription},
        problems=(422,),
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
