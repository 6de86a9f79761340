"""Every recorded answer to a poll and to the call for the file at MiniMax's version 1, with what it must come to."""

from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import NotFound, Output, ProviderTaskId, StatusOutcome, TaskError, TaskState, Throttled
from submitter.providers import minimax_v1
from tests.unit.providers import recorded

ADAPTER = "minimax-v1"
TASK_ID = ProviderTaskId("106000000000001")
ACCOUNT = recorded.account(ADAPTER)
HOUR_MS = 3_600_000


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled(ADAPTER, name, TASK_ID, state, raw_state, **more)


EXPECTED: dict[str, StatusOutcome] = {
    "status_preparing": _seen("status_preparing", TaskState.SUBMITTED, "Preparing"),
    "status_queueing": _seen("status_queueing", TaskState.SUBMITTED, "Queueing"),
    "status_processing": _seen("status_processing", TaskState.RUNNING, "Processing"),
    "status_success": _seen("status_success", TaskState.SUCCEEDED, "Success"),
    "status_fail": _seen(
        "status_fail", TaskState.FAILED, "Fail", error=TaskError(code="1027", message="output refused")
    ),
    "status_unknown": NotFound(raw=recorded.reply(ADAPTER, "status_unknown").body),
    "status_1002": Throttled(),
    "status_1004": recorded.denied(ADAPTER, "status_1004", 401, "login fail"),
    "status_2061": recorded.unusable(ADAPTER, "status_2061", "HTTP 200, 2061: the model is not in the plan"),
    "status_1000": recorded.unusable(ADAPTER, "status_1000", "HTTP 200, 1000: unknown error"),
    "status_404_html": recorded.unusable(
        ADAPTER, "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_other_id": recorded.unusable(
        ADAPTER, "status_other_id", "the reply names task '106000000000002', which is not the requested one"
    ),
}


@pytest.mark.parametrize("name", recorded.names(ADAPTER, "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    assert minimax_v1.parse_status(TASK_ID, recorded.reply(ADAPTER, name), ACCOUNT) == EXPECTED[name]


def _done(url: str, until_ms: int | None) -> StatusOutcome:
    return _seen("status_success", TaskState.SUCCEEDED, "Success", outputs=(Output(url=url, expires_at_ms=until_ms),))


FILES: dict[str, StatusOutcome] = {
    "file": _done("https://cdn.example/v.mp4", 1_789_997_600_000 + HOUR_MS),
    "file_signed": _done("https://cdn.example/v.mp4?Expires=1790003600&Signature=x", 1_790_003_600_000),
    "file_without_link": EXPECTED["status_success"],
    "file_other": recorded.unusable(ADAPTER, "file_other", "the reply names another file than that of the task"),
    "file_refused": recorded.unusable(ADAPTER, "file_refused", "HTTP 200, 2013: invalid params, file does not exist"),
    "file_1002": Throttled(),
}


@pytest.mark.parametrize("name", recorded.names(ADAPTER, "file"))
def test_a_recorded_answer_about_a_file_is_read_as_documented(name: str) -> None:
    status, result = recorded.reply(ADAPTER, "status_success"), recorded.reply(ADAPTER, name)
    assert minimax_v1.parse_result(TASK_ID, status, result, ACCOUNT) == FILES[name]


@pytest.mark.parametrize("name", recorded.names(ADAPTER, "status"))
def test_only_a_success_of_this_task_needs_a_second_call(name: str) -> None:
    call = minimax_v1.build_result(TASK_ID, recorded.reply(ADAPTER, name), ACCOUNT)
    if name == "status_success":
        assert call is not None
        assert call.url == "https://api.minimax.io/v1/files/retrieve?file_id=205000000000001"
    else:
        assert call is None


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Sep 2026 99:99:99 GMT"])
def test_without_a_readable_date_the_end_of_a_link_is_not_known(date: str | None) -> None:
    status, file = recorded.reply(ADAPTER, "status_success"), recorded.reply(ADAPTER, "file")
    headers = () if date is None else (("date", date),)
    result = HttpReply(status=200, headers=headers, body=file.body)
    assert minimax_v1.parse_result(TASK_ID, status, result, ACCOUNT) == _done("https://cdn.example/v.mp4", None)


def test_an_id_cannot_leave_its_place_in_the_address() -> None:
    call = minimax_v1.build_status(ProviderTaskId("../keys?x=1#y&z"), ACCOUNT)
    assert call.url == "https://api.minimax.io/v1/query/video_generation?task_id=..%2Fkeys%3Fx%3D1%23y%26z"
