"""Every recorded answer to a poll, a list and a cancellation at MiniMax's version 2, with what it must come to."""

from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import (
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
    ListedTask,
    ListPage,
    NotFound,
    Output,
    ProviderTaskId,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
    Unavailable,
)
from submitter.providers import minimax
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("424000000000001")
MODEL = "MiniMax-H3"
VIDEO = Output(url="https://cdn.example/v.mp4")


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("minimax", name, TASK_ID, state, raw_state, model=MODEL, **more)


EXPECTED: dict[str, StatusOutcome] = {
    "status_queued": _seen("status_queued", TaskState.SUBMITTED, "queued"),
    "status_running": _seen("status_running", TaskState.RUNNING, "running"),
    "status_succeeded": _seen(
        "status_succeeded", TaskState.SUCCEEDED, "succeeded", outputs=(VIDEO,), completed_at_ms=1_790_000_400_000
    ),
    "status_failed": _seen(
        "status_failed",
        TaskState.FAILED,
        "failed",
        error=TaskError(code="1026", message="refused"),
        completed_at_ms=1_790_000_100_000,
    ),
    "status_cancelled": _seen("status_cancelled", TaskState.CANCELED, "cancelled", completed_at_ms=1_790_000_005_000),
    "status_text_of_a_prompt": _seen(
        "status_text_of_a_prompt", TaskState.SUCCEEDED, "succeeded", completed_at_ms=1_790_000_020_000
    ),
    "status_word_of_version_1": _seen(
        "status_word_of_version_1",
        TaskState.SUCCEEDED,
        "Success",
        is_documented_state=False,
        outputs=(VIDEO,),
        completed_at_ms=1_790_000_400_000,
    ),
    "status_unknown": NotFound(raw=recorded.reply("minimax", "status_unknown").body),
    "status_404_html": recorded.unusable(
        "minimax", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_401": recorded.denied("minimax", "status_401", 401, "login fail (1004)"),
    "status_429": Throttled(retry_after_s=12.0),
    "status_500": recorded.unusable("minimax", "status_500", "HTTP 500, server_error: unknown error (1000)"),
    "status_other_id": recorded.unusable(
        "minimax", "status_other_id", "the reply names task '424000000000002', which is not the requested one"
    ),
}


@pytest.mark.parametrize("name", recorded.names("minimax", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("minimax", name)
    assert minimax.parse_status(TASK_ID, reply, recorded.account("minimax")) == EXPECTED[name]


def test_the_list_gives_every_task_with_the_time_of_its_making() -> None:
    rows = (
        ListedTask(provider_task_id=TASK_ID, raw_state="running", model=MODEL, created_at_ms=1_790_000_000_000),
        ListedTask(
            provider_task_id=ProviderTaskId("424000000000000"),
            raw_state="succeeded",
            model=MODEL,
            created_at_ms=1_789_999_000_000,
        ),
    )
    assert minimax.parse_list(recorded.reply("minimax", "list")) == ListPage(rows=rows, has_more=False)
    assert minimax.parse_list(recorded.reply("minimax", "status_429")) == Throttled(retry_after_s=12.0)
    call = minimax.build_list(recorded.account("minimax"), since_ms=0, until_ms=1, page=7)
    assert call.url == "https://api.minimax.io/v2/query/video_generation?page_num=7&page_size=50"


CANCELED: dict[str, CancelOutcome] = {
    "cancel_accepted": CancelAccepted(),
    "cancel_of_an_ended_task": CancelRefused(
        error=TaskError(code="deleted", message="the task had ended, and the provider deleted its record")
    ),
    "cancel_refused": CancelRefused(
        error=TaskError(code="bad_request_error", message="a task that is running cannot be deleted (2013)")
    ),
    "status_unknown": NotFound(raw=recorded.reply("minimax", "status_unknown").body),
    "status_429": Throttled(retry_after_s=12.0),
    "status_401": recorded.denied("minimax", "status_401", 401, "login fail (1004)"),
}


@pytest.mark.parametrize("name", CANCELED)
def test_an_answer_to_a_cancellation_is_read_as_documented(name: str) -> None:
    assert minimax.parse_cancel(recorded.reply("minimax", name)) == CANCELED[name]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [(204, b"", CancelAccepted), (200, b"<html>", Unavailable), (502, b"", Unavailable), (400, b"{}", Unavailable)],
)
def test_an_answer_to_a_cancellation_may_have_no_body(status: int, body: bytes, outcome: type) -> None:
    assert isinstance(minimax.parse_cancel(HttpReply(status=status, body=body)), outcome)


def test_a_cancellation_is_sent_to_a_waiting_task_only_because_it_destroys_others() -> None:
    assert frozenset({TaskState.SUBMITTED}) == minimax.CANCELS_WHILE
    call = minimax.build_cancel(ProviderTaskId("../x?y"), recorded.account("minimax"))
    assert (call.method, call.url) == ("DELETE", "https://api.minimax.io/v2/video_generation/..%2Fx%3Fy")
