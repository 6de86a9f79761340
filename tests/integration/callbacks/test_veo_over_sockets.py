"""Veo through a whole service: a thin event of the project's webhook, a poll, one end; and what is no such event."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.callbacks.model import make_account_callback_url
from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.task import Task
from submitter.model import TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from submitter.simulator.media import video_of
from submitter.standard_webhooks import webhook_headers
from tests.support.service import SECRET_KEY, Served, served

SECRET = "whsec_c2ltLXZlby13ZWJob29rLXNlY3JldC0w"
ORDER = {"provider": "veo", "video": {"model": "veo-3.1-generate-preview", "prompt": "a horse at dawn", "duration": 6}}
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with running(SimulatorConfig(speed=1.0)) as sim:
        settings = {
            "WHENFINAL_PROVIDERS": "veo",
            "VEO_API_KEY": sim.key("veo"),
            "VEO_BASE_URL": sim.base_url("veo"),
            "VEO_WEBHOOK_SECRET": SECRET,
        }
        async with served(tmp_path, None, **settings) as service:
            yield service, sim


async def _submitted(service: Served) -> Task:
    return await service.task((await service.post("/v1/tasks", ORDER)).json()["id"])


async def _polled(service: Served, task: Task) -> Task:
    condition = ReconcileFilter(task=task.id)
    await service.services.manual_reconcile.run(
        ManualRequest(condition=condition, mode=ReconcileMode.APPLY, actor="test")
    )
    return await service.task(task.id)


def _event(name: str, kind: str = "video.generated") -> bytes:
    data = {"id": name, "output_file_uri": "https://x.example/v.mp4", "file_name": "files/f1"}
    return json.dumps({"type": kind, "version": "v1", "timestamp": "2026-09-01T10:00:00Z", "data": data}).encode()


async def _posts(
    service: Served, body: bytes, *, age_s: int = 0, secret: str = SECRET, **changes: Any
) -> httpx.Response:
    now_s = service.services.clock() // 1000
    headers = webhook_headers([secret], message_id="msg_1", timestamp_s=now_s - age_s, body=body)
    address = make_account_callback_url(service.url, [SECRET_KEY], "veo")
    sent = dict(changes.get("headers", headers))
    return await service.http.post(address, content=body, headers={**sent, "content-type": "application/json"})


async def _is_due(service: Served, task: Task) -> bool:
    return ((await service.task(task.id)).next_poll_ms or 0) <= service.services.clock()


async def _events(service: Served) -> list[str]:
    return [event.type for event in await service.services.store.events.events(0)]


async def test_an_event_makes_the_task_due_and_a_poll_brings_the_one_end_and_its_file(scene: Scene) -> None:
    service, sim = scene
    address = make_account_callback_url(service.url, [SECRET_KEY], "veo")
    sim._world.account_callback_urls["veo"] = address
    task = await _submitted(service)
    assert not await _is_due(service, task)
    sim.finish(task.provider_task_id or "")
    record = sim._world.tasks[task.provider_task_id or ""]
    await record.posted.wait()
    assert [attempt.is_delivered for attempt in record.callbacks] == [True]
    assert await _is_due(service, task)
    assert await _events(service) == []
    done = await _polled(service, task)
    assert done.state is TaskState.SUCCEEDED
    for _ in range(2):  # late and repeated
        assert (await _posts(service, _event(task.provider_task_id or ""))).is_success
    assert await _events(service) == ["task.succeeded"]
    assert sim.key("veo") not in repr(done.outputs)
    film = await service.get(f"/v1/tasks/{task.id}/files/0")
    assert film.content == video_of(task.provider_task_id or "", 6)


async def test_an_event_before_the_end_ends_nothing(scene: Scene) -> None:
    service, _ = scene
    task = await _submitted(service)
    assert (await _posts(service, _event(task.provider_task_id or ""))).is_success
    assert (await _polled(service, task)).state in {TaskState.SUBMITTED, TaskState.RUNNING}
    assert await _events(service) == []


async def test_a_wrong_missing_or_stale_signature_changes_nothing(scene: Scene) -> None:
    service, _ = scene
    task = await _submitted(service)
    body = _event(task.provider_task_id or "")
    answers = [
        await _posts(service, body, secret="whsec_b3RoZXItc2VjcmV0LW9mLXRoZS10ZXN0cw=="),
        await _posts(service, body, headers={}),
        await _posts(service, body, age_s=400),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert not await _is_due(service, task)


@pytest.mark.parametrize(
    ("name", "kind"), [("batch_1", "batch.succeeded"), ("vid_1", "video.generated"), ("x", "ping")]
)
async def test_events_that_report_no_task_are_answered_2xx_and_recorded_nowhere(
    scene: Scene, name: str, kind: str
) -> None:
    service, _ = scene
    assert (await _posts(service, _event(name, kind))).is_success
    assert sum((await service.services.store.tasks.counts()).values()) == 0


async def test_a_withheld_video_is_found_by_polling_alone(scene: Scene) -> None:
    service, sim = scene
    task = await _submitted(service)
    sim.cancel(task.provider_task_id or "")
    ended = await _polled(service, task)
    assert ended.state is TaskState.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.message) == ("content_filtered", "the output was held back")
    assert await _events(service) == ["task.failed"]
