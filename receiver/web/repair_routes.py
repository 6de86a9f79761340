"""The endpoints with which operators see trouble at providers and addresses and end it. See `receiver.web.routes`."""

from receiver.config.api_keys import Scope
from receiver.web.api import providers
from receiver.web.endpoint import Endpoint
from submitter import api_operations

REPAIR_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/providers",
        handle=providers.list_providers,
        name="listProviders",
        tag="operations",
        summary="List the providers",
        description="Each configured provider with its rate budget, pause, alarm and unfinished tasks.",
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
        description="End its pause and its alarm. The tasks whose poll had been put off are polled now. Without a "
        "pause and an alarm nothing changes.",
        scope=Scope.OPERATE,
        answers={200: api_operations.ResumedProvider},
    ),
)
