"""Every recorded answer to a poll at Modellix, with what it must come to."""

from typing import Any

import pytest

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import (
    NotFound,
    Output,
    ProviderTaskId,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
)
from submitter.providers import modellix
from tests.unit.providers import recorded

TASK_ID = "task-0001"
URL = "https://file.modellix.ai/v.mp4"


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("modellix", name, TASK_ID, state, raw_state, **more)


def _failed(name: str, code: str, message: str) -> StatusOutcome:
    return _seen(name, TaskState.FAILED, "failed", error=TaskError(code=code, message=message))


EXPECTED: dict[str, StatusOutcome] = {
    "status_pending": _seen("status_pending", TaskState.SUBMITTED, "pending"),
    "status_processing": _seen("status_processing", TaskState.RUNNING, "processing"),
    "status_success": _seen(
        "status_success",
        TaskState.SUCCEEDED,
        "success",
        outputs=(Output(url=URL, expires_at_ms=1_790_604_930_000),),
    ),
    "status_success_iso_end": _seen(
        "status_success_iso_end",
        TaskState.SUCCEEDED,
        "success",
        outputs=(Output(url=URL, expires_at_ms=1_790_602_530_000),),
    ),
    "status_success_other_place": _seen(
        "status_success_other_place", TaskState.SUCCEEDED, "completed", outputs=(Output(url=URL),)
    ),
    "status_failed": _failed("status_failed", "failed", "the provider gave no reason"),
    "status_failed_with_error": _failed("status_failed_with_error", "content_blocked", "the prompt was blocked"),
    "status_failed_with_code": _failed("status_failed_with_code", "500", "Internal: the model failed"),
    "status_cancelled": _seen("status_cancelled", TaskState.CANCELED, "cancelled"),
    "status_404": NotFound(raw=recorded.reply("modellix", "status_404").body),
    "status_429": Throttled(retry_after_s=3.0),
    "status_other_id": recorded.unusable(
        "modellix", "status_other_id", "the reply names task 'task-0002', which is not the requested one"
    ),
}


@pytest.mark.parametrize("name", recorded.names("modellix", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("modellix", name)
    assert modellix.parse_status(ProviderTaskId(TASK_ID), reply, recorded.account("modellix")) == EXPECTED[name]


def test_modellix_does_not_call_back() -> None:
    with pytest.raises(UnreadableCallback, match="does not call back"):
        modellix.parse_callback(Callback(body=b"{}"), recorded.account("modellix"), 0)
