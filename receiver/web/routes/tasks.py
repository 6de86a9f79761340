"""Submit tasks, list them, show or wait for one, show its timeline."""

from receiver.config.api_keys import Scope
from receiver.web.api import files, finding, submits, tasks
from receiver.web.endpoint import Endpoint
from submitter import api, api_tasks

IDEMPOTENCY_KEY = (
    "The same key and body return the same task, paid for once. 1 to 255 visible ASCII characters.",
    "film-1-shot-7",
)

PREFER = (
    "`wait=N` means the same as the parameter `wait`, but one that is too long is shortened; see `Preference-Applied`.",
    "wait=30",
)

RANGE = ("The bytes that are wanted; others are answered 200 with the whole file.", "bytes=0-1048575")

PREFER_END = (
    "`wait=N`: answer when the task has ended, or after N seconds, or at once where too many wait already.",
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
        "one terminal event, also if the provider refuses it later (`task.refused`). With a preference to wait, a task "
        "that ends in time is answered 200.",
        scope=Scope.SUBMIT,
        keeps_limits=True,
        answers={200: api.SubmittedTask, 202: api.SubmittedTask},
        problems=(402,),
        headers={"Idempotency-Key": IDEMPOTENCY_KEY, "Prefer": PREFER_END},
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks/batch",
        handle=submits.submit_batch,
        name="submitBatch",
        tag="tasks",
        summary="Submit up to 100 tasks",
        description="Each task as `submitTask` takes it, with its own `idempotency_key`, and with its own outcome. All "
        "are checked before the first one is sent, and one that breaks a rule does not hold up the others. With "
        "`dry_run` they are only checked. If the caller goes away, the tasks are submitted all the same: send the same "
        "batch again to get their outcomes.",
        scope=Scope.SUBMIT,
        keeps_limits=True,
        answers={200: api_tasks.BatchAnswer},
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks",
        handle=tasks.list_tasks,
        name="listTasks",
        tag="tasks",
        summary="List tasks",
        description="The newest first, queued ones too; `queue` of one task has its place in the order of sending. "
        "All conditions must hold. A page may hold fewer than `limit` and not be the last.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: api.TasksPage},
    ),
    Endpoint(
        method="GET",
        path="/v1/find",
        handle=finding.find,
        name="findTasks",
        tag="tasks",
        summary="Find tasks by anything that names them",
        description="An id of ours or its beginning, the provider's id, `PROVIDER/ID`, an idempotency key, the id of "
        "an event or of a delivery, or a label. `read_as` says what the text was taken for.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: api_tasks.FoundTasks},
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
        keeps_limits=True,
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
        keeps_limits=True,
        answers={200: api.Timeline},
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks/{id}/explain",
        handle=tasks.explain,
        name="explainTask",
        tag="tasks",
        summary="Explain a task",
        description="Everything that happened to it, what happens next, and what an operator can do.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: api_tasks.Explanation},
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks/{id}/files/{number}",
        handle=files.show_file,
        name="getFile",
        tag="tasks",
        summary="Download a file of a task",
        description="The file of a task that succeeded, by its place in `outputs`, through this service. Only "
        "pictures, films and sound are handed on, up to 512 MiB. With `Range` a part of it.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: None, 206: None},
        media_type="video/mp4",
        problems=(409, 416, 502),
        headers={"Range": RANGE},
    ),
)
