"""Every recorded answer to a poll, a list or a cancel at DashScope, with what it must come to."""

from typing import Any

import pytest

from submitter.model import (
    CancelAccepted,
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
)
from submitter.providers import dashscope
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("bbbbbbbb-0000-0000-0000-000000000001")
ACCOUNT = recorded.account("dashscope")
ENDED_AT_MS = 1_788_228_090_400  # 2026-09-01 10:01:30.400 in Beijing
DAY_MS = 86_400_000


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("dashscope", name, TASK_ID, state, raw_state, **more)


EXPECTED: dict[str, StatusOutcome] = {
    "status_pending": _seen("status_pending", TaskState.SUBMITTED, "PENDING"),
    "status_running": _seen("status_running", TaskState.RUNNING, "RUNNING"),
    "status_suspended": _seen("status_suspended", TaskState.RUNNING, "SUSPENDED"),
    "status_succeeded": _seen(
        "status_succeeded",
        TaskState.SUCCEEDED,
        "SUCCEEDED",
        outputs=(
            Output(url="https://oss.example/v.mp4?Expires=1790086400&Signature=x", expires_at_ms=1_790_086_400_000),
        ),
        completed_at_ms=ENDED_AT_MS,
    ),
    "status_succeeded_unsigned_link": _seen(
        "status_succeeded_unsigned_link",
        TaskState.SUCCEEDED,
        "SUCCEEDED",
        outputs=(Output(url="https://oss.example/v.mp4", expires_at_ms=ENDED_AT_MS + DAY_MS),),
        completed_at_ms=ENDED_AT_MS,
    ),
    "status_succeeded_pictures": _seen(
        "status_succeeded_pictures",
        TaskState.SUCCEEDED,
        "SUCCEEDED",
        outputs=(
            Output(url="https://oss.example/1.png", type="image"),
            Output(url="https://oss.example/2.png", type="image"),
        ),
    ),
    "status_failed": _seen(
        "status_failed",
        TaskState.FAILED,
        "FAILED",
        error=TaskError(code="InvalidParameter", message="size of the picture is not supported"),
    ),
    "status_canceled": _seen("status_canceled", TaskState.CANCELED, "CANCELED"),
    "status_unknown": NotFound(raw=recorded.reply("dashscope", "status_unknown").body),
    "status_new_word": _seen("status_new_word", TaskState.RUNNING, "ARCHIVING", is_documented_state=False),
    "status_other_id": recorded.unusable(
        "dashscope", "status_other_id", "the reply names task 'other', which is not the requested one"
    ),
    "status_401": recorded.denied("dashscope", "status_401", 401, "bad key"),
    "status_429": Throttled(),
    "status_500": recorded.unusable("dashscope", "status_500", "HTTP 500, InternalError: oops"),
}


@pytest.mark.parametrize("name", recorded.names("dashscope", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    assert dashscope.parse_status(TASK_ID, recorded.reply("dashscope", name), ACCOUNT) == EXPECTED[name]


def test_the_list_reads_the_time_of_making_in_milliseconds() -> None:
    row = ListedTask(
        provider_task_id=TASK_ID,
        raw_state="SUCCEEDED",
        model="happyhorse-1.0-r2v",
        created_at_ms=1_788_228_000_100,
    )
    assert dashscope.parse_list(recorded.reply("dashscope", "list")) == ListPage(rows=(row,), has_more=False)


def test_a_list_that_is_refused_says_why() -> None:
    assert dashscope.parse_list(recorded.reply("dashscope", "status_401")) == recorded.denied(
        "dashscope", "status_401", 401, "bad key"
    )


def test_the_list_spans_at_most_the_last_day_in_beijing_time() -> None:
    call = dashscope.build_list(ACCOUNT, since_ms=0, until_ms=ENDED_AT_MS, page=3)
    assert call.url == (
        "https://dashscope-intl.aliyuncs.com/api/v1/tasks/"
        "?start_time=20260831100130&end_time=20260901100130&page_no=3&page_size=10"
    )


def test_a_cancel_is_a_post_without_a_body() -> None:
    call = dashscope.build_cancel(ProviderTaskId("a/b"), ACCOUNT)
    assert (call.method, call.body) == ("POST", b"")
    assert call.url == "https://dashscope-intl.aliyuncs.com/api/v1/tasks/a%2Fb/cancel"


def test_a_cancel_is_accepted_only_while_the_task_waits() -> None:
    refused = TaskError(code="UnsupportedOperation", message="only a PENDING task can be cancelled")
    assert dashscope.parse_cancel(recorded.reply("dashscope", "cancel_accepted")) == CancelAccepted()
    assert dashscope.parse_cancel(recorded.reply("dashscope", "cancel_refused")) == CancelRefused(error=refused)
    assert dashscope.parse_cancel(recorded.reply("dashscope", "status_429")) == Throttled()
