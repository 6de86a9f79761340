"""Replicate's callback: a prediction without an envelope, signed by Standard Webhooks."""

from dataclasses import replace

import pytest

from submitter.errors import BadSignature, StaleCallback, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import TaskState
from submitter.providers import replicate
from tests.unit.providers import recorded

SECRET = "whsec_d2hlbmZpbmFsLXJlcGxpY2F0ZS1jaGVjay1rZXktMDE="
NOW_MS = 1_790_000_000_000
SECURED = recorded.account("replicate", webhook_secret=SECRET)
# The check vector of the contract (shared/providers-more.md, section 10).
BODY = b'{"id":"abc123example0000000000000","status":"succeeded","output":"https://replicate.delivery/example/v.mp4"}'
HEADERS = {
    "webhook-id": "msg_whenfinal00000000000001",
    "webhook-timestamp": "1790000000",
    "webhook-signature": "v1,8y1jcrY7VOPwTmJV9OaGdL2SJzzRQjZ9PgLwiAZ4Ncw=",
}
SIGNED = Callback(headers=tuple(HEADERS.items()), body=BODY)


def test_the_signature_of_the_vector_makes_an_end_of_the_callback() -> None:
    seen = replicate.parse_callback(SIGNED, SECURED, NOW_MS)
    assert (seen.state, seen.signature_verified, seen.without_result) == (TaskState.SUCCEEDED, True, False)
    assert [output.url for output in seen.outputs] == ["https://replicate.delivery/example/v.mp4"]


def test_one_of_several_signatures_is_enough() -> None:
    both = HEADERS | {"webhook-signature": f"v1,AAAA {HEADERS['webhook-signature']}"}
    seen = replicate.parse_callback(Callback(headers=tuple(both.items()), body=BODY), SECURED, NOW_MS)
    assert seen.signature_verified


@pytest.mark.parametrize(
    ("name", "state", "without_result"),
    [
        ("callback_succeeded", TaskState.SUCCEEDED, True),
        ("callback_failed", TaskState.FAILED, True),
        ("callback_succeeded_without_output", TaskState.SUCCEEDED, True),
        ("callback_processing", TaskState.RUNNING, False),
    ],
)
def test_without_a_secret_an_end_is_a_hint(name: str, state: TaskState, *, without_result: bool) -> None:
    seen = replicate.parse_callback(recorded.callback("replicate", name), recorded.account("replicate"), NOW_MS)
    assert (seen.state, seen.without_result, seen.signature_verified) == (state, without_result, False)
    assert (seen.outputs, seen.error) == ((), None)


def test_the_envelope_of_a_guide_is_no_callback() -> None:
    with pytest.raises(UnreadableCallback):
        replicate.parse_callback(
            recorded.callback("replicate", "callback_envelope"), recorded.account("replicate"), NOW_MS
        )


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_must_be_there_and_right(name: str) -> None:
    headers = [(key, value) for key, value in HEADERS.items() if key != name]
    for odd in (headers, [*headers, (name, "7")], [*HEADERS.items(), (name, HEADERS[name])]):
        with pytest.raises(BadSignature):
            replicate.parse_callback(Callback(headers=tuple(odd), body=BODY), SECURED, NOW_MS)


@pytest.mark.parametrize("secret", ["whsec_AAAA", "no prefix", "whsec_", "whsec_é"])
def test_another_secret_has_not_signed_it(secret: str) -> None:
    with pytest.raises(BadSignature):
        replicate.parse_callback(SIGNED, replace(SECURED, webhook_secret=secret), NOW_MS)


def test_one_changed_byte_of_the_body_breaks_the_signature() -> None:
    with pytest.raises(BadSignature):
        replicate.parse_callback(replace(SIGNED, body=BODY + b" "), SECURED, NOW_MS)


@pytest.mark.parametrize("skew_ms", [-301_000, 301_000])
def test_a_rightly_signed_callback_outside_the_window_is_stale(skew_ms: int) -> None:
    with pytest.raises(StaleCallback):
        replicate.parse_callback(SIGNED, SECURED, NOW_MS + skew_ms)


def test_a_window_of_zero_takes_any_age_as_the_sdk_does() -> None:
    assert replicate.parse_callback(SIGNED, replace(SECURED, signature_window_s=0), 0).signature_verified
