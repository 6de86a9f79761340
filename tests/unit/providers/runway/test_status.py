"""Every recorded answer to a poll and to a DELETE at Runway, with what it must come to."""

from typing import Any

import pytest

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpReply
from submitter.model import (
    CanceledAtOnce,
    CancelOutcome,
    NotFound,
    Output,
    ProviderTaskId,
    StatusOutcome,
    TaskError,
    TaskState,
    Throttled,
    Unavailable,
)
from submitter.providers import runway
from submitter.providers.origins import origin_of
from tests.unit.providers import recorded
from tests.unit.providers.statuses import document, seen

TASK_ID = ProviderTaskId("00000000-0000-4000-8000-000000000015")
VIDEO = Output(url="https://cdn.example/v.mp4?exp=1")


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("runway", name, TASK_ID, state, raw_state, **more)


def _failed(name: str, code: str, message: str) -> StatusOutcome:
    return _seen(name, TaskState.FAILED, "FAILED", error=TaskError(code=code, message=message))


NO_VERSION = "HTTP 400, http_400: The X-Runway-Version header is required"
EXPECTED: dict[str, StatusOutcome] = {
    "status_pending": _seen("status_pending", TaskState.SUBMITTED, "PENDING"),
    "status_throttled": _seen("status_throttled", TaskState.SUBMITTED, "THROTTLED"),
    "status_running": _seen("status_running", TaskState.RUNNING, "RUNNING", progress=42),
    "status_succeeded": _seen("status_succeeded", TaskState.SUCCEEDED, "SUCCEEDED", outputs=(VIDEO,)),
    "status_failed": _failed("status_failed", "INTERNAL.BAD_OUTPUT.CODE01", "something went wrong"),
    "status_failed_for_safety": _failed(
        "status_failed_for_safety", "SAFETY.INPUT.TEXT", "The prompt was not accepted."
    ),
    "status_failed_without_code": _failed("status_failed_without_code", "failed", "something went wrong"),
    "status_cancelled": _seen("status_cancelled", TaskState.CANCELED, "CANCELLED"),
    "status_other_id": recorded.unusable(
        "runway", "status_other_id", "the reply names task 'other', which is not the requested one"
    ),
    "status_404": NotFound(raw=recorded.reply("runway", "status_404").body),
    "status_404_html": recorded.unusable(
        "runway", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_400_without_version": recorded.unusable("runway", "status_400_without_version", NO_VERSION),
    "status_401": recorded.denied("runway", "status_401", 401, "The API key is not valid"),
    "status_429": Throttled(retry_after_s=7.0),
    "status_503": recorded.unusable("runway", "status_503", "HTTP 503, http_503: shedding load"),
}


@pytest.mark.parametrize("name", recorded.names("runway", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("runway", name)
    assert runway.parse_status(TASK_ID, reply, recorded.account("runway")) == EXPECTED[name]


GONE = CanceledAtOnce(message="canceled; Runway does not know the task any more")
CANCELS: dict[str, CancelOutcome] = {
    "cancel_accepted": GONE,
    "cancel_404": NotFound(raw=recorded.reply("runway", "cancel_404").body),
    "cancel_429": Throttled(retry_after_s=7.0),
}


@pytest.mark.parametrize("name", recorded.names("runway", "cancel"))
def test_a_recorded_answer_to_a_delete_is_read_as_documented(name: str) -> None:
    assert runway.parse_cancel(recorded.reply("runway", name)) == CANCELS[name]


@pytest.mark.parametrize("body", [b"<html>", b'{"error":"busy"}', b"[]"])
def test_a_page_in_place_of_the_empty_answer_cancels_nothing(body: bytes) -> None:
    assert isinstance(runway.parse_cancel(HttpReply(status=200, body=body)), Unavailable)


def test_only_a_task_that_waits_or_runs_may_be_deleted() -> None:
    assert {TaskState.SUBMITTED, TaskState.RUNNING} == runway.CANCELS_WHILE


@pytest.mark.parametrize(
    ("share", "percent"), [(0, 0), (0.999, 99), (1, 100), (1.5, None), (-0.1, None), (True, None), ("0.5", None)]
)
def test_progress_is_a_share_of_one(share: object, percent: int | None) -> None:
    assert seen("runway", document("runway", "RUNNING", {"progress": share})).progress == percent


def test_a_status_tells_when_its_task_was_made() -> None:
    assert origin_of("runway", seen("runway", document("runway", "RUNNING"))).created_at_ms == 1_788_256_800_000


def test_no_callback_is_expected() -> None:
    with pytest.raises(UnreadableCallback):
        runway.parse_callback(Callback(body=b"{}"), recorded.account("runway"), 0)
