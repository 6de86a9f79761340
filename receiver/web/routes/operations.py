"""What operators do with one task, and with providers: reconcile, settle, cancel, look, resume."""

from receiver.config.api_keys import Scope
from receiver.web.api import operating, providers, reconcile, service, settle
from receiver.web.endpoint import Endpoint
from submitter import api, api_operations, api_service, api_tasks

OPERATION_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/v1/tasks/{id}/reconcile",
        handle=reconcile.reconcile_task,
        name="reconcileTask",
        tag="operations",
        summary="Reconcile a task now",
        description="Poll the provider about this task. With `dry_run` nothing changes.",
        optional_body=True,
        scope=Scope.OPERATE,
        answers={200: api.ReconcileSummary},
    ),
    Endpoint(
        method="POST",
        path="/v1/reconcile",
        handle=reconcile.reconcile,
        name="reconcileTasks",
        tag="operations",
        summary="Reconcile tasks now",
        description="Poll the providers about the unfinished tasks that match. With `dry_run` nothing changes.",
        scope=Scope.OPERATE,
        answers={200: api.ReconcileSummary},
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/{id}/settle",
        handle=settle.settle,
        name="settleTask",
        tag="operations",
        summary="Settle a task",
        description="Say what an uncertain submit came to: it created this task of the provider, which is asked "
        "about it first, or none. A wrong id can be corrected until an end is recorded. Or end an unfinished task "
        "whose end the provider reports in words that are not known here; that is final.",
        scope=Scope.OPERATE,
        answers={200: api.Task},
        problems=(409,),
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/{id}/identify",
        handle=settle.identify,
        name="identifyTask",
        tag="operations",
        summary="Check an id at the provider",
        description="Ask the provider about an id before a submit is settled with it, and compare its answer with "
        "the task. Nothing is changed.",
        scope=Scope.OPERATE,
        answers={200: api_tasks.Identification},
        problems=(409,),
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/{id}/cancel",
        handle=operating.cancel,
        name="cancelTask",
        tag="operations",
        summary="Cancel a task",
        description="Take a queued task out of the queue, or ask the provider to cancel it, where it documents a way. "
        "The provider decides, and may have billed it; the next poll shows the end.",
        scope=Scope.OPERATE,
        answers={200: api_tasks.CanceledTask},
        problems=(409,),
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/{id}/look",
        handle=operating.look,
        name="lookForTask",
        tag="operations",
        summary="Look for a lost submit",
        description="Read the provider's list for tasks that this uncertain submit may have created. Nothing is "
        "changed; settle the task with the id that is right. Each page costs a request of the rate budget.",
        scope=Scope.OPERATE,
        answers={200: api_tasks.Look},
        problems=(409,),
    ),
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
        method="GET",
        path="/v1/providers/{name}",
        handle=providers.show_provider,
        name="showProvider",
        tag="operations",
        summary="Show a provider",
        description="As in the list, and what was learned of it: how long its tasks take, by model, and how many of "
        "its callbacks do not come. Polls are timed by that.",
        scope=Scope.READ,
        answers={200: api_operations.ProviderWithDurations},
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
        method="GET",
        path="/v1/providers/{name}/models",
        handle=service.list_models_of_provider,
        name="listModelsOfProvider",
        tag="operations",
        summary="List the models of a provider",
        description="As in `listModels`.",
        scope=Scope.READ,
        answers={200: api_service.ModelsAnswer},
    ),
    Endpoint(
        method="GET",
        path="/v1/models",
        handle=service.list_models,
        name="listModels",
        tag="operations",
        summary="List the models",
        description="The models that `video` takes at the configured providers, each with its limits. A submit is "
        "checked against them before it is sent.",
        scope=Scope.READ,
        answers={200: api_service.ModelsAnswer},
    ),
    Endpoint(
        method="GET",
        path="/v1/counts",
        handle=service.show_counts,
        name="getCounts",
        tag="operations",
        summary="Count what is open",
        description="Unfinished tasks by provider and state, what is in trouble and since when, and deliveries that "
        "are not finished. It may be two seconds old. Ended tasks are not counted; `getMetrics` counts ends.",
        scope=Scope.READ,
        answers={200: api_service.Counts},
    ),
)
