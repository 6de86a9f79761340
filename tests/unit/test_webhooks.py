"""Signing and verifying by Standard Webhooks 1, with the published libraries as oracles."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from submitter.errors import WebhookNotVerified
from submitter.webhooks import secret_key, verify_webhook, webhook_headers
from submitter.wire import Headers

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "A" * 32
NOW_S = 1_790_000_000
BODY = '{"type":"task.succeeded","data":{"text":"完成 é"}}'.encode()
ORACLES = pytest.mark.parametrize("oracle", [standardwebhooks.Webhook, svix.webhooks.Webhook])


def _signed(secrets: tuple[str, ...] = (SECRET,), timestamp_s: int = NOW_S) -> Headers:
    return webhook_headers(secrets, message_id="evt_1", timestamp_s=timestamp_s, body=BODY)


def _verify(headers: Headers, secrets: tuple[str, ...] = (SECRET,), body: bytes = BODY, now_s: int = NOW_S) -> None:
    verify_webhook(secrets, headers, body, now_s=now_s)


def _with(name: str, value: str) -> Headers:
    return tuple((key, value if key == name else old) for key, old in _signed())


@ORACLES
def test_what_we_sign_the_published_libraries_verify(oracle: Callable[[str], Any]) -> None:
    headers = dict(_signed((OTHER, SECRET), timestamp_s=int(time.time())))
    oracle(SECRET).verify(BODY, headers)
    oracle(OTHER).verify(BODY, headers)


@ORACLES
def test_what_the_published_libraries_sign_we_verify(oracle: Callable[[str], Any]) -> None:
    signature = oracle(SECRET).sign("evt_1", datetime.fromtimestamp(NOW_S, UTC), BODY.decode())
    assert dict(_signed())["webhook-signature"] == signature
    _verify((("Webhook-Id", "evt_1"), ("Webhook-Timestamp", str(NOW_S)), ("WEBHOOK-SIGNATURE", signature)))


def test_any_one_of_several_secrets_and_signatures_suffices() -> None:
    _verify(_signed((OTHER, SECRET)))
    _verify(_signed(), secrets=(OTHER, SECRET))
    _verify(_with("webhook-signature", "v2,abc garbage v1a,x= " + dict(_signed())["webhook-signature"]))


def test_the_window_is_as_wide_as_told_on_either_side() -> None:
    _verify(_signed(), now_s=NOW_S + 300)
    _verify(_signed(), now_s=NOW_S - 300)
    for now_s in (NOW_S + 301, NOW_S - 301):
        with pytest.raises(WebhookNotVerified, match="300 s"):
            _verify(_signed(), now_s=now_s)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "evt_2"),
        ("webhook-id", ""),
        ("webhook-timestamp", str(NOW_S + 1)),
        ("webhook-timestamp", f" {NOW_S}"),
        ("webhook-timestamp", f"{NOW_S}.0"),
        ("webhook-timestamp", "1_790_000_000"),
        ("webhook-timestamp", "١٧٩٠٠٠٠٠٠٠"),
        ("webhook-timestamp", "9" * 5_000),
        ("webhook-timestamp", "nan"),
        ("webhook-signature", ""),
        ("webhook-signature", "garbage"),
        ("webhook-signature", "v1,a"),
        ("webhook-signature", "v1,é\udcff\x00"),
        ("webhook-signature", "v2," + dict(_signed())["webhook-signature"][3:]),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_changed_or_malformed_header_is_not_verified(name: str, value: str) -> None:
    with pytest.raises(WebhookNotVerified):
        _verify(_with(name, value))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_or_repeated_is_not_verified(name: str) -> None:
    missing = tuple(pair for pair in _signed() if pair[0] != name)
    for headers in (missing, (*_signed(), (name, dict(_signed())[name]))):
        with pytest.raises(WebhookNotVerified, match=name):
            _verify(headers)


def test_a_changed_body_is_not_verified() -> None:
    with pytest.raises(WebhookNotVerified):
        _verify(_signed(), body=BODY + b" ")


@pytest.mark.parametrize("secrets", [(), (OTHER,), ("",), ("whsec_",), ("whsec_%",), ("\udcff",), (SECRET, "plain")])
def test_without_the_right_secrets_nothing_is_verified(secrets: tuple[str, ...]) -> None:
    with pytest.raises(WebhookNotVerified) as raised:
        _verify(_signed(), secrets=secrets)
    assert SECRET not in str(raised.value)


_ANY_TEXT = st.text(st.characters())
_NAMES = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]) | _ANY_TEXT


@given(st.lists(st.tuples(_NAMES, _ANY_TEXT)), st.binary(), st.lists(_ANY_TEXT))
def test_no_input_raises_anything_else(headers: list[tuple[str, str]], body: bytes, secrets: list[str]) -> None:
    with pytest.raises(WebhookNotVerified):
        verify_webhook((SECRET, *secrets), tuple(headers), body, now_s=NOW_S)


def test_a_bad_secret_is_never_used_to_sign() -> None:
    with pytest.raises(ValueError, match="base64"):
        _signed(("whsec_%",))
    assert secret_key(OTHER) == b"\0" * 24
