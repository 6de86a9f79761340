"""fal's callback: its body, and the Ed25519 signature that makes it count."""

import json
from dataclasses import replace
from typing import Any

import pytest

from submitter.errors import BadSignature, StaleCallback, UnreadableCallback, UnreadableKeys
from submitter.http.messages import Callback
from submitter.model import Observation, Output, ProviderTaskId, Source, TaskError, TaskKey, TaskState
from submitter.providers import fal
from submitter.providers.fal_signature import signed_text
from tests.unit.providers import recorded

ACCOUNT = recorded.account("fal")
TASK_ID = "00000000-0000-4000-8000-00000000f001"
VIDEO = Output(url="https://v3.fal.media/files/example/v.mp4")

# The check vector of the contract (shared/providers-more.md, section 9), made with a key that signs nothing else.
KEYS = b'{"keys":[{"kty":"OKP","crv":"Ed25519","x":"T-5L39gzvFm4LHWcUJYOL4LvanTQfwK5iJvbaxPeXiU"}]}'
OTHER_KEYS = b'{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
VECTOR_BODY = (
    b'{"request_id":"00000000-0000-4000-8000-000000000001",'
    b'"gateway_request_id":"00000000-0000-4000-8000-000000000001",'
    b'"status":"OK","payload":{"video":{"url":"https://cdn.example/v.mp4"}}}'
)
VECTOR_DIGEST = "5ae20728df07ec7e78ae78f4c9b1422b48b9893d58c896198639c43086389603"
VECTOR_SIGNATURE = (
    "6bf580041e2887efbc99a14e7bcaeaa665c8a565a27cd2cf6ca80f1f7ebd5396"
    "583efe288fda44c521e4959680a8b1895f2e7bd5bcd7cdf85f1211fac8e5810c"
)
NOW_MS = 1_790_000_000_000
HEADERS = {
    "x-fal-webhook-request-id": "00000000-0000-4000-8000-000000000001",
    "x-fal-webhook-user-id": "user-example-1",
    "x-fal-webhook-timestamp": "1790000000",
    "x-fal-webhook-signature": VECTOR_SIGNATURE,
}
SIGNED = Callback(headers=tuple(HEADERS.items()), body=VECTOR_BODY)


def _seen(name: str, state: TaskState, raw_state: str, **more: Any) -> Observation:
    return Observation(
        key=TaskKey(provider="fal", provider_task_id=ProviderTaskId(TASK_ID)),
        state=state,
        source=Source.CALLBACK,
        raw_state=raw_state,
        raw=recorded.callback("fal", name).body,
        **more,
    )


EXPECTED = {
    "callback_ok": _seen("callback_ok", TaskState.SUCCEEDED, "OK", outputs=(VIDEO,)),
    "callback_ok_without_payload": _seen("callback_ok_without_payload", TaskState.SUCCEEDED, "OK", without_result=True),
    "callback_error": _seen(
        "callback_error",
        TaskState.FAILED,
        "ERROR",
        error=TaskError(code="content_policy_violation", message="body.prompt: refused by the content check"),
    ),
    "callback_error_without_payload": _seen(
        "callback_error_without_payload",
        TaskState.FAILED,
        "ERROR",
        error=TaskError(code="failed", message="Invalid status code: 500"),
    ),
    "callback_canceled": _seen(
        "callback_canceled",
        TaskState.CANCELED,
        "ERROR",
        error=TaskError(code="client_cancelled", message="cancelled"),
    ),
    "callback_unknown_word": _seen(
        "callback_unknown_word", TaskState.RUNNING, "IN_PROGRESS", is_documented_state=False
    ),
}


@pytest.mark.parametrize("name", recorded.names("fal", "callback"))
def test_a_recorded_callback_is_read_as_documented(name: str) -> None:
    assert fal.parse_callback(recorded.callback("fal", name), ACCOUNT, NOW_MS) == EXPECTED[name]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b"\xff", b'{"request_id":"x"}', b'{"status":"OK"}', b'{"request_id":7,"status":"OK"}'],
)
def test_a_body_without_request_id_and_status_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableCallback):
        fal.parse_callback(Callback(body=body), ACCOUNT, NOW_MS)


def test_the_signature_of_the_vector_is_right() -> None:
    lines = signed_text(SIGNED, SIGNED.body).decode().split("\n")
    assert lines == [HEADERS["x-fal-webhook-request-id"], "user-example-1", "1790000000", VECTOR_DIGEST]
    fal.verify_callback(SIGNED, ACCOUNT, NOW_MS, KEYS)
    assert fal.keys_url(SIGNED, ACCOUNT) == "https://rest.fal.ai/.well-known/jwks.json"


def test_the_keys_may_be_elsewhere() -> None:
    older = recorded.account("fal", keys_url="https://rest.alpha.fal.ai/.well-known/jwks.json")
    assert fal.keys_url(SIGNED, older) == older.keys_url


def test_any_key_of_the_document_may_be_the_one() -> None:
    both = {"keys": [*json.loads(OTHER_KEYS)["keys"], *json.loads(KEYS)["keys"]]}
    fal.verify_callback(SIGNED, ACCOUNT, NOW_MS, json.dumps(both).encode())


def test_another_key_has_not_signed_it() -> None:
    with pytest.raises(BadSignature):
        fal.verify_callback(SIGNED, ACCOUNT, NOW_MS, OTHER_KEYS)


@pytest.mark.parametrize("keys", [b"", b"<html>", b'{"keys":[]}', b"[" * 100_000])
def test_a_document_without_keys_proves_nothing(keys: bytes) -> None:
    with pytest.raises(UnreadableKeys):
        fal.verify_callback(SIGNED, ACCOUNT, NOW_MS, keys)


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_a_skew_of_exactly_the_window_still_counts(skew_s: int) -> None:
    fal.verify_callback(SIGNED, ACCOUNT, NOW_MS + skew_s * 1000, KEYS)


@pytest.mark.parametrize("skew_ms", [-300_001, 300_001])
def test_a_rightly_signed_callback_outside_the_window_is_stale(skew_ms: int) -> None:
    with pytest.raises(StaleCallback):
        fal.verify_callback(SIGNED, ACCOUNT, NOW_MS + skew_ms, KEYS)


def test_a_window_of_zero_takes_any_age() -> None:
    fal.verify_callback(SIGNED, replace(ACCOUNT, signature_window_s=0), 0, KEYS)


def test_a_packed_callback_may_be_signed_as_it_came_or_as_it_unpacks() -> None:
    fal.verify_callback(replace(SIGNED, packed=b"packed"), ACCOUNT, NOW_MS, KEYS)
    fal.verify_callback(replace(SIGNED, body=b"unpacked", packed=VECTOR_BODY), ACCOUNT, NOW_MS, KEYS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-fal-webhook-request-id", "00000000-0000-4000-8000-000000000002"),
        ("x-fal-webhook-user-id", "user-example-2"),
        ("x-fal-webhook-user-id", "\udcff"),
        ("x-fal-webhook-timestamp", "1790000001"),
        ("x-fal-webhook-timestamp", "1790000000.0"),
        ("x-fal-webhook-timestamp", "١٧٩٠٠٠٠٠٠٠"),
        ("x-fal-webhook-timestamp", "9" * 400),
        ("x-fal-webhook-signature", ""),
        ("x-fal-webhook-signature", "0" * 128),
        ("x-fal-webhook-signature", VECTOR_SIGNATURE.upper()),
        ("x-fal-webhook-signature", "é" * 128),
        ("x-fal-webhook-signature", "0" * 9_999),
    ],
)
def test_a_header_of_another_value_breaks_the_signature(name: str, value: str) -> None:
    changed = Callback(headers=tuple((HEADERS | {name: value}).items()), body=VECTOR_BODY)
    with pytest.raises(BadSignature):
        fal.verify_callback(changed, ACCOUNT, NOW_MS, KEYS)


def test_one_changed_byte_of_the_body_breaks_the_signature() -> None:
    with pytest.raises(BadSignature):
        fal.verify_callback(replace(SIGNED, body=VECTOR_BODY + b" "), ACCOUNT, NOW_MS, KEYS)


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_must_be_there_once_before_keys_are_fetched(name: str) -> None:
    headers = [(key, value) for key, value in HEADERS.items() if key != name]
    for odd in (headers, [*HEADERS.items(), (name, HEADERS[name])]):
        with pytest.raises(BadSignature):
            fal.keys_url(Callback(headers=tuple(odd), body=VECTOR_BODY), ACCOUNT)
