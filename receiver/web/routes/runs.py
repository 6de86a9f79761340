"""Acts on all that a filter finds, and the runs that do them."""

from collections.abc import Mapping

from receiver.config.api_keys import Scope
from receiver.web.api import acts, runs
from receiver.web.endpoint import Endpoint
from submitter import api_runs
from submitter.api import ApiModel

IDEMPOTENCY_KEY = (
    "The same key and body lead to the same run. 1 to 255 visible ASCII characters.",
    "night-of-2026-09-21",
)

_HEADERS = {"Idempotency-Key": IDEMPOTENCY_KEY}

_ANSWERS: Mapping[int, type[ApiModel]] = {200: api_runs.RunPreview, 202: api_runs.Run}

_HOW = (
    "With `dry_run` the answer says how many fit, and nothing is changed. Else it is a run, which goes on in the "
    "service; `getRun` shows how far it is. What came after the request is left alone."
)

RUN_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/v1/tasks/reconcile",
        handle=acts.reconcile_tasks,
        name="reconcileFoundTasks",
        tag="runs",
        summary="Reconcile all tasks of a filter",
        description=f"Poll the providers about the unfinished tasks that fit, within their rate budgets. {_HOW}",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers=_ANSWERS,
        headers=_HEADERS,
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/cancel",
        handle=acts.cancel_tasks,
        name="cancelFoundTasks",
        tag="runs",
        summary="Cancel all tasks of a filter",
        description=f"As `cancelTask`, for the newest 500 that fit. It cannot be taken back. {_HOW}",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers=_ANSWERS,
        headers=_HEADERS,
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/settle",
        handle=acts.settle_tasks,
        name="settleFoundTasks",
        tag="runs",
        summary="Settle all uncertain tasks of a filter",
        description="As never created, for the newest 500 that fit; or each with the only candidate that a run of "
        f"`lookForFoundTasks` found for it within the last 30 minutes. It cannot be taken back. {_HOW}",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers=_ANSWERS,
        problems=(404, 409),
        headers=_HEADERS,
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/look",
        handle=acts.look_for_tasks,
        name="lookForFoundTasks",
        tag="runs",
        summary="Look for all lost submits of a filter",
        description=f"As `lookForTask`, for the newest 20 that fit. What is found is in the notes of the run. {_HOW}",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers=_ANSWERS,
        problems=(409,),
        headers=_HEADERS,
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/redeliver",
        handle=acts.redeliver_of_tasks,
        name="redeliverOfFoundTasks",
        tag="runs",
        summary="Redeliver the dead letters of all tasks of a filter",
        description=f"Send them again now, with all their retries. A preview looks at the newest 500 tasks. {_HOW}",
        scope=Scope.OPERATE,
        answers=_ANSWERS,
        headers=_HEADERS,
    ),
    Endpoint(
        method="POST",
        path="/v1/deliveries/redeliver",
        handle=acts.redeliver,
        name="redeliverFound",
        tag="runs",
        summary="Redeliver all deliveries of a filter",
        description=f"Send these events again now, with all their retries; dead letters unless `state`, `failing` or "
        f"`ids` say otherwise. {_HOW}",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers=_ANSWERS,
        headers=_HEADERS,
    ),
    Endpoint(
        method="GET",
        path="/v1/runs",
        handle=runs.list_runs,
        name="listRuns",
        tag="runs",
        summary="List runs",
        description="The newest first, those of the dashboard too. A run is kept for 90 days.",
        scope=Scope.OPERATE,
        answers={200: api_runs.RunsPage},
    ),
    Endpoint(
        method="GET",
        path="/v1/runs/{id}",
        handle=runs.show_run,
        name="getRun",
        tag="runs",
        summary="Get or wait for a run",
        description="How far it is, at once, or with `wait` when it has ended or the time is over.",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers={200: api_runs.Run},
    ),
    Endpoint(
        method="POST",
        path="/v1/runs/{id}/stop",
        handle=runs.stop_run,
        name="stopRun",
        tag="runs",
        summary="Stop a run",
        description="It ends after the items that it works on. A run that has ended stays as it is.",
        scope=Scope.OPERATE,
        keeps_limits=True,
        answers={200: api_runs.Run},
    ),
)
