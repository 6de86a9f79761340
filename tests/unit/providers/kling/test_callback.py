"""Kling's callback: at every change, in two forms, signed or a hint."""

import json
from dataclasses import replace
from typing import Any

import pytest

from submitter.errors import BadSignature, StaleCallback, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, Output, ProviderTaskId, Source, TaskError, TaskKey, TaskState
from submitter.providers import kling
from submitter.standard_webhooks import webhook_headers
from tests.unit.providers import recorded

NEW, OLD = "900000000000000001", "image2video:900000000000000002"
SECRET = "whsec_d2hlbmZpbmFsLWtsaW5nLWNoZWNrLWtleS0wMDAwMDE="
VECTOR_BODY = (
    b'{"id":"900000000000000001","status":"succeeded","message":"","create_time":1790000000000,'
    b'"update_time":1790000130000}'
)
VECTOR = "v1,XpnWVY9hTKtSltgYmEc/3ORIMdU1iCLO/Z1yN8NrXyg="
NOW_MS = 1_790_000_130_000
SECURED = recorded.account("kling", webhook_secret=SECRET)


def _signed(body: bytes = VECTOR_BODY, timestamp: str = "1790000130", proof: str = VECTOR) -> Callback:
    headers = (
        ("webhook-id", "900000000000000777"),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", proof),
    )
    return Callback(headers=headers, body=body)


def _seen(name: str, task_id: str, state: TaskState, raw_state: str, **more: Any) -> Observation:
    return Observation(
        key=TaskKey(provider="kling", provider_task_id=ProviderTaskId(task_id)),
        state=state,
        source=Source.CALLBACK,
        raw_state=raw_state,
        raw=recorded.callback("kling", name).body,
        **more,
    )


def _done(url: str) -> dict[str, Any]:
    outputs = (Output(url=url, expires_at_ms=NOW_MS + 30 * 86_400_000),)
    return {"outputs": outputs, "completed_at_ms": NOW_MS, "without_result": True}


VIDEO, OLD_VIDEO = _done("https://cdn.example/v.mp4"), _done("https://cdn.example/w.mp4")
EXPECTED = {
    "callback_processing": _seen("callback_processing", NEW, TaskState.RUNNING, "processing"),
    "callback_succeeded": _seen("callback_succeeded", NEW, TaskState.SUCCEEDED, "succeeded", **VIDEO),
    "callback_failed": _seen(
        "callback_failed",
        NEW,
        TaskState.FAILED,
        "failed",
        error=TaskError(code="failed", message="refused by the content check"),
        completed_at_ms=NOW_MS,
        without_result=True,
    ),
    "callback_old_succeed": _seen("callback_old_succeed", OLD, TaskState.SUCCEEDED, "succeed", **OLD_VIDEO),
    "callback_old_under_data": _seen("callback_old_under_data", OLD, TaskState.SUCCEEDED, "succeed", **OLD_VIDEO),
}


@pytest.mark.parametrize("name", recorded.names("kling", "callback"))
def test_a_recorded_callback_is_read_as_documented_and_an_unsigned_end_is_a_hint(name: str) -> None:
    observation = kling.parse_callback(recorded.callback("kling", name), recorded.account("kling"), NOW_MS)
    assert observation == EXPECTED[name]


@pytest.mark.parametrize("name", recorded.names("kling", "callback"))
def test_a_signed_end_counts(name: str) -> None:
    body = recorded.callback("kling", name).body
    headers = webhook_headers([SECRET], message_id="1", timestamp_s=NOW_MS // 1000, body=body)
    observation = kling.parse_callback(Callback(headers=headers, body=body), SECURED, NOW_MS)
    assert observation == replace(EXPECTED[name], signature_verified=True, without_result=False)


def test_the_signature_of_the_vector_is_right_and_a_success_without_its_link_is_polled() -> None:
    observation = kling.parse_callback(_signed(), SECURED, NOW_MS)
    assert (observation.signature_verified, observation.without_result) == (True, True)


def test_during_a_rotation_either_signature_is_enough() -> None:
    other = "v1," + "A" * 43 + "="
    for proof in (f"{other} {VECTOR}", f"{VECTOR} {other}", f"v2,x {VECTOR}"):
        assert kling.parse_callback(_signed(proof=proof), SECURED, NOW_MS).signature_verified


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_a_skew_of_exactly_the_window_still_counts(skew_s: int) -> None:
    assert kling.parse_callback(_signed(), SECURED, NOW_MS + skew_s * 1000).signature_verified


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_a_rightly_signed_callback_outside_the_window_is_stale(skew_s: int) -> None:
    with pytest.raises(StaleCallback):
        kling.parse_callback(_signed(), SECURED, NOW_MS + skew_s * 1000)


def test_a_window_of_zero_takes_any_age() -> None:
    assert kling.parse_callback(_signed(), replace(SECURED, signature_window_s=0), 0).signature_verified


@pytest.mark.parametrize(
    "callback",
    [
        _signed(body=VECTOR_BODY + b" "),
        _signed(timestamp="1790000131"),
        _signed(timestamp="now"),
        _signed(proof=""),
        _signed(proof="v1,"),
        _signed(proof=VECTOR.removeprefix("v1,")),
        _signed(proof="v1,\udcff"),
        Callback(body=VECTOR_BODY),
        Callback(headers=_signed().headers[:2], body=VECTOR_BODY),
        Callback(headers=(*_signed().headers, ("webhook-signature", VECTOR)), body=VECTOR_BODY),
    ],
)
def test_a_wrong_or_missing_signature_is_refused_where_a_secret_is_set(callback: Callback) -> None:
    for now_ms in (NOW_MS, 0):
        with pytest.raises(BadSignature):
            kling.parse_callback(callback, SECURED, now_ms)


def test_a_secret_that_is_none_is_a_wrong_signature() -> None:
    with pytest.raises(BadSignature):
        kling.parse_callback(_signed(), replace(SECURED, webhook_secret="plain"), NOW_MS)


def test_without_a_secret_even_a_signed_callback_is_a_hint() -> None:
    observation = kling.parse_callback(_signed(), recorded.account("kling"), NOW_MS)
    assert (observation.signature_verified, observation.without_result) == (False, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff", b'{"id":"x"}', b'{"status":"failed"}', b'{"data":[]}', b'{"id":"..","status":"x"}'],
)
def test_a_body_without_task_and_status_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        kling.parse_callback(Callback(body=body), recorded.account("kling"), NOW_MS)


def test_a_task_of_the_old_generation_without_our_id_is_unreadable_unless_the_account_has_no_other() -> None:
    body = recorded.callback("kling", "callback_old_succeed").body.replace(b"tsk_1-image2video", b"job-18")
    with pytest.raises(UnreadableCallback):
        kling.parse_callback(Callback(body=body), recorded.account("kling"), NOW_MS)
    signing = recorded.account("kling", secret_key="sk")
    assert kling.parse_callback(Callback(body=body), signing, NOW_MS).key.provider_task_id == "900000000000000002"


# The console's test call


def test_the_test_call_of_the_console_is_answered_and_recorded_by_nobody() -> None:
    body = {"id": "1", "status": "submitted", "message": "", "create_time": 1, "update_time": 1, "outputs": []}
    assert kling.challenge_answer(Callback(body=json.dumps(body).encode())) == {}


@pytest.mark.parametrize(
    "change", [{"external_id": "tsk_1"}, {"status": "processing"}, {"outputs": [{}]}, {"outputs": None}, {"id": None}]
)
def test_a_callback_of_a_task_of_ours_is_no_test_call(change: dict[str, Any]) -> None:
    body = {"id": "1", "status": "submitted", "outputs": [], **change}
    assert kling.challenge_answer(Callback(body=json.dumps(body).encode())) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"status":["submitted"],"outputs":[],"id":"1"}'])
def test_bytes_of_any_kind_are_no_test_call(body: bytes) -> None:
    assert kling.challenge_answer(Callback(body=body)) is None
