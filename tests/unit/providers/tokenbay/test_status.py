"""Every recorded answer to a poll at TokenBay, with what it must come to."""

from typing import Any

import pytest

from submitter.model import (
    NotFound,
    Output,
    ProviderTaskId,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
)
from submitter.providers import tokenbay
from tests.unit.providers import recorded

TASK_ID = "task_abc"
OWN = Output(url="https://api.tokenbay.com/v1/videos/task_abc/content", needs_key=True)


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("tokenbay", name, TASK_ID, state, raw_state, **more)


def _succeeded(name: str, output: Output) -> StatusOutcome:
    return _seen(name, TaskState.SUCCEEDED, "SUCCESS", progress=100, outputs=(output,))


def _failed(name: str, raw_state: str, message: str) -> StatusOutcome:
    error = TaskError(code="failed", message=message)
    return _seen(name, TaskState.FAILED, raw_state, progress=100, error=error)


EXPECTED: dict[str, StatusOutcome] = {
    "status_queued": _seen("status_queued", TaskState.SUBMITTED, "QUEUED", progress=0),
    "status_in_progress": _seen("status_in_progress", TaskState.RUNNING, "IN_PROGRESS", progress=50),
    "status_success": _succeeded("status_success", OWN),
    "status_success_under_data": _succeeded("status_success_under_data", OWN),
    "status_success_elsewhere": _succeeded("status_success_elsewhere", Output(url="https://cdn.example/v.mp4")),
    "status_failure": _failed("status_failure", "FAILURE", "content check refused the prompt"),
    "status_failed_lower_case": _failed("status_failed_lower_case", "failed", "no reason"),
    "status_error_within_200": recorded.unusable("tokenbay", "status_error_within_200", "internal_error: internal"),
    "status_400_not_found": NotFound(raw=recorded.reply("tokenbay", "status_400_not_found").body),
    "status_not_found_within_200": NotFound(raw=recorded.reply("tokenbay", "status_not_found_within_200").body),
    "status_400_parameters": recorded.unusable(
        "tokenbay", "status_400_parameters", "HTTP 400, invalid_request_error: bad parameters"
    ),
    "status_404": recorded.unusable("tokenbay", "status_404", "HTTP 404, invalid_request_error: no such route"),
    "status_403": recorded.denied("tokenbay", "status_403", 403, "ip not allowed"),
    "status_key_within_200": recorded.denied("tokenbay", "status_key_within_200", 401, "key"),
    "status_rate_within_200": Throttled(retry_after_s=9.0),
    "status_429": Throttled(),
}


@pytest.mark.parametrize("name", recorded.names("tokenbay", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("tokenbay", name)
    assert tokenbay.parse_status(ProviderTaskId(TASK_ID), reply, recorded.account("tokenbay")) == EXPECTED[name]
