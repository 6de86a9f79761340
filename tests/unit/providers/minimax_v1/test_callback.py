"""Callbacks of MiniMax's version 1: other words than in polls, the challenge, and ends as hints."""

import pytest

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, ProviderTaskId, Source, TaskKey, TaskState
from submitter.providers import minimax_v1
from tests.unit.providers import recorded

ADAPTER = "minimax-v1"
ACCOUNT = recorded.account(ADAPTER)


def _seen(name: str, state: TaskState, word: str) -> Observation:
    return Observation(
        key=TaskKey(provider=ADAPTER, provider_task_id=ProviderTaskId("106000000000001")),
        state=state,
        source=Source.CALLBACK,
        raw_state=word,
        without_result=state is not TaskState.RUNNING,
        raw=recorded.callback(ADAPTER, name).body,
    )


EXPECTED = {
    "callback_processing": _seen("callback_processing", TaskState.RUNNING, "processing"),
    "callback_success": _seen("callback_success", TaskState.SUCCEEDED, "success"),
    "callback_success_as_in_a_sample": _seen("callback_success_as_in_a_sample", TaskState.SUCCEEDED, "Success"),
    "callback_failed": _seen("callback_failed", TaskState.FAILED, "failed"),
}


@pytest.mark.parametrize("name", recorded.names(ADAPTER, "callback"))
def test_a_recorded_callback_is_read_as_documented(name: str) -> None:
    assert minimax_v1.parse_callback(recorded.callback(ADAPTER, name), ACCOUNT, 0) == EXPECTED[name]
    assert minimax_v1.challenge_answer(recorded.callback(ADAPTER, name)) is None


def test_a_challenge_is_answered_with_itself_and_reports_no_task() -> None:
    challenge = recorded.callback(ADAPTER, "challenge")
    assert minimax_v1.challenge_answer(challenge) == {"challenge": "0a1b2c3d4e5f"}
    with pytest.raises(UnreadableCallback):
        minimax_v1.parse_callback(challenge, ACCOUNT, 0)


def test_with_a_webhook_secret_no_callback_counts_because_none_is_signed() -> None:
    account = recorded.account(ADAPTER, webhook_secret="a-secret-of-nobody")
    with pytest.raises(BadSignature):
        minimax_v1.parse_callback(recorded.callback(ADAPTER, "callback_success"), account, 0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"task_id":"x"}', b'{"task_id":7,"status":"x"}'])
def test_a_body_without_task_and_status_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        minimax_v1.parse_callback(Callback(body=body), ACCOUNT, 0)
