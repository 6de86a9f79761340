"""What an operator may say about a task in every state, and what becomes of what is said."""

from typing import Any

import pytest

from receiver.tasks.model.settle import (
    OperatorEnd,
    end_observation,
    is_correctable,
    read_end,
    uncertain_again,
    why_not_ended,
    why_not_settled,
    without_wrong_id,
)
from submitter.errors import InvalidRequest
from submitter.model import ENDED, Output, ProviderTaskId, Source, TaskId, TaskState
from tests.support.builders import T0, a_task

S = TaskState

#: By state, settled or not: whether an operator may say which task it is, and how it ended.
MAY: dict[tuple[TaskState, bool], tuple[bool, bool]] = {
    (S.QUEUED, False): (False, False),
    (S.SUBMITTING, False): (False, False),
    (S.UNCERTAIN, False): (True, True),
    (S.SUBMITTED, False): (False, True),
    (S.RUNNING, False): (False, True),
    (S.SUBMITTED, True): (True, True),
    (S.RUNNING, True): (True, True),
    **{(state, settled): (False, False) for state in ENDED for settled in (False, True)},
}


def _task(state: TaskState, **changes: Any) -> Any:
    return a_task(state=state, **({"provider_task_id": ProviderTaskId("p1")} | changes))


def test_the_table_has_every_state() -> None:
    assert {state for state, _ in MAY} == set(TaskState)


@pytest.mark.parametrize(("state", "settled"), sorted(MAY))
def test_what_may_be_said_in_every_state(state: TaskState, *, settled: bool) -> None:
    task = _task(state, settled=settled)
    reasons = why_not_settled(task, lease_until_ms=None, now_ms=T0), why_not_ended(task, lease_until_ms=None, now_ms=T0)
    assert tuple(reason is None for reason in reasons) == MAY[state, settled]


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_recorded_end_is_named_with_the_wrong_id_that_brought_it(state: TaskState) -> None:
    reason = why_not_settled(_task(state, settled=True), lease_until_ms=None, now_ms=T0)
    assert (
        reason == f"only an uncertain task can be settled; this one is {state.value} under p1, and a recorded end stays"
    )


@pytest.mark.parametrize(
    ("state", "next_poll_ms", "body", "lease_until_ms", "may"),
    [
        (S.UNCERTAIN, None, "{}", T0 + 1, False),
        (S.UNCERTAIN, None, "{}", T0, True),
        (S.UNCERTAIN, None, None, T0 + 1, True),  # nothing can be repeated without the body
        (S.SUBMITTING, T0 + 1, None, None, False),
        (S.SUBMITTING, T0, None, None, True),  # its process must have died
        (S.SUBMITTING, T0, "{}", T0 + 1, False),
        (S.RUNNING, T0, None, T0 + 1, True),
    ],
)
def test_nothing_is_ended_while_its_post_may_be_under_way(
    state: TaskState, next_poll_ms: int | None, body: str | None, lease_until_ms: int | None, *, may: bool
) -> None:
    task = _task(state, next_poll_ms=next_poll_ms, submit_body=body)
    reason = why_not_ended(task, lease_until_ms=lease_until_ms, now_ms=T0)
    assert (reason is None) is may
    assert may or "try again in a minute" in (reason or "")


@pytest.mark.parametrize("state", TaskState)
def test_an_id_of_an_operator_is_correctable_until_the_end(state: TaskState) -> None:
    assert is_correctable(_task(state, settled=True)) is (state not in ENDED)
    assert not is_correctable(_task(state))


def test_without_a_wrong_id_nothing_of_the_other_task_is_left() -> None:
    wrong = _task(S.RUNNING, settled=True, raw_state="handling", progress=40, missing_since_ms=1)
    assert without_wrong_id(wrong) == a_task(state=S.RUNNING)
    assert without_wrong_id(_task(S.RUNNING)) == _task(S.RUNNING)
    again = uncertain_again(wrong, TaskId("tsk_2"))
    assert (again.state, again.provider_task_id, again.settled, again.next_poll_ms) == (S.UNCERTAIN, None, False, None)
    assert again.error is not None
    assert "settled as p1, and the provider says that this is tsk_2" in again.error.message


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (OperatorEnd(state=S.SUCCEEDED, outputs=(Output(url="https://a.example/v.mp4"),)), None),
        (OperatorEnd(state=S.FAILED, reason="the picture"), ("settled_failed", "the picture")),
        (OperatorEnd(state=S.CANCELED), ("settled_canceled", "settled by ann: it was canceled")),
    ],
)
def test_an_end_is_an_observation_of_the_operator(end: OperatorEnd, error: tuple[str, str] | None) -> None:
    seen = end_observation(_task(S.RUNNING, raw_state="done"), end, actor="ann")
    assert (seen.source, seen.state, seen.raw_state, seen.outputs) == (Source.OPERATOR, end.state, "done", end.outputs)
    assert (seen.key.provider, seen.key.provider_task_id) == ("hiapi", "p1")
    assert (None if seen.error is None else (seen.error.code, seen.error.message)) == error
    assert end_observation(a_task(), end, actor="ann").key.provider_task_id == ""


@pytest.mark.parametrize("state", sorted(set(S) - {S.SUCCEEDED, S.FAILED, S.CANCELED}))
def test_only_what_a_provider_can_report_is_an_end(state: TaskState) -> None:
    with pytest.raises(ValueError, match=state.value):
        end_observation(_task(S.RUNNING), OperatorEnd(state=state), actor="ann")


def test_the_files_of_a_success_keep_their_order_and_what_their_addresses_tell() -> None:
    urls = ["https://oss.example/v.mp4?Expires=1790086400", "http://gateway.example/v1/videos/x/content"]
    end = read_end(succeeded=urls, own_host="http://gateway.example/v1")
    assert end == OperatorEnd(
        state=S.SUCCEEDED,
        outputs=(Output(url=urls[0], expires_at_ms=1_790_086_400_000), Output(url=urls[1], needs_key=True)),
    )
    assert not read_end(succeeded=urls, own_host=None).outputs[1].needs_key
    assert read_end(succeeded=["https://a.example/a b"], own_host=None).outputs == (
        Output(url="https://a.example/a%20b"),
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "v.mp4",
        "/v1/videos/x/content",
        "ftp://a.example/v",
        "file:///etc/passwd",
        "https://",
        "https://u:p@a.example/v",
        "javascript:alert(1)",
        "https://a.example/\x1b[2J",
        "https://a.example/" + "x" * 9000,
    ],
)
def test_what_is_no_address_of_a_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_end(succeeded=["https://a.example/v.mp4", url], own_host=None)
    (violation,) = refused.value.violations
    assert (violation.field, len(str(violation)) < 500) == ("succeeded", True)


@pytest.mark.parametrize("urls", [[], ["https://a.example/v"] * 101])
def test_a_success_has_one_to_a_hundred_files(urls: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="has no URL, or too many"):
        read_end(succeeded=urls, own_host=None)


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_failure_has_a_reason(reason: str) -> None:
    with pytest.raises(InvalidRequest, match="why the task failed"):
        read_end(failed=reason, own_host=None)


def test_a_reason_is_stored_as_clean_text() -> None:
    assert read_end(failed=" no\x00 money ", own_host=None).reason == "no\N{REPLACEMENT CHARACTER} money"
    assert len(read_end(failed="x" * 9000, own_host=None).reason) == 2000
