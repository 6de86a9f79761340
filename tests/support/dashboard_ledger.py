"""A ledger for looks at the dashboard: tasks in every state, a dead letter, a contradiction, words with markup."""

from typing import Any

from receiver.store.ids import id_maker
from submitter.model import ProviderTaskId, Source, TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.builders import a_report, a_task
from tests.support.dashboard_deliveries import fill_deliveries, fill_subscription
from tests.support.service import Served

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202eevil"
REQUEST = {
    "provider": "hiapi",
    "video": {
        "model": "happyhorse-1.1/reference-to-video",
        "prompt": "A lighthouse keeper climbs the stairs with a lamp, [Image 1], slow camera, dawn light through dust",
        "reference_images": ["https://pictures.example/lighthouse/keeper-7f3a.png"],
        "resolution": "1080P",
        "ratio": "16:9",
        "duration": 8,
    },
    "labels": {"team": "trailers"},
}


def task_id(number: int, at_ms: int) -> TaskId:
    return TaskId(id_maker(number.to_bytes)("tsk", at_ms))


async def fill(service: Served, sim: Simulator) -> dict[str, Any]:
    """Return ids by name, and the addresses of pages to look at."""
    now_ms = service.services.clock()
    ids: dict[str, Any] = {}
    await fill_subscription(service)
    for number, state in enumerate(
        [TaskState.QUEUED, TaskState.SUBMITTED, TaskState.UNCERTAIN, TaskState.SUCCEEDED, TaskState.FAILED] * 3
    ):
        await _add(service, number, state, now_ms - 7_000_000 + number * 400_000)
        ids[state.value] = task_id(number, now_ms - 7_000_000 + number * 400_000)
    ids["pages"] = {"tasks": "/ops/tasks", "filtered": "/ops/tasks?state=uncertain&state=failed&label=team%3Dtrailers"}
    ids["pages"] |= {state: f"/ops/tasks/{ids[state]}" for state in ("uncertain", "succeeded", "failed")}
    ids["pages"] |= {
        "act": "/ops/acts/cancel-tasks?label=team%3Dtrailers",
        "runs": "/ops/runs",
        "gone": "/ops/tasks/tsk_0",
    }
    dead_letter = await fill_deliveries(service)
    ids["pages"] |= {
        "deliveries": "/ops/deliveries",
        "delivery": f"/ops/deliveries/{dead_letter}",
        "redeliver": "/ops/acts/redeliver-deliveries?state=dead&state=pending",
    }
    return ids


async def _add(service: Served, number: int, state: TaskState, at_ms: int) -> None:
    store = service.services.store
    name, theirs = task_id(number, at_ms), ProviderTaskId(f"task_{number:04}_7d1f4c")
    is_known = state not in {TaskState.QUEUED, TaskState.UNCERTAIN}
    task = a_task(
        name,
        created_ms=at_ms,
        sent_ms=at_ms,
        submitted_ms=at_ms + 900 if is_known else None,
        state=state if state in {TaskState.QUEUED, TaskState.UNCERTAIN} else TaskState.RUNNING,
        provider_task_id=theirs if is_known else None,
        next_poll_ms=at_ms + 9_000_000 if is_known else None,
        queued_ms=at_ms,
        deadline_ms=at_ms + 1_800_000,
        request=REQUEST,
        labels={"team": "trailers"} if number % 2 else {"team": "shorts", "shot": f"scene-{number}"},
        notify_url="https://hooks.example/videos",
        notify_secret="whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==",
        acknowledged=True,
    )
    await store.submissions.open_task(task, at_ms)
    if state in {TaskState.SUCCEEDED, TaskState.FAILED}:
        report = a_report(
            state, theirs, source=Source.CALLBACK, raw=b'{"status":"done","note":"' + MARKUP.encode() + b'"}'
        )
        await store.ledger.record([report], at_ms + 95_000)
    if state is TaskState.FAILED:
        await store.ledger.record([a_report(TaskState.SUCCEEDED, theirs)], at_ms + 96_000)
    await store.ledger.mark_overdue(service.services.clock(), limit=100)
