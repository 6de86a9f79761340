"""HiAPI's callback: its body, and the signature that makes it count."""

from dataclasses import replace
from typing import Any

import pytest

from submitter.errors import BadSignature, StaleCallback, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, Output, ProviderTaskId, Source, TaskError, TaskKey, TaskState
from submitter.providers import hiapi, hiapi_signature
from submitter.providers.contract import Account
from tests.unit.providers import recorded

TASK_ID = "tk-hiapi-01k0example0000000000000ab"
SECRET = "example-signing-secret-0001"
VECTOR_BODY = b'{"taskId":"tk-hiapi-00000000000000000000000000","status":"success"}'
VECTOR_SIGNATURE = "e6b1522fec8b270f64ba0c8107c6df3ea72d380f383e4d7bed034105e06c1e5b"
NOW_MS = 1_790_000_000_000
SECURED = recorded.account("hiapi", webhook_secret=SECRET)
VIDEO = Output(url="https://cdn.example/v.mp4", expires_at_ms=1_790_604_930_000)
TIMESTAMP, SIGNATURE = "x-hiapi-timestamp", "x-hiapi-signature"


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> Observation:
    return Observation(
        key=TaskKey(provider="hiapi", provider_task_id=ProviderTaskId(TASK_ID)),
        state=state,
        source=Source.CALLBACK,
        raw_state=raw_state,
        model="happyhorse-1.1/reference-to-video",
        raw=recorded.callback("hiapi", name).body,
        **more,
    )


def _signed(
    body: bytes = VECTOR_BODY, timestamp: str = "1790000000", signature: str = VECTOR_SIGNATURE, **more: str
) -> Callback:
    return Callback(headers=((TIMESTAMP, timestamp), (SIGNATURE, signature), *more.items()), body=body)


def _verified(callback: Callback, account: Account = SECURED, now_ms: int = NOW_MS) -> bool:
    return hiapi.parse_callback(callback, account, now_ms).signature_verified


EXPECTED = {
    "callback_success": _seen(
        "callback_success", TaskState.SUCCEEDED, "success", outputs=(VIDEO,), completed_at_ms=1_790_000_130_000
    ),
    "callback_enveloped": _seen(
        "callback_enveloped", TaskState.SUCCEEDED, "success", outputs=(VIDEO,), completed_at_ms=1_790_000_130_000
    ),
    "callback_success_without_output": _seen(
        "callback_success_without_output",
        TaskState.SUCCEEDED,
        "success",
        without_result=True,
        completed_at_ms=1_790_000_130_000,
    ),
    "callback_fail": _seen(
        "callback_fail",
        TaskState.FAILED,
        "fail",
        error=TaskError(code="TASK_TIMEOUT", message="took too long"),
        completed_at_ms=1_790_000_042_000,
    ),
}


@pytest.mark.parametrize("name", recorded.names("hiapi", "callback"))
def test_a_recorded_callback_is_read_as_documented(name: str) -> None:
    observation = hiapi.parse_callback(recorded.callback("hiapi", name), recorded.account("hiapi"), NOW_MS)
    assert observation == EXPECTED[name]
    assert not observation.signature_verified


def test_the_signature_of_the_vector_is_right() -> None:
    assert hiapi_signature.signature(SECRET, "1790000000", VECTOR_BODY) == VECTOR_SIGNATURE.encode()
    assert _verified(_signed())


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_a_skew_of_exactly_the_window_still_counts(skew_s: int) -> None:
    assert _verified(_signed(), now_ms=NOW_MS + skew_s * 1000)


@pytest.mark.parametrize("skew_ms", [-300_001, 300_001])
def test_a_rightly_signed_callback_outside_the_window_is_stale(skew_ms: int) -> None:
    with pytest.raises(StaleCallback):
        _verified(_signed(), now_ms=NOW_MS + skew_ms)


def test_a_window_of_zero_takes_any_age() -> None:
    assert _verified(_signed(), account=replace(SECURED, signature_window_s=0), now_ms=0)


def test_a_wrong_signature_outside_the_window_is_a_wrong_signature() -> None:
    with pytest.raises(BadSignature):
        _verified(_signed(signature="0" * 64), now_ms=0)


def test_one_changed_byte_of_the_body_breaks_the_signature() -> None:
    with pytest.raises(BadSignature):
        _verified(_signed(body=VECTOR_BODY + b" "))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "é" * 64,
        "\udcff",
        VECTOR_SIGNATURE.upper(),
        f" {VECTOR_SIGNATURE}",
        f"sha256={VECTOR_SIGNATURE}",
        "0" * 9999,
    ],
)
def test_a_signature_in_any_other_form_is_refused(signature: str) -> None:
    with pytest.raises(BadSignature):
        _verified(_signed(signature=signature))


@pytest.mark.parametrize(
    "timestamp", ["", "١٧٩٠٠٠٠٠٠٠", "-1790000000", "1790000000.0", "1e9", "9" * 400, "1790000000 "]
)
def test_a_timestamp_that_is_not_plain_digits_is_refused(timestamp: str) -> None:
    with pytest.raises(BadSignature):
        _verified(_signed(timestamp=timestamp))


@pytest.mark.parametrize("doubled", [TIMESTAMP, SIGNATURE])
def test_a_header_that_occurs_twice_is_refused(doubled: str) -> None:
    twice = _signed()
    again = next(header for header in twice.headers if header[0] == doubled)
    with pytest.raises(BadSignature):
        _verified(replace(twice, headers=(*twice.headers, again)))


@pytest.mark.parametrize("absent", [TIMESTAMP, SIGNATURE])
def test_an_unsigned_callback_is_refused_where_a_secret_is_set(absent: str) -> None:
    headers = tuple(header for header in _signed().headers if header[0] != absent)
    with pytest.raises(BadSignature):
        _verified(Callback(headers=headers, body=VECTOR_BODY))


def test_without_a_secret_even_a_signed_callback_is_not_verified() -> None:
    assert not _verified(_signed(), account=recorded.account("hiapi"))


def test_a_secret_outside_ascii_signs_with_its_utf8_bytes() -> None:
    signature = hiapi_signature.signature("gehéim-geheim-16", "1790000000", VECTOR_BODY).decode()
    assert _verified(_signed(signature=signature), account=replace(SECURED, webhook_secret="gehéim-geheim-16"))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b"\xff", b'{"taskId":"x"}', b'{"status":"success"}', b'{"taskId":7,"status":"x"}'],
)
def test_a_body_without_task_and_status_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        hiapi.parse_callback(Callback(body=body), recorded.account("hiapi"), NOW_MS)
