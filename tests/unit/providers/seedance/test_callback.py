"""Seedance's callbacks: changes are reports, ends are hints, because nothing is signed."""

import pytest

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, ProviderTaskId, Source, TaskKey, TaskState
from submitter.providers import seedance
from tests.unit.providers import recorded

ACCOUNT = recorded.account("seedance")


def _seen(name: str, state: TaskState, ended_at_ms: int | None = None) -> Observation:
    return Observation(
        key=TaskKey(provider="seedance", provider_task_id=ProviderTaskId("cgt-20260901100000-abcde")),
        state=state,
        source=Source.CALLBACK,
        raw_state=name.removeprefix("callback_"),
        model="dreamina-seedance-2-0-260128",
        completed_at_ms=ended_at_ms,
        without_result=ended_at_ms is not None,
        raw=recorded.callback("seedance", name).body,
    )


EXPECTED = {
    "callback_queued": _seen("callback_queued", TaskState.SUBMITTED),
    "callback_running": _seen("callback_running", TaskState.RUNNING),
    "callback_succeeded": _seen("callback_succeeded", TaskState.SUCCEEDED, 1_790_000_120_000),
    "callback_failed": _seen("callback_failed", TaskState.FAILED, 1_790_000_090_000),
    "callback_expired": _seen("callback_expired", TaskState.FAILED, 1_790_172_800_000),
}


@pytest.mark.parametrize("name", recorded.names("seedance", "callback"))
def test_a_recorded_callback_is_read_as_documented(name: str) -> None:
    observation = seedance.parse_callback(recorded.callback("seedance", name), ACCOUNT, 0)
    assert observation == EXPECTED[name]
    assert not observation.signature_verified


def test_with_a_webhook_secret_no_callback_counts_because_none_is_signed() -> None:
    account = recorded.account("seedance", webhook_secret="a-secret-of-nobody")
    with pytest.raises(BadSignature):
        seedance.parse_callback(recorded.callback("seedance", "callback_succeeded"), account, 0)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b"\xff", b'{"id":"x"}', b'{"status":"succeeded"}', b'{"id":7,"status":"x"}']
)
def test_a_body_without_task_and_status_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        seedance.parse_callback(Callback(body=body), ACCOUNT, 0)
