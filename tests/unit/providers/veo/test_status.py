"""Every recorded answer to a poll at the Gemini API, with what it must come to."""

from typing import Any

import pytest

from submitter.model import NotFound, Output, ProviderTaskId, StatusOutcome, TaskError, TaskState, Throttled
from submitter.providers import veo
from tests.unit.providers import recorded
from tests.unit.providers.statuses import document, seen

TASK_ID = ProviderTaskId("models/veo-3.1-generate-preview/operations/op0001")
VIDEO = Output(url="https://generativelanguage.googleapis.com/v1beta/files/f1:download?alt=media")
WRONG_KEY = "API key not valid. Please pass a valid API key."


def _seen(name: str, state: TaskState, **more: Any) -> StatusOutcome:
    raw_state = "not done" if state is TaskState.RUNNING else "done"
    return recorded.polled("veo", name, TASK_ID, state, raw_state, **more)


def _failed(name: str, code: str, message: str) -> StatusOutcome:
    return _seen(name, TaskState.FAILED, error=TaskError(code=code, message=message))


EXPECTED: dict[str, StatusOutcome] = {
    "status_running": _seen("status_running", TaskState.RUNNING),
    "status_not_done": _seen("status_not_done", TaskState.RUNNING),
    "status_done": _seen("status_done", TaskState.SUCCEEDED, outputs=(VIDEO,)),
    "status_done_partly_filtered": _seen("status_done_partly_filtered", TaskState.SUCCEEDED, outputs=(VIDEO,)),
    "status_filtered": _failed("status_filtered", "content_filtered", "the output was held back"),
    "status_filtered_without_reason": _failed(
        "status_filtered_without_reason", "content_filtered", "the safety filter withheld the video"
    ),
    "status_done_empty": _failed(
        "status_done_empty", "no_video", "the operation is done and has neither a video nor a reason"
    ),
    "status_error": _failed("status_error", "INVALID_ARGUMENT", "bad picture"),
    "status_sample_without_uri": _seen("status_sample_without_uri", TaskState.SUCCEEDED),
    "status_other_form": _seen("status_other_form", TaskState.SUCCEEDED, is_documented_state=False),
    "status_other_id": recorded.unusable(
        "veo", "status_other_id", f"the reply names task '{TASK_ID}2', which is not the requested one"
    ),
    "status_404": NotFound(raw=recorded.reply("veo", "status_404").body),
    "status_404_html": recorded.unusable(
        "veo", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_400_wrong_key": recorded.denied("veo", "status_400_wrong_key", 401, WRONG_KEY),
    "status_403": recorded.denied("veo", "status_403", 403, "no permission"),
    "status_429": Throttled(retry_after_s=7.0),
    "status_503": recorded.unusable("veo", "status_503", "HTTP 503, UNAVAILABLE: overloaded"),
}


@pytest.mark.parametrize("name", recorded.names("veo", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("veo", name)
    assert veo.parse_status(TASK_ID, reply, recorded.account("veo")) == EXPECTED[name]


@pytest.mark.parametrize("done", ["true", 1, "done", []])
def test_only_true_is_done_and_anything_else_is_not_documented(done: object) -> None:
    found = seen("veo", document("veo", "not done", {"done": done}))
    assert (found.state, found.is_documented_state) == (TaskState.RUNNING, False)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": 8, "message": "busy"}, "RESOURCE_EXHAUSTED", "busy"),
        ({"code": 8, "status": "OTHER", "message": "busy"}, "OTHER", "busy"),
        ({"code": 99, "message": "busy"}, "99", "busy"),
        ({"code": True}, "failed", "the provider gave no reason"),
        ("in words", "failed", "in words"),
        ([1], "failed", "the provider gave no reason"),
    ],
)
def test_an_error_is_named_by_its_grpc_code(error: object, code: str, message: str) -> None:
    found = seen("veo", document("veo", "done", {"error": error}))
    assert (found.state, found.error) == (TaskState.FAILED, TaskError(code=code, message=message))
