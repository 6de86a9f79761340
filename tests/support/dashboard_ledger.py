"""A ledger for looks at the dashboard: tasks in every state, a dead letter, a contradiction, words with markup."""

from typing import Any

from receiver.store.accounts import PollPause
from receiver.store.audit import AuditEntry
from receiver.store.backups import BackupNote
from receiver.store.ids import id_maker
from receiver.store.minutes import MINUTE_MS, MinuteKey
from receiver.store.processes import ProcessRow
from receiver.tasks.model.search import TaskSearch
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import Output, ProviderTaskId, Source, TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.builders import a_report, a_task
from tests.support.dashboard_deliveries import fill_deliveries
from tests.support.dashboard_doubtful import fill_looks
from tests.support.dashboard_subscriptions import deliver_some, subscribe_some
from tests.support.delivery_fixtures import finish, lease
from tests.support.service import Served

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202eevil"
FILM = "https://cdn.example/films/lighthouse-9d2c.mp4"
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
    await subscribe_some(service, now_ms, MARKUP)
    for number, state in enumerate(
        [TaskState.QUEUED, TaskState.SUBMITTED, TaskState.UNCERTAIN, TaskState.SUCCEEDED, TaskState.FAILED] * 3
    ):
        await _add(service, number, state, now_ms - 7_000_000 + number * 400_000)
        ids[state.value] = task_id(number, now_ms - 7_000_000 + number * 400_000)
    ids["pages"] = {"tasks": "/ops/tasks", "filtered": "/ops/tasks?state=uncertain&state=failed&label=team%3Dtrailers"}
    ids["pages"] |= {state: f"/ops/tasks/{ids[state]}" for state in ("uncertain", "succeeded", "failed")}
    await _troubles(service, now_ms)
    ids["pages"] |= {"now": "/ops", "providers": "/ops/providers", "provider": "/ops/providers/hiapi"}
    ids["pages"] |= {"resume": "/ops/acts/resume-provider?provider=hiapi", "gone provider": "/ops/providers/none"}
    doubtful = [task_id(number, now_ms - 7_000_000 + number * 400_000) for number in (2, 7, 12)]
    look = await fill_looks(service, [str(each) for each in doubtful], MARKUP)
    ids["pages"] |= {
        "doubtful": "/ops/doubtful",
        "look": "/ops/acts/look-candidates",
        "accept": "/ops/acts/settle-candidates",
    }
    dead_letter = await fill_deliveries(service, now_ms)
    ids["pages"] |= {
        "deliveries": "/ops/deliveries",
        "delivery": f"/ops/deliveries/{dead_letter}",
        "redeliver": "/ops/acts/redeliver-deliveries?state=dead&state=pending",
    }
    ids["pages"] |= {
        "act": "/ops/acts/cancel-tasks?label=team%3Dtrailers",
        "reconcile": "/ops/acts/reconcile-tasks?overdue=1",
        "settle": f"/ops/acts/settle-task?task={ids['uncertain']}&way=refused",
        "settle as failed": f"/ops/acts/settle-task?task={ids['submitted']}&way=failed&value=it+shows+nothing",
        "runs": "/ops/runs",
        "run": f"/ops/runs/{look}",
        **await deliver_some(service, now_ms),
        "gone": "/ops/tasks/tsk_0",
        "ledger": "/ops/ledger",
        "audit": "/ops/audit",
        "nothing audited": "/ops/audit?actor=nobody",
    }
    await fill_audit(service, ids)
    return ids


async def cure_most(service: Served) -> None:
    """What a person can end ends; the denied key, the uncertain submits and the contradictions stay."""
    services = service.services
    now_ms, actor = services.clock(), "key ops-lena"
    for name in ("sub_storyboards", "sub_boards"):
        await services.subscriptions.resume(name, actor=actor)
    found = await services.store.task_search.page(
        TaskSearch(states=frozenset({TaskState.QUEUED, TaskState.SUBMITTED, TaskState.RUNNING}))
    )
    for task in found.tasks:
        if task.provider_task_id is None:
            await services.store.queue.cancel(task.id, actor=actor, now_ms=now_ms)
        else:
            await services.store.ledger.record([a_report(provider_task_id=task.provider_task_id)], now_ms)
    dead = await services.store.deliveries.deliveries(state=DeliveryState.DEAD, limit=100)
    for delivery in dead.items:
        await services.store.outbox.redeliver(delivery.id, actor=actor, now_ms=now_ms)
    # By then no lease of before counts, and what was put off is due.
    await finish(services.store, await lease(services.store, now_ms=now_ms + 3_600_000), at_ms=now_ms)


async def fill_audit(service: Served, ids: dict[str, Any]) -> None:
    """What people and the service did, a backup, and three processes of which one is gone."""
    store, now_ms = service.services.store, service.services.clock()
    hours = 3_600_000
    lines: list[tuple[str, str, dict[str, Any], str | None]] = [
        ("key ops-lena", "settle", {"task_id": "task_0002_7d1f4c", "instead_of": None}, ids["uncertain"]),
        ("command line", "provider resumed", {"provider": "hiapi", "tasks_made_due": 31}, None),
        ("service", "subscription disabled", {"subscription": "sub_01k7aw9c2e", "reason": "failing"}, None),
        ("key all", "redeliver", {"delivery": "dlv_01k7aw9c2e"}, ids["failed"]),
        ("key " + MARKUP, "cancel", {"answer": MARKUP * 20}, ids["submitted"]),
    ]
    for number, (actor, action, detail, task) in enumerate(lines):
        entry = AuditEntry(actor=actor, action=action, detail=detail, task_id=task)
        await store.audit.record(entry, now_ms=now_ms - (9 - number) * 2 * MINUTE_MS)
    await store.backups.note(BackupNote(at_ms=now_ms - 5 * hours, place="/var/backups/whenfinal/monday.db"))
    for number, role in enumerate(("worker", "web", "serve")):
        seen_ms = now_ms - (number * 2 * hours)
        process = ProcessRow(
            id=f"node-{number}",
            role=role,
            version="0.9.1",
            python="3.11.9",
            host=f"video-{number + 1}.internal.example",
            pid=4100 + number,
            started_ms=now_ms - 30 * hours - number,
            seen_ms=seen_ms,
            pruned_ms=seen_ms - 40_000 if role != "web" else None,
        )
        await store.processes.seen(process)


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
        deadline_ms=at_ms + (86_400_000 if state is TaskState.UNCERTAIN else 1_800_000),
        request=REQUEST,
        labels={"team": "trailers"} if number % 2 else {"team": "shorts", "shot": f"scene-{number}"},
        notify_url="https://hooks.example/videos",
        notify_secret="whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ==",
        acknowledged=True,
        callback_expected=True,
        submits=1 if is_known else 0,
    )
    await store.submissions.open_task(task, at_ms)
    if state in {TaskState.SUCCEEDED, TaskState.FAILED}:
        raw = b'{"status":"done","note":"' + MARKUP.encode() + b'"}'
        outputs = (Output(url=FILM, expires_at_ms=at_ms + 86_400_000),) if state is TaskState.SUCCEEDED else ()
        report = a_report(state, theirs, source=Source.CALLBACK, raw=raw, outputs=outputs)
        await store.ledger.record([report], at_ms + 95_000)
    if state is TaskState.FAILED:
        await store.ledger.record([a_report(TaskState.SUCCEEDED, theirs)], at_ms + 96_000)
    await store.ledger.mark_overdue(service.services.clock(), limit=100)


async def _troubles(service: Served, now_ms: int) -> None:
    """A key that is denied and a state that nobody knows, both in words with markup, and a day of counts."""
    for number, word in ((1, "waiting_for_review"), (6, f"<b>held</b> {MARKUP}")):
        theirs = ProviderTaskId(f"task_{number:04}_7d1f4c")
        report = a_report(TaskState.RUNNING, theirs, raw_state=word, is_documented_state=False)
        await service.services.store.ledger.record([report], now_ms - 600_000)
    pause = PollPause(
        until_ms=now_ms + 240_000,
        reason="denied",
        alarm=f"polls are denied: 401 the key of {MARKUP} is not valid any more",
    )
    await service.services.store.providers.pause("hiapi", pause, now_ms=now_ms)
    counts: dict[MinuteKey, int] = {}
    for number in range(95):
        at_ms = now_ms - now_ms % MINUTE_MS - number * 15 * MINUTE_MS
        counts |= {
            MinuteKey("whenfinal_tasks_final", at_ms, "hiapi", "succeeded/callback/true"): 40 + number * 7 % 31,
            MinuteKey("whenfinal_tasks_final", at_ms, "hiapi", "failed/poll/true"): number % 4 // 3,
            MinuteKey("whenfinal_callbacks", at_ms, "hiapi", "applied"): 40,
            MinuteKey("whenfinal_submits", at_ms, "hiapi", "accepted"): 41 + number * 7 % 31,
            MinuteKey("whenfinal_submits", at_ms, "hiapi", "uncertain"): number % 40 // 39,
            MinuteKey("whenfinal_task_duration_seconds", at_ms, "hiapi", "succeeded/85"): 30,
            MinuteKey("whenfinal_task_duration_seconds", at_ms, "hiapi", "succeeded/288"): 3,
        }
    await service.services.store.minutes.add(counts, names=[], now_ms=now_ms)
