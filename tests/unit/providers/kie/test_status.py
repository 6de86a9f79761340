"""Every recorded answer to a poll at kie.ai, with what it must come to."""

import json
from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import (
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
    Unavailable,
)
from submitter.providers import kie
from submitter.providers.origins import origin_of
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("task_example_0001")
MODEL = "happyhorse/reference-to-video"
ENDED_MS = 1_790_000_130_000
UNTIL_MS = ENDED_MS + 86_400_000
VIDEO = Output(url="https://cdn.example/v.mp4", expires_at_ms=UNTIL_MS)
FRAMES = (
    Output(url="https://cdn.example/f.png", type="first_frame", expires_at_ms=UNTIL_MS),
    Output(url="https://cdn.example/l.png", type="last_frame", expires_at_ms=UNTIL_MS),
)


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("kie", name, TASK_ID, state, raw_state, model=MODEL, **more)


DONE: dict[str, Any] = {"state": TaskState.SUCCEEDED, "raw_state": "success", "completed_at_ms": ENDED_MS}
EXPECTED: dict[str, StatusOutcome] = {
    "status_waiting": _seen("status_waiting", TaskState.SUBMITTED, "waiting"),
    "status_queuing": _seen("status_queuing", TaskState.SUBMITTED, "queuing"),
    "status_generating": _seen("status_generating", TaskState.RUNNING, "generating"),
    "status_success": _seen("status_success", **DONE, outputs=(VIDEO,)),
    "status_success_with_frames": _seen("status_success_with_frames", **DONE, outputs=(VIDEO, *FRAMES)),
    "status_success_broken_result": _seen("status_success_broken_result", **DONE),
    "status_fail": _seen(
        "status_fail",
        TaskState.FAILED,
        "fail",
        error=TaskError(code="422", message="the prompt was refused"),
        completed_at_ms=1_790_000_030_000,
    ),
    "status_other_id": recorded.unusable(
        "kie", "status_other_id", "the reply names task 'task_other', which is not the requested one"
    ),
    "status_401": recorded.denied("kie", "status_401", 401, "access denied"),
    "status_404": NotFound(raw=recorded.reply("kie", "status_404").body),
    "status_429": Throttled(),
    "status_455": recorded.unusable("kie", "status_455", "HTTP 455, 455: the service is under maintenance"),
    "status_no_record": recorded.unusable("kie", "status_no_record", "no taskId and state under data"),
}


@pytest.mark.parametrize("name", recorded.names("kie", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    assert kie.parse_status(TASK_ID, recorded.reply("kie", name), recorded.account("kie")) == EXPECTED[name]


@pytest.mark.parametrize("code", [402, 403, 433, 505])
def test_no_code_but_that_of_the_key_speaks_of_the_whole_account(code: int) -> None:
    body = json.dumps({"code": code, "msg": "no", "data": None}).encode()
    outcome = kie.parse_status(TASK_ID, HttpReply(status=200, body=body), recorded.account("kie"))
    assert isinstance(outcome, Unavailable) or not getattr(outcome, "is_about_account", True)


@pytest.mark.parametrize(
    "written",
    ["", "null", "[]", "{", '{"resultUrls":{}}', '{"resultUrls":["not a link"]}', "\ud800", "[" * 100_000, 7, None],
)
def test_a_result_that_cannot_be_read_is_no_output(written: object) -> None:
    data = {"taskId": TASK_ID, "state": "success", "resultJson": written}
    reply = HttpReply(status=200, body=json.dumps({"code": 200, "data": data}).encode())
    seen = kie.parse_status(TASK_ID, reply, recorded.account("kie"))
    assert isinstance(seen, Observation)
    assert (seen.state, seen.outputs) == (TaskState.SUCCEEDED, ())


@pytest.mark.parametrize(
    "places",
    [
        {"resultJson": {"resultUrls": ["https://cdn.example/v.mp4"]}},
        {"resultJson": "", "info": {"resultUrls": ["https://cdn.example/v.mp4"]}},
        {"response": {"resultUrls": ["https://cdn.example/v.mp4"]}},
        {"video_url": "https://cdn.example/v.mp4"},
    ],
)
def test_the_places_of_the_other_families_are_read(places: dict[str, Any]) -> None:
    data = {"taskId": TASK_ID, "state": "success", **places}
    reply = HttpReply(status=200, body=json.dumps({"code": 200, "data": data}).encode())
    seen = kie.parse_status(TASK_ID, reply, recorded.account("kie"))
    assert isinstance(seen, Observation)
    assert [each.url for each in seen.outputs] == ["https://cdn.example/v.mp4"]


def test_a_status_tells_when_its_task_was_created_and_of_which_model_it_is() -> None:
    seen = kie.parse_status(TASK_ID, recorded.reply("kie", "status_generating"), recorded.account("kie"))
    assert isinstance(seen, Observation)
    origin = origin_of("kie", seen)
    assert (origin.created_at_ms, origin.model) == (1_790_000_000_000, MODEL)
