"""Submit tasks, list them, show or wait for one, show its timeline."""

from receiver.config.api_keys import Scope
from receiver.web.api import submits, tasks
from receiver.web.endpoint import Endpoint
from submitter import api

IDEMPOTENCY_KEY = (
    "The same key and body return the same task, paid for once. 1 to 255 visible ASCII characters.",
    "film-1-shot-7",
)

PREFER = (
    "`wait=N` means the same as the parameter `wait`, but one that is too long is shortened; see `Preference-Applied`.",
    "wait=30",
)

TASK_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/v1/tasks",
        handle=submits.submit_task,
        name="submitTask",
        tag="tasks",
        summary="Submit a task",
        description="Send a task to its provider, or queue it until its account has room. The state `uncertain` means "
        "that it may exist and may have been paid for: do not submit it again. After a 202 the task ends in exactly "
        "one terminal event, also if the provider refuses it later (`task.refused`).",
        scope=Scope.SUBMIT,
        answers={202: api.SubmittedTask},
        problems=(402,),
        headers={"Idempotency-Key": IDEMPOTENCY_KEY},
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks",
        handle=tasks.list_tasks,
        name="listTasks",
        tag="tasks",
        summary="List tasks",
        description="The newest first, queued ones too; `queue` of one task has its place in the order of sending. "
        "All conditions must hold.",
        scope=Scope.READ,
        answers={200: api.TasksPage},
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks/{id}",
        handle=tasks.show_task,
        name="getTask",
        tag="tasks",
        summary="Get or wait for a task",
        description="At once, or with `wait` when the task has ended or the time is over. With its request.",
        scope=Scope.READ,
        answers={200: api.TaskDetail},
        headers={"Prefer": PREFER},
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks/{id}/timeline",
        handle=tasks.show_timeline,
        name="getTimeline",
        tag="tasks",
        summary="Get the timeline of a task",
        description="Everything that happened to the task, in order.",
        scope=Scope.READ,
        answers={200: api.Timeline},
    ),
)
