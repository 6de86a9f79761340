"""Every recorded answer to a poll at a new-api gateway, in the four shapes, with what it must come to."""

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
from submitter.providers import newapi
from tests.unit.providers import recorded

TASK_ID = "task_0000000000000000000000000000abcd"
ACCOUNT = recorded.account("newapi")
PLAIN = Output(url="https://oss.example/v.mp4")
ENDED: dict[str, Any] = {"progress": 100, "completed_at_ms": 1_790_000_130_000}
OPENAI: dict[str, Any] = {"model": "happyhorse-1.0-r2v"}
RUNNING, SUCCEEDED, FAILED = TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("newapi", name, TASK_ID, state, raw_state, **more)


def _waiting(name: str, raw_state: str) -> StatusOutcome:
    return _seen(name, TaskState.SUBMITTED, raw_state, progress=30)


def _failed(name: str, raw_state: str, code: str, message: str, **more: Any) -> StatusOutcome:
    return _seen(name, FAILED, raw_state, error=TaskError(code=code, message=message), **more)


PUBLISHED = {
    "status_a_queued": _seen("status_a_queued", TaskState.SUBMITTED, "queued"),
    "status_a_processing": _seen("status_a_processing", RUNNING, "processing"),
    "status_a_completed": _seen("status_a_completed", SUCCEEDED, "completed", outputs=(PLAIN,)),
    "status_a_failed": _failed("status_a_failed", "failed", "content_policy", "the prompt was refused"),
}
TASK_LAYER = {
    "status_b_not_start": _waiting("status_b_not_start", "NOT_START"),
    "status_b_submitted": _waiting("status_b_submitted", "SUBMITTED"),
    "status_b_queued": _waiting("status_b_queued", "QUEUED"),
    "status_b_pending_submit": _waiting("status_b_pending_submit", "PENDING_SUBMIT"),
    "status_b_in_progress": _seen("status_b_in_progress", RUNNING, "IN_PROGRESS", progress=30),
    "status_b_retrying": _seen("status_b_retrying", RUNNING, "RETRYING", progress=30),
    "status_b_pending_settlement": _seen("status_b_pending_settlement", RUNNING, "PENDING_SETTLEMENT", progress=30),
    "status_b_unknown": _seen("status_b_unknown", RUNNING, "UNKNOWN", progress=30),
    "status_b_new_word": _seen("status_b_new_word", RUNNING, "ARCHIVED", progress=30, is_documented_state=False),
    "status_b_success": _seen(
        "status_b_success",
        SUCCEEDED,
        "SUCCESS",
        outputs=(Output(url="https://oss.example/v.mp4?Expires=1790086400", expires_at_ms=1_790_086_400_000),),
        **ENDED,
    ),
    "status_b_success_url_in_fail_reason": _seen(
        "status_b_success_url_in_fail_reason", SUCCEEDED, "SUCCESS", outputs=(PLAIN,), **ENDED
    ),
    "status_b_success_without_url": _seen(
        "status_b_success_without_url",
        SUCCEEDED,
        "SUCCESS",
        outputs=(Output(url=f"https://gateway.example/v1/videos/{TASK_ID}/content", needs_key=True),),
        **ENDED,
    ),
    "status_b_failure": _failed("status_b_failure", "FAILURE", "failed", "content check refused the prompt", **ENDED),
    "status_b_failure_reason_is_url": _failed(
        "status_b_failure_reason_is_url", "FAILURE", "failed", "https://oss.example/why.txt", **ENDED
    ),
    "status_b_failure_swept": _failed(
        "status_b_failure_swept",
        "FAILURE",
        "timed_out",
        "任务超时（60分钟）",
        progress=100,
        completed_at_ms=1_790_003_600_000,
    ),
    "status_b_data_null": recorded.unusable(
        "newapi", "status_b_data_null", "a 200 with neither the id of the task nor anything else about it"
    ),
    "status_b_fail_code": recorded.unusable("newapi", "status_b_fail_code", "fetch_task_failed: database"),
}
OPENAI_STYLE = {
    "status_c_unknown": _seen("status_c_unknown", RUNNING, "unknown", progress=0, **OPENAI),
    "status_c_in_progress": _seen("status_c_in_progress", RUNNING, "in_progress", progress=30, **OPENAI),
    "status_c_completed": _seen(
        "status_c_completed",
        SUCCEEDED,
        "completed",
        outputs=(Output(url="https://oss.example/v.mp4", expires_at_ms=1_790_086_530_000),),
        **ENDED,
        **OPENAI,
    ),
    "status_c_failed": _failed(
        "status_c_failed", "failed", "content_policy", "the prompt was refused", **ENDED, **OPENAI
    ),
    "status_other_id": recorded.unusable(
        "newapi", "status_other_id", "the reply names task 'task_other', which is not the requested one"
    ),
}
GEMINI_CHANNELS = {
    "status_d_processing": _seen("status_d_processing", RUNNING, "processing"),
    "status_d_succeeded": _seen("status_d_succeeded", SUCCEEDED, "succeeded", outputs=(PLAIN,)),
}
NO_STATEMENT: dict[str, StatusOutcome] = {
    "status_task_not_exist": NotFound(raw=recorded.reply("newapi", "status_task_not_exist").body),
    "status_400_other": recorded.unusable("newapi", "status_400_other", "HTTP 400, invalid_request: bad id"),
    "status_404_route": recorded.unusable(
        "newapi", "status_404_route", "HTTP 404, invalid_request_error: Invalid URL (GET /v1/video/generation)"
    ),
    "status_401": recorded.denied("newapi", "status_401", 401, "invalid token (request id: 1)"),
    "status_429": Throttled(retry_after_s=20.0),
}
EXPECTED = PUBLISHED | TASK_LAYER | OPENAI_STYLE | GEMINI_CHANNELS | NO_STATEMENT


@pytest.mark.parametrize("name", recorded.names("newapi", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    assert newapi.parse_status(ProviderTaskId(TASK_ID), recorded.reply("newapi", name), ACCOUNT) == EXPECTED[name]
