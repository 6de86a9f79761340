"""Every recorded answer to a poll, a list and a cancellation at Replicate, with what it must come to."""

from typing import Any

import pytest

from submitter.model import (
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
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
)
from submitter.providers import replicate
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("abc123example0000000000000")
MODEL = "kwaivgi/kling-v3-video"
ENDED_MS = 1_788_256_925_000
UNTIL_MS = ENDED_MS + 3_600_000
FAILED_MS = 1_788_256_809_000


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> Observation:
    return recorded.polled("replicate", name, TASK_ID, state, raw_state, model=MODEL, **more)


def _done(name: str, *outputs: tuple[str, str]) -> Observation:
    made = tuple(
        Output(url=f"https://replicate.delivery/example/{file}", type=kind, expires_at_ms=UNTIL_MS)
        for file, kind in outputs
    )
    return _seen(name, TaskState.SUCCEEDED, "succeeded", outputs=made, completed_at_ms=ENDED_MS)


EXPECTED: dict[str, StatusOutcome] = {
    "status_starting": _seen("status_starting", TaskState.SUBMITTED, "starting"),
    "status_processing": _seen("status_processing", TaskState.RUNNING, "processing"),
    "status_succeeded": _done("status_succeeded", ("v.mp4", "video")),
    "status_succeeded_list": _done("status_succeeded_list", ("1.mp4", "video"), ("2.mp4", "video")),
    "status_succeeded_object": _done(
        "status_succeeded_object", ("v.mp4", "video"), ("s.mp3", "audio"), ("c.PNG?x=1", "image")
    ),
    "status_succeeded_text": _done("status_succeeded_text"),
    "status_succeeded_removed": _done("status_succeeded_removed"),
    "status_failed": _seen(
        "status_failed",
        TaskState.FAILED,
        "failed",
        error=TaskError(code="failed", message="the prompt was flagged"),
        completed_at_ms=FAILED_MS,
    ),
    "status_canceled": _seen("status_canceled", TaskState.CANCELED, "canceled", completed_at_ms=FAILED_MS),
    "status_aborted": _seen("status_aborted", TaskState.CANCELED, "aborted", completed_at_ms=FAILED_MS),
    "status_unknown_word": _seen("status_unknown_word", TaskState.RUNNING, "booting", is_documented_state=False),
    "status_other_id": recorded.unusable(
        "replicate", "status_other_id", "the reply names task 'other', which is not the requested one"
    ),
    "status_401": recorded.denied("replicate", "status_401", 401, "Invalid token."),
    "status_404": NotFound(raw=recorded.reply("replicate", "status_404").body),
    "status_404_html": recorded.unusable(
        "replicate", "status_404_html", "HTTP 404, http_404: the reply holds no readable error"
    ),
    "status_429": Throttled(retry_after_s=9.0),
    "status_503": recorded.unusable("replicate", "status_503", "HTTP 503, http_503: try again"),
}


@pytest.mark.parametrize("name", recorded.names("replicate", "status"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply = recorded.reply("replicate", name)
    assert replicate.parse_status(TASK_ID, reply, recorded.account("replicate")) == EXPECTED[name]


def test_a_list_says_where_its_next_page_begins() -> None:
    rows = (
        ListedTask(
            provider_task_id=ProviderTaskId("p2"),
            raw_state="processing",
            model=MODEL,
            created_at_ms=1_788_256_801_000,
            prompt="waves",
        ),
        ListedTask(
            provider_task_id=ProviderTaskId("p1"), raw_state="succeeded", model=MODEL, created_at_ms=1_788_256_800_000
        ),
    )
    page = replicate.parse_list(recorded.reply("replicate", "list"))
    assert page == ListPage(rows=rows, has_more=True, older_than_ms=1_788_256_800_001)


def test_the_last_page_and_an_empty_one_have_none_behind_them() -> None:
    last, empty = (replicate.parse_list(recorded.reply("replicate", name)) for name in ("list_last", "list_empty"))
    assert isinstance(last, ListPage)
    assert (len(last.rows), last.has_more) == (1, False)
    assert empty == ListPage(rows=(), has_more=False)


CANCELS: dict[str, CancelOutcome] = {
    "cancel_canceled": CancelAccepted(),
    "cancel_starting": CancelAccepted(),
    "cancel_succeeded": CancelRefused(error=TaskError(code="succeeded", message="the prediction has ended")),
    "cancel_404": NotFound(raw=recorded.reply("replicate", "cancel_404").body),
}


@pytest.mark.parametrize("name", recorded.names("replicate", "cancel"))
def test_a_recorded_answer_to_a_cancellation_is_read_as_documented(name: str) -> None:
    assert replicate.parse_cancel(recorded.reply("replicate", name)) == CANCELS[name]
