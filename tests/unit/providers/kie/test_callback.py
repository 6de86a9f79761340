"""kie.ai's callback: a hint always, because its signature does not cover the body."""

import json
from dataclasses import replace
from typing import Any

import pytest

from submitter.errors import BadSignature, StaleCallback, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, Output, ProviderTaskId, Source, TaskError, TaskKey, TaskState
from submitter.providers import kie, kie_signature
from tests.unit.providers import recorded

TASK_ID = "task_example_0001"
SECRET = "kie-example-hmac-key-0001"
VECTOR = "360MAlDPub51D0tWGjF6Wt57a5rN3CBB5FzanbPhEbI="
NOW_MS = 1_790_000_000_000
SECURED = recorded.account("kie", webhook_secret=SECRET)
TIMESTAMP, SIGNATURE = "x-webhook-timestamp", "x-webhook-signature"


def _signed(name: str = "callback_success", timestamp: str = "1790000000", proof: str = VECTOR) -> Callback:
    return Callback(headers=((TIMESTAMP, timestamp), (SIGNATURE, proof)), body=recorded.callback("kie", name).body)


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> Observation:
    return Observation(
        key=TaskKey(provider="kie", provider_task_id=ProviderTaskId(TASK_ID)),
        state=state,
        source=Source.CALLBACK,
        raw_state=raw_state,
        without_result=True,
        raw=recorded.callback("kie", name).body,
        **more,
    )


MODEL = "happyhorse/reference-to-video"
DONE: dict[str, Any] = {
    "outputs": (Output(url="https://cdn.example/v.mp4", expires_at_ms=1_790_086_530_000),),
    "completed_at_ms": 1_790_000_130_000,
}
EXPECTED = {
    "callback_success": _seen("callback_success", TaskState.SUCCEEDED, "success", model=MODEL, **DONE),
    "callback_fail": _seen(
        "callback_fail",
        TaskState.FAILED,
        "fail",
        model=MODEL,
        error=TaskError(code="422", message="the prompt was refused"),
        completed_at_ms=1_790_000_030_000,
    ),
    "callback_task_id": _seen("callback_task_id", TaskState.SUCCEEDED, "success", **DONE),
}


@pytest.mark.parametrize("name", recorded.names("kie", "callback"))
def test_a_recorded_callback_is_a_hint_with_and_without_a_signature(name: str) -> None:
    plain = kie.parse_callback(recorded.callback("kie", name), recorded.account("kie"), NOW_MS)
    assert plain == EXPECTED[name]
    assert not plain.signature_verified
    assert kie.parse_callback(_signed(name), SECURED, NOW_MS) == plain


def test_the_signature_is_that_of_the_worked_example_and_omits_the_body() -> None:
    assert kie_signature.signature(SECRET, TASK_ID, "1790000000") == VECTOR.encode()
    forged = replace(_signed(), body=_signed().body.replace(b'"success"', b'"fail"'))
    seen = kie.parse_callback(forged, SECURED, NOW_MS)
    assert (seen.signature_verified, seen.without_result) == (False, True)


def test_of_two_ids_the_signed_one_names_the_task() -> None:
    body = json.dumps({"code": 200, "data": {"taskId": "victim", "task_id": TASK_ID, "state": "fail"}}).encode()
    assert kie.parse_callback(replace(_signed(), body=body), SECURED, NOW_MS).key.provider_task_id == TASK_ID


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_a_rightly_signed_callback_outside_the_window_is_stale(skew_s: int) -> None:
    with pytest.raises(StaleCallback):
        kie.parse_callback(_signed(), SECURED, NOW_MS + skew_s * 1000)


def test_a_skew_within_the_window_counts_and_a_window_of_zero_takes_any_age() -> None:
    for account, now_ms in ((SECURED, NOW_MS + 300_000), (replace(SECURED, signature_window_s=0), 0)):
        assert kie.parse_callback(_signed(), account, now_ms).without_result


@pytest.mark.parametrize(
    "callback",
    [
        _signed(timestamp="1790000001"),
        _signed(timestamp="now"),
        _signed(proof=""),
        _signed(proof="é\udcff"),
        _signed(proof=VECTOR.lower()),
        Callback(body=_signed().body),
        Callback(headers=_signed().headers[:1], body=_signed().body),
        Callback(headers=(*_signed().headers, (SIGNATURE, VECTOR)), body=_signed().body),
        replace(_signed(), body=_signed().body.replace(TASK_ID.encode(), b"task_example_0002")),
    ],
)
def test_a_wrong_or_missing_signature_is_refused_where_a_secret_is_set(callback: Callback) -> None:
    for now_ms in (NOW_MS, 0):
        with pytest.raises(BadSignature):
            kie.parse_callback(callback, SECURED, now_ms)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"{}",
        b'{"data":{}}',
        b'{"data":{"taskId":7,"state":"success"}}',
        b'{"code":200,"data":{"taskId":"task_example_0001"}}',
        b'{"code":501,"data":{"task_id":"task_example_0001","state":""}}',
    ],
)
def test_a_body_without_task_and_state_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        kie.parse_callback(Callback(body=body), recorded.account("kie"), NOW_MS)
