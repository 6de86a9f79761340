"""Every recorded answer to a poll, to the call for a result and to a cancellation at fal, with what it must come to."""

from dataclasses import replace
from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import (
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
)
from submitter.providers import fal
from tests.unit.providers import recorded

ACCOUNT = recorded.account("fal")
TASK_ID = ProviderTaskId("00000000-0000-4000-8000-00000000f001")
ADDRESSED = ProviderTaskId(f"alibaba/happy-horse/requests/{TASK_ID}")
VIDEO = Output(url="https://v3.fal.media/files/example/v.mp4")
CHECK = TaskError(code="content_policy_violation", message="body.prompt: refused by the content check")


def _seen(name: str, state: TaskState, raw_state: str = "COMPLETED", **more: Any) -> Observation:
    return recorded.polled("fal", name, TASK_ID, state, raw_state, **more)


def _failed(name: str, code: str, message: str, **more: Any) -> Observation:
    return _seen(name, TaskState.FAILED, error=TaskError(code=code, message=message), **more)


STATUSES: dict[str, StatusOutcome] = {
    "status_in_queue": _seen("status_in_queue", TaskState.SUBMITTED, "IN_QUEUE"),
    "status_in_progress": _seen("status_in_progress", TaskState.RUNNING, "IN_PROGRESS"),
    "status_completed": _seen("status_completed", TaskState.SUCCEEDED, without_result=True),
    "status_completed_with_error": _failed(
        "status_completed_with_error", "startup_timeout", "the runner did not start in time"
    ),
    "status_completed_with_error_text": _failed(
        "status_completed_with_error_text", "failed", "Invalid status code: 422"
    ),
    "status_canceled": _seen(
        "status_canceled",
        TaskState.CANCELED,
        error=TaskError(code="client_cancelled", message="cancelled by the client"),
    ),
    "status_failed_word": replace(
        _failed("status_failed_word", "failed", "the provider gave no reason", is_documented_state=False),
        raw_state="FAILED",
    ),
    "status_canceled_word": _seen("status_canceled_word", TaskState.CANCELED, "CANCELED", is_documented_state=False),
    "status_other_id": recorded.unusable(
        "fal",
        "status_other_id",
        "the reply names task '00000000-0000-4000-8000-00000000f009', which is not the requested one",
    ),
    "status_401": recorded.denied("fal", "status_401", 401, "no such key"),
    "status_404": NotFound(raw=recorded.reply("fal", "status_404").body),
    "status_404_html": recorded.unusable(
        "fal", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_405": recorded.unusable("fal", "status_405", "HTTP 405, failed: Method Not Allowed"),
    "status_429": Throttled(retry_after_s=7.0),
    "status_503": recorded.unusable("fal", "status_503", "HTTP 503, failed: temporarily unable"),
}


@pytest.mark.parametrize("name", recorded.names("fal", "status"))
@pytest.mark.parametrize("asked", [TASK_ID, ADDRESSED])
def test_a_recorded_status_is_read_as_documented(name: str, asked: ProviderTaskId) -> None:
    assert fal.parse_status(asked, recorded.reply("fal", name), ACCOUNT) == STATUSES[name]


# The second call


RESULTS: dict[str, StatusOutcome] = {
    "result_video": _seen("result_video", TaskState.SUCCEEDED, outputs=(VIDEO,)),
    "result_videos": _seen(
        "result_videos",
        TaskState.SUCCEEDED,
        outputs=(
            Output(url="https://v3.fal.media/files/example/1.mp4"),
            Output(url="https://v3.fal.media/files/example/2.mp4"),
            Output(url="https://v3.fal.media/files/example/c.png", type="image"),
        ),
    ),
    "result_without_link": _seen("result_without_link", TaskState.SUCCEEDED),
    "result_list": recorded.unusable(
        "fal", "result_list", "HTTP 200, unreadable: the reply is not the JSON object that the provider documents"
    ),
    "result_422": _seen("result_422", TaskState.FAILED, error=CHECK),
    "result_400_text": _failed("result_400_text", "failed", "the picture is too small"),
    "result_500": _failed("result_500", "runner_server_error", "the runner broke"),
    "result_500_untyped": recorded.unusable("fal", "result_500_untyped", "HTTP 500, failed: Internal Server Error"),
    "result_504": _failed("result_504", "request_timeout", "Request timed out"),
    "result_499": _seen(
        "result_499", TaskState.CANCELED, error=TaskError(code="client_cancelled", message="cancelled")
    ),
    "result_401": recorded.denied("fal", "result_401", 401, "no such key"),
    "result_404": NotFound(raw=recorded.reply("fal", "result_404").body),
    "result_429": Throttled(retry_after_s=7.0),
    "result_html": recorded.unusable("fal", "result_html", "HTTP 502, http_502: the reply holds no readable error"),
}


@pytest.mark.parametrize("name", recorded.names("fal", "result"))
def test_the_result_decides_what_completed_means(name: str) -> None:
    status, result = recorded.reply("fal", "status_completed"), recorded.reply("fal", name)
    assert fal.parse_result(ADDRESSED, status, result, ACCOUNT) == RESULTS[name]


def test_the_result_is_had_by_the_path_of_the_task() -> None:
    call = fal.build_result(ADDRESSED, recorded.reply("fal", "status_completed"), ACCOUNT)
    assert call is not None
    assert (call.method, call.url) == ("GET", f"https://queue.fal.run/{ADDRESSED}")
    assert call.headers[0] == ("authorization", "Key key-1")


@pytest.mark.parametrize(
    "name", ["status_in_queue", "status_in_progress", "status_other_id", "status_404", "status_503"]
)
def test_a_task_that_has_not_ended_has_no_result(name: str) -> None:
    status = recorded.reply("fal", name)
    assert fal.build_result(ADDRESSED, status, ACCOUNT) is None
    assert fal.parse_result(ADDRESSED, status, recorded.reply("fal", "result_video"), ACCOUNT) == STATUSES[name]


def test_a_failed_tasks_result_gives_the_models_own_reason() -> None:
    status = recorded.reply("fal", "status_completed_with_error_text")
    assert fal.build_result(ADDRESSED, status, ACCOUNT) is not None
    seen = fal.parse_result(ADDRESSED, status, recorded.reply("fal", "result_422"), ACCOUNT)
    assert seen == _seen("result_422", TaskState.FAILED, error=CHECK)


@pytest.mark.parametrize("name", ["result_404", "result_429", "result_html", "result_500_untyped", "result_video"])
def test_a_failed_task_stays_failed_whatever_its_result_is(name: str) -> None:
    status = recorded.reply("fal", "status_completed_with_error")
    seen = fal.parse_result(ADDRESSED, status, recorded.reply("fal", name), ACCOUNT)
    assert seen == STATUSES["status_completed_with_error"]


def test_a_word_that_was_taught_as_running_has_no_result() -> None:
    account = recorded.account("fal", state_words={"completed": TaskState.RUNNING})
    assert fal.build_result(ADDRESSED, recorded.reply("fal", "status_completed"), account) is None


# Cancellations


CANCELS: dict[str, CancelOutcome] = {
    "cancel_200": CancelAccepted(),
    "cancel_202": CancelAccepted(),
    "cancel_success": CancelAccepted(),
    "cancel_400": CancelRefused(error=TaskError(code="ALREADY_COMPLETED", message="the task is not canceled any more")),
    "cancel_no_success": CancelRefused(
        error=TaskError(code="not_canceled", message="the task is not canceled any more")
    ),
    "cancel_404": NotFound(raw=recorded.reply("fal", "cancel_404").body),
    "cancel_401": recorded.denied("fal", "cancel_401", 401, "no such key"),
}


@pytest.mark.parametrize("name", recorded.names("fal", "cancel"))
def test_a_recorded_answer_to_a_cancellation_is_read_as_documented(name: str) -> None:
    assert fal.parse_cancel(recorded.reply("fal", name)) == CANCELS[name]


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_a_cancellation_that_something_else_answers_says_nothing(status: int) -> None:
    outcome = fal.parse_cancel(HttpReply(status=status, body=b"<html>busy</html>"))
    assert not isinstance(outcome, CancelAccepted | CancelRefused | NotFound)
