"""Every recorded answer to a poll, a list and a cancellation at Seedance, with what it must come to."""

from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import (
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
    Denied,
    ListedTask,
    ListPage,
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
from submitter.providers import seedance
from tests.unit.providers import recorded
from tests.unit.providers.statuses import seen

TASK_ID = ProviderTaskId("cgt-20260901100000-abcde")
MODEL = "dreamina-seedance-2-0-260128"
ENDED_MS, DAY_MS = 1_790_000_120_000, 86_400_000
VIDEO = Output(url="https://tos.example/v.mp4?sig=x", expires_at_ms=ENDED_MS + DAY_MS)
LAST_FRAME = Output(url="https://tos.example/l.png?sig=y", type="last_frame", expires_at_ms=ENDED_MS + DAY_MS)


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("seedance", name, TASK_ID, state, raw_state, model=MODEL, **more)


EXPECTED: dict[str, StatusOutcome] = {
    "status_queued": _seen("status_queued", TaskState.SUBMITTED, "queued"),
    "status_running": _seen("status_running", TaskState.RUNNING, "running"),
    "status_succeeded": _seen(
        "status_succeeded", TaskState.SUCCEEDED, "succeeded", outputs=(VIDEO,), completed_at_ms=ENDED_MS
    ),
    "status_succeeded_with_last_frame": _seen(
        "status_succeeded_with_last_frame",
        TaskState.SUCCEEDED,
        "succeeded",
        outputs=(VIDEO, LAST_FRAME),
        completed_at_ms=ENDED_MS,
    ),
    "status_failed": _seen(
        "status_failed",
        TaskState.FAILED,
        "failed",
        error=TaskError(code="OutputVideoSensitiveContentDetected.PolicyViolation", message="refused"),
        completed_at_ms=1_790_000_090_000,
    ),
    "status_expired": _seen(
        "status_expired",
        TaskState.FAILED,
        "expired",
        error=TaskError(code="expired", message="the task did not end within its execution_expires_after"),
        completed_at_ms=1_790_172_800_000,
    ),
    "status_cancelled": _seen("status_cancelled", TaskState.CANCELED, "cancelled", completed_at_ms=1_790_000_005_000),
    "status_word_of_a_gateway": _seen(
        "status_word_of_a_gateway", TaskState.RUNNING, "processing", is_documented_state=False
    ),
    "status_404": NotFound(raw=recorded.reply("seedance", "status_404").body),
    "status_404_html": recorded.unusable(
        "seedance", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_401": recorded.denied("seedance", "status_401", 401, "the API key is not valid"),
    "status_429": Throttled(retry_after_s=3.0),
    "status_500": recorded.unusable("seedance", "status_500", "HTTP 500, InternalServiceError: internal"),
    "status_other_id": recorded.unusable(
        "seedance", "status_other_id", "the reply names task 'cgt-20260901100000-zzzzz', which is not the requested one"
    ),
}


@pytest.mark.parametrize("name", recorded.names("seedance", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("seedance", name)
    assert seedance.parse_status(TASK_ID, reply, recorded.account("seedance")) == EXPECTED[name]


def test_an_expired_task_keeps_the_reason_that_the_provider_states() -> None:
    body = {"id": "t-1", "status": "expired", "error": {"code": "TooLong", "message": "72 h are over"}}
    assert seen("seedance", body).error == TaskError(code="TooLong", message="72 h are over")


def test_an_operator_may_say_that_expired_is_no_failure() -> None:
    found = seen("seedance", {"id": "t-1", "status": "expired"}, state_words={"expired": TaskState.CANCELED})
    assert isinstance(found, Observation)
    assert (found.state, found.error) == (TaskState.CANCELED, None)


def test_the_list_gives_every_task_with_the_time_of_its_making() -> None:
    rows = (
        ListedTask(provider_task_id=TASK_ID, raw_state="running", model=MODEL, created_at_ms=1_790_000_000_000),
        ListedTask(
            provider_task_id=ProviderTaskId("cgt-20260901095000-fghij"),
            raw_state="succeeded",
            model=MODEL,
            created_at_ms=1_789_999_000_000,
        ),
    )
    assert seedance.parse_list(recorded.reply("seedance", "list")) == ListPage(rows=rows, has_more=False)
    call = seedance.build_list(recorded.account("seedance"), since_ms=0, until_ms=1, page=7)
    assert call.url.endswith("/api/v3/contents/generations/tasks?page_num=7&page_size=100")


def test_a_list_that_is_refused_says_why() -> None:
    assert seedance.parse_list(recorded.reply("seedance", "status_429")) == Throttled(retry_after_s=3.0)


CANCELED: dict[str, CancelOutcome] = {
    "cancel_accepted": CancelAccepted(),
    "cancel_refused": CancelRefused(
        error=TaskError(code="InvalidAction", message="a task that is running cannot be deleted")
    ),
    "status_404": NotFound(raw=recorded.reply("seedance", "status_404").body),
    "status_429": Throttled(retry_after_s=3.0),
    "status_401": recorded.denied("seedance", "status_401", 401, "the API key is not valid"),
}


@pytest.mark.parametrize("name", CANCELED)
def test_an_answer_to_a_cancellation_is_read_as_documented(name: str) -> None:
    assert seedance.parse_cancel(recorded.reply("seedance", name)) == CANCELED[name]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [(204, b"", CancelAccepted), (200, b" \n", CancelAccepted), (200, b"<html>", Unavailable), (403, b"", Denied)],
)
def test_an_answer_to_a_cancellation_may_have_no_body(status: int, body: bytes, outcome: type) -> None:
    assert isinstance(seedance.parse_cancel(HttpReply(status=status, body=body)), outcome)


def test_a_cancellation_is_sent_to_a_waiting_task_only_because_it_destroys_others() -> None:
    assert frozenset({TaskState.SUBMITTED}) == seedance.CANCELS_WHILE
    call = seedance.build_cancel(ProviderTaskId("../x?y"), recorded.account("seedance"))
    assert call.method == "DELETE"
    assert call.url.endswith("/contents/generations/tasks/..%2Fx%3Fy")
