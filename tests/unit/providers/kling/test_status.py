"""Every recorded answer to a poll at Kling, with what it must come to."""

import json
from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import (
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
from submitter.providers import kling
from submitter.providers.origins import origin_of
from tests.unit.providers import recorded

NEW = ProviderTaskId("900000000000000001")
OLD = ProviderTaskId("image2video:900000000000000002")
ENDED_MS = 1_790_000_130_000
EXPIRES_MS = ENDED_MS + 30 * 86_400_000


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> StatusOutcome:
    return recorded.polled("kling", name, OLD if name.startswith("old") else NEW, state, raw_state, **more)


def _done(url: str) -> dict[str, Any]:
    return {"outputs": (Output(url=url, expires_at_ms=EXPIRES_MS),), "completed_at_ms": ENDED_MS}


REFUSED = {
    "error": TaskError(code="failed", message="refused by the content check"),
    "completed_at_ms": ENDED_MS,
}
EXPECTED: dict[str, StatusOutcome] = {
    "status_submitted": _seen("status_submitted", TaskState.SUBMITTED, "submitted"),
    "status_processing": _seen("status_processing", TaskState.RUNNING, "processing"),
    "status_succeeded": _seen(
        "status_succeeded", TaskState.SUCCEEDED, "succeeded", **_done("https://cdn.example/v.mp4")
    ),
    "status_failed": _seen("status_failed", TaskState.FAILED, "failed", **REFUSED),
    "status_unknown_id": NotFound(raw=recorded.reply("kling", "status_unknown_id").body),
    "status_other_id": recorded.unusable(
        "kling", "status_other_id", "the reply names task '900000000000000009', which is not the requested one"
    ),
    "status_401": recorded.denied("kling", "status_401", 401, "Authorization has expired"),
    "status_403": recorded.denied("kling", "status_403", 403, "no access to the requested resource"),
    "status_403_within_200": recorded.denied(
        "kling", "status_403_within_200", 403, "no access to the requested resource"
    ),
    "status_429_rate": Throttled(retry_after_s=3.0),
    "status_429_arrears": recorded.unusable("kling", "status_429_arrears", "HTTP 429, 1101: account in arrears"),
    "status_429_address": recorded.denied("kling", "status_429_address", 401, "the IP is not in the allow-list"),
    "status_503": recorded.unusable("kling", "status_503", "HTTP 503, 5001: under maintenance"),
    "old_submitted": _seen("old_submitted", TaskState.SUBMITTED, "submitted"),
    "old_succeed": _seen("old_succeed", TaskState.SUCCEEDED, "succeed", **_done("https://cdn.example/w.mp4")),
    "old_failed": _seen("old_failed", TaskState.FAILED, "failed", **REFUSED),
    "old_unknown_id": NotFound(raw=recorded.reply("kling", "old_unknown_id").body),
}


@pytest.mark.parametrize("name", recorded.names("kling", "status", "old"))
def test_a_recorded_status_is_read_as_documented(name: str) -> None:
    reply, asked = recorded.reply("kling", name), OLD if name.startswith("old") else NEW
    assert kling.parse_status(asked, reply, recorded.account("kling")) == EXPECTED[name]


def test_the_refusal_that_means_an_unknown_id_does_so_in_the_old_generation_only() -> None:
    reply = recorded.reply("kling", "old_unknown_id")
    assert isinstance(kling.parse_status(NEW, reply, recorded.account("kling")), Unavailable)


@pytest.mark.parametrize(
    ("task_id", "secret_key", "path"),
    [
        ("900000000000000001", None, "/tasks?task_ids=900000000000000001"),
        ("1,2&x=3", None, "/tasks?task_ids=1%2C2%26x%3D3"),
        ("image2video:9", None, "/v1/videos/image2video/9"),
        ("multi-image2video:9", None, "/v1/videos/multi-image2video/9"),
        ("omni-video:../9", None, "/v1/videos/omni-video/..%2F9"),
        ("9", "sk", "/v1/videos/text2video/9"),
        ("image2video:9", "sk", "/v1/videos/image2video/9"),
    ],
)
def test_the_id_says_where_a_task_is_queried(task_id: str, secret_key: str | None, path: str) -> None:
    account = recorded.account("kling", secret_key=secret_key)
    assert kling.build_status(ProviderTaskId(task_id), account).url == account.base_url + path


def test_of_several_tasks_the_one_that_was_asked_for_counts() -> None:
    body = b'{"code":0,"data":[{"id":"other","status":"failed"},"x",{"id":"900000000000000001","status":"processing"}]}'
    seen = kling.parse_status(NEW, HttpReply(status=200, body=body), recorded.account("kling"))
    assert isinstance(seen, Observation)
    assert seen.state is TaskState.RUNNING


@pytest.mark.parametrize("name", ["status_processing", "old_submitted"])
def test_a_status_tells_when_its_task_was_created(name: str) -> None:
    asked = OLD if name.startswith("old") else NEW
    seen = kling.parse_status(asked, recorded.reply("kling", name), recorded.account("kling"))
    assert isinstance(seen, Observation)
    assert origin_of("kling", seen).created_at_ms == 1_790_000_000_000


# The look-up of a lost submit


def _row(task_id: str, word: str, own_id: str) -> ListedTask:
    return ListedTask(
        provider_task_id=ProviderTaskId(task_id), raw_state=word, created_at_ms=1_790_000_000_000, own_id=own_id
    )


def test_a_look_up_finds_the_task_of_our_id() -> None:
    assert kling.parse_lookup(recorded.reply("kling", "lookup")) == ListPage(
        rows=(_row("900000000000000001", "processing", "tsk_1"),), has_more=False
    )
    assert kling.parse_lookup(recorded.reply("kling", "lookup_none")) == ListPage(rows=(), has_more=False)


def test_the_list_of_the_old_generation_shows_which_task_has_our_id() -> None:
    assert kling.parse_lookup(recorded.reply("kling", "lookup_old")) == ListPage(
        rows=(
            _row("image2video:900000000000000002", "processing", "tsk_1"),
            _row("900000000000000003", "succeed", ""),
        ),
        has_more=False,
    )


def test_a_full_page_of_the_old_list_has_more_behind_it() -> None:
    rows = [{"task_id": str(number), "task_status": "submitted"} for number in range(30)]
    body = json.dumps({"code": 0, "data": rows}).encode()
    page = kling.parse_lookup(HttpReply(status=200, body=body))
    assert isinstance(page, ListPage)
    assert (len(page.rows), page.has_more, {row.own_id for row in page.rows}) == (30, True, {""})


def test_a_look_up_that_is_refused_or_holds_no_list_says_so() -> None:
    assert kling.parse_lookup(recorded.reply("kling", "status_429_rate")) == Throttled(retry_after_s=3.0)
    assert isinstance(kling.parse_lookup(recorded.reply("kling", "old_submitted")), Unavailable)
