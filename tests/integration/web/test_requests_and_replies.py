"""What was asked for and what was answered: the request of a task, and replies that could not be used."""

import json
from typing import Any

from submitter.model import ProviderTaskId, TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_report
from tests.support.service import Served

REQUEST = {"provider": "hiapi", "video": {"model": "m", "prompt": "a horse at dawn"}, "notify": {"url": "https://a.b"}}
SECRET = "whsec_" + "c2VjcmV0" * 4


async def test_a_task_is_shown_with_its_request_and_a_page_and_events_are_not(service: Served) -> None:
    await service.has(request=REQUEST, notify_url="https://a.b", notify_secret=SECRET)
    shown = await service.get("/v1/tasks/tsk_1", key="read")
    assert shown.json()["request"] == REQUEST
    assert SECRET not in shown.text
    (listed,) = (await service.get("/v1/tasks", key="read")).json()["tasks"]
    assert "request" not in listed
    await service.services.store.ledger.record([a_report(provider_task_id="p1")], T0)
    (event,) = await service.services.store.events.events(0)
    assert set(json.loads(event.body)["data"]["task"]) == set(listed)
    assert (await service.get("/v1/tasks/tsk_1?wait=1")).json()["request"] == REQUEST


async def test_a_task_that_was_submitted_elsewhere_has_no_request(service: Served) -> None:
    await service.has(request={}, adopted=True)
    assert (await service.get("/v1/tasks/tsk_1")).json()["request"] is None


async def test_the_reply_that_could_not_be_used_is_on_the_timeline_of_every_reader(service: Served) -> None:
    await service.has(provider_task_id=None, state=TaskState.SUBMITTING)
    lost = Uncertain(reason="is no JSON", provider_task_id=ProviderTaskId("p7"), raw=b"<html>\x00\xff")
    await service.services.store.submissions.store_uncertain(TaskId("tsk_1"), lost, next_poll_ms=None, now_ms=T0)
    lines: list[dict[str, Any]] = (await service.get("/v1/tasks/tsk_1/timeline", key="read")).json()["timeline"]
    *_, said = [line["detail"] for line in lines if line["kind"] == "observation"]
    assert said["reply"] == r"<html>\x00\xff"
    assert (said["reason"], said["task_id"]) == ("is no JSON", "p7")


async def test_the_message_of_a_callback_stays_out_of_the_timeline_of_readers(service: Served) -> None:
    await service.has()
    await service.calls_back()
    story = (await service.get("/v1/tasks/tsk_1/timeline")).json()["timeline"]
    assert [line["detail"]["state"] for line in story if line["kind"] == "observation"][-1] == "succeeded"
    assert not any({"raw", "reply"} & set(line["detail"]) for line in story)
