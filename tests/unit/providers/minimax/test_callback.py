"""Callbacks of MiniMax's version 2: the challenge, changes as reports, and ends as hints, because nothing is signed."""

import json

import pytest

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, ProviderTaskId, Source, TaskKey, TaskState
from submitter.providers import minimax
from submitter.providers.minimax_shared import CHALLENGE_CAP
from tests.unit.providers import recorded

ACCOUNT = recorded.account("minimax")


def _seen(name: str, state: TaskState, ended_at_ms: int | None = None) -> Observation:
    return Observation(
        key=TaskKey(provider="minimax", provider_task_id=ProviderTaskId("424000000000001")),
        state=state,
        source=Source.CALLBACK,
        raw_state=name.removeprefix("callback_"),
        model="MiniMax-H3",
        completed_at_ms=ended_at_ms,
        without_result=ended_at_ms is not None,
        raw=recorded.callback("minimax", name).body,
    )


EXPECTED = {
    "callback_queued": _seen("callback_queued", TaskState.SUBMITTED),
    "callback_running": _seen("callback_running", TaskState.RUNNING),
    "callback_succeeded": _seen("callback_succeeded", TaskState.SUCCEEDED, 1_790_000_400_000),
    "callback_failed": _seen("callback_failed", TaskState.FAILED, 1_790_000_100_000),
    "callback_cancelled": _seen("callback_cancelled", TaskState.CANCELED, 1_790_000_005_000),
}


@pytest.mark.parametrize("name", recorded.names("minimax", "callback"))
def test_a_recorded_callback_is_read_as_documented(name: str) -> None:
    observation = minimax.parse_callback(recorded.callback("minimax", name), ACCOUNT, 0)
    assert observation == EXPECTED[name]
    assert not observation.signature_verified
    assert minimax.challenge_answer(recorded.callback("minimax", name)) is None


def test_a_challenge_is_answered_with_itself_and_reports_no_task() -> None:
    challenge = recorded.callback("minimax", "challenge")
    assert minimax.challenge_answer(challenge) == {"challenge": "0a1b2c3d4e5f"}
    with pytest.raises(UnreadableCallback):
        minimax.parse_callback(challenge, ACCOUNT, 0)


@pytest.mark.parametrize(
    ("challenge", "is_answered"),
    [
        ("x" * CHALLENGE_CAP, True),
        ("a b+/=é", True),
        ("x" * (CHALLENGE_CAP + 1), False),
        ("x" * 1_000_000, False),
        ("", False),
        ("a\nb", False),
        ("\x1b[2J", False),
        (7, False),
        (True, False),
        (None, False),
        (["x"], False),
        ({"x": "y"}, False),
    ],
)
def test_only_a_short_printable_text_is_a_challenge(challenge: object, *, is_answered: bool) -> None:
    callback = Callback(body=json.dumps({"challenge": challenge}).encode())
    assert minimax.challenge_answer(callback) == ({"challenge": challenge} if is_answered else None)


@pytest.mark.parametrize(
    "body", [{"task": {"id": "t-1", "status": "running"}}, {"task_id": "t-1", "status": "success"}]
)
def test_a_message_about_a_task_is_no_challenge(body: dict[str, object]) -> None:
    assert minimax.challenge_answer(Callback(body=json.dumps(body | {"challenge": "c"}).encode())) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"challenge", b'{"challenge":"x"'])
def test_what_is_no_json_object_is_no_challenge(body: bytes) -> None:
    assert minimax.challenge_answer(Callback(body=body)) is None


def test_with_a_webhook_secret_no_callback_counts_because_none_is_signed() -> None:
    account = recorded.account("minimax", webhook_secret="a-secret-of-nobody")
    with pytest.raises(BadSignature):
        minimax.parse_callback(recorded.callback("minimax", "callback_succeeded"), account, 0)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"task":{"id":"x"}}', b'{"id":"x","status":"failed"}', b'{"task":[]}']
)
def test_a_body_without_task_and_status_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        minimax.parse_callback(Callback(body=body), ACCOUNT, 0)
