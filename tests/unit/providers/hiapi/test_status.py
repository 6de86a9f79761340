"""Every recorded answer to a poll at HiAPI, with what it must come to."""

from typing import Any

import pytest

from submitter.model import (
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
from submitter.providers import hiapi
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("tk-hiapi-01k0example0000000000000ab")
MODEL = "happyhorse-1.1/reference-to-video"
VIDEO = Output(url="https://cdn.example/v.mp4", expires_at_ms=1_790_604_930_000)
FIRST_FRAME = Output(url="https://cdn.example/f.png", type="first_frame", expires_at_ms=1_790_604_930_000)
DONE: dict[str, Any] = {"outputs": (VIDEO,), "completed_at_ms": 1_790_000_130_000}


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("hiapi", name, TASK_ID, state, raw_state, model=MODEL, **more)


EXPECTED: dict[str, StatusOutcome] = {
    "status_queued": _seen("status_queued", TaskState.SUBMITTED, "queued"),
    "status_handling": _seen("status_handling", TaskState.RUNNING, "handling"),
    "status_archiving": _seen("status_archiving", TaskState.RUNNING, "archiving"),
    "status_success": _seen("status_success", TaskState.SUCCEEDED, "success", **DONE),
    "status_success_several_outputs": _seen(
        "status_success_several_outputs",
        TaskState.SUCCEEDED,
        "success",
        **DONE | {"outputs": (FIRST_FRAME, VIDEO)},
    ),
    "status_success_with_route": _seen("status_success_with_route", TaskState.SUCCEEDED, "success", **DONE),
    "status_fail": _seen(
        "status_fail",
        TaskState.FAILED,
        "fail",
        error=TaskError(code="TASK_FAILED", message="upstream rejected the picture"),
        completed_at_ms=1_790_000_042_000,
    ),
    "status_word_of_a_blog": _seen(
        "status_word_of_a_blog", TaskState.SUCCEEDED, "succeeded", is_documented_state=False
    ),
    "status_404": NotFound(raw=recorded.reply("hiapi", "status_404").body),
    "status_404_html": recorded.unusable(
        "hiapi", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_401": recorded.denied("hiapi", "status_401", 401, "invalid api key"),
    "status_429": Throttled(retry_after_s=7.0),
    "status_503": recorded.unusable("hiapi", "status_503", "HTTP 503, SERVICE_UNAVAILABLE: temporarily unable"),
    "status_other_id": recorded.unusable(
        "hiapi", "status_other_id", "the reply names task 'tk-hiapi-other', which is not the requested one"
    ),
}


@pytest.mark.parametrize("name", recorded.names("hiapi", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("hiapi", name)
    assert hiapi.parse_status(TASK_ID, reply, recorded.account("hiapi")) == EXPECTED[name]


def test_the_list_gives_every_task_with_the_time_of_its_making() -> None:
    rows = (
        ListedTask(provider_task_id=TASK_ID, raw_state="handling", model=MODEL, created_at_ms=1_790_000_000_000),
        ListedTask(
            provider_task_id=ProviderTaskId("tk-hiapi-2"),
            raw_state="success",
            model=MODEL,
            created_at_ms=1_789_999_000_000,
        ),
    )
    assert hiapi.parse_list(recorded.reply("hiapi", "list")) == ListPage(rows=rows, has_more=False)


def test_a_list_that_is_refused_says_why() -> None:
    assert hiapi.parse_list(recorded.reply("hiapi", "status_429")) == Throttled(retry_after_s=7.0)


def test_the_list_requests_the_largest_pages_one_after_the_other() -> None:
    calls = [hiapi.build_list(recorded.account("hiapi"), since_ms=0, until_ms=1, page=page) for page in (1, 7)]
    assert [call.url.partition("?")[2] for call in calls] == ["page=1&size=100", "page=7&size=100"]


def test_an_id_cannot_leave_its_place_in_the_address() -> None:
    call = hiapi.build_status(ProviderTaskId("../keys?x=1#y"), recorded.account("hiapi"))
    assert call.url == "https://api.hiapi.ai/v1/tasks/..%2Fkeys%3Fx%3D1%23y"
