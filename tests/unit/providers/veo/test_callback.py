"""The event of a project's webhook: its signature, and what it is good for."""

from dataclasses import replace

import pytest

from submitter.errors import BadSignature, StaleCallback, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import ProviderTaskId, Source, TaskState
from submitter.providers import veo
from submitter.standard_webhooks import webhook_headers
from tests.unit.providers import recorded

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0wMDE="
NOW_S = 1_790_000_000
ACCOUNT = recorded.account("veo", webhook_secret=SECRET)
TASK_ID = ProviderTaskId("models/veo-3.1-generate-preview/operations/op0001")


def _signed(name: str = "callback_generated", secret: str = SECRET) -> Callback:
    body = recorded.callback("veo", name).body
    return Callback(headers=webhook_headers([secret], message_id="msg_1", timestamp_s=NOW_S, body=body), body=body)


def test_an_event_of_a_video_makes_its_task_due_and_brings_no_result() -> None:
    seen = veo.parse_callback(_signed(), ACCOUNT, NOW_S * 1000)
    assert (seen.key.provider_task_id, seen.state, seen.source) == (TASK_ID, TaskState.SUCCEEDED, Source.CALLBACK)
    assert (seen.without_result, seen.signature_verified, seen.outputs) == (True, True, ())


def test_without_a_secret_an_event_is_not_verified() -> None:
    seen = veo.parse_callback(_signed(), recorded.account("veo"), NOW_S * 1000)
    assert (seen.without_result, seen.signature_verified) == (True, False)


def test_a_wrong_missing_or_foreign_signature_is_refused() -> None:
    other = _signed(secret="whsec_b3RoZXItc2VjcmV0LW9mLXRoZS10ZXN0cw==")
    for callback in (other, replace(_signed(), headers=()), replace(_signed(), body=_signed().body + b" ")):
        with pytest.raises(BadSignature):
            veo.parse_callback(callback, ACCOUNT, NOW_S * 1000)


def test_a_jwt_of_a_single_requests_webhook_is_no_signature_of_ours() -> None:
    token = ("webhook-signature", "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.c2lnbmF0dXJl")
    headers = (*[each for each in _signed().headers if each[0] != "webhook-signature"], token)
    with pytest.raises(BadSignature):
        veo.parse_callback(replace(_signed(), headers=headers), ACCOUNT, NOW_S * 1000)


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_an_event_out_of_the_window_is_stale(skew_s: int) -> None:
    with pytest.raises(StaleCallback):
        veo.parse_callback(_signed(), ACCOUNT, (NOW_S + skew_s) * 1000)


@pytest.mark.parametrize("name", ["callback_of_a_batch", "callback_without_operation"])
def test_an_event_that_reports_no_task_is_answered_and_not_used(name: str) -> None:
    assert veo.challenge_answer(_signed(name)) == {}
    with pytest.raises(UnreadableCallback):
        veo.parse_callback(_signed(name), ACCOUNT, NOW_S * 1000)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"type":[]}', b'{"type":""}'])
def test_what_is_no_event_is_neither(body: bytes) -> None:
    assert veo.challenge_answer(Callback(body=body)) is None
    with pytest.raises(UnreadableCallback):
        veo.parse_callback(Callback(body=body), recorded.account("veo"), 0)


def test_an_event_of_a_video_is_not_answered_before_it_is_used() -> None:
    assert veo.challenge_answer(_signed()) is None
