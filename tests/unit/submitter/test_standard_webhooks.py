"""Signing and verifying by Standard Webhooks 1, with the published libraries as oracles."""

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from submitter.errors import WebhookNotVerified
from submitter.http.messages import Headers
from submitter.standard_webhooks import new_signing_key, public_key, secret_key, verify_webhook, webhook_headers

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "A" * 32
NOW_S = 1_790_000_000
BODY = '{"type":"task.succeeded","data":{"text":"完成 é"}}'.encode()
SIGNING, OTHER_SIGNING = new_signing_key(bytes(range(32))), new_signing_key(bytes(32))
PUBLIC, OTHER_PUBLIC = public_key(SIGNING), public_key(OTHER_SIGNING)
#: github.com/svix/svix-webhooks, server/README.md, "Asymmetric signatures", read 2026-11-21
SVIX_SIGNING = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
SVIX_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ORACLES = pytest.mark.parametrize("oracle", [standardwebhooks.Webhook, svix.webhooks.Webhook])


def _signed(
    secrets: tuple[str, ...] = (SECRET,), timestamp_s: int = NOW_S, signing_keys: tuple[str, ...] = ()
) -> Headers:
    return webhook_headers(secrets, message_id="evt_1", timestamp_s=timestamp_s, body=BODY, signing_keys=signing_keys)


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


def test_a_public_key_is_the_one_that_the_published_pair_has() -> None:
    assert public_key(SVIX_SIGNING) == SVIX_PUBLIC
    seed = base64.b64decode(SVIX_SIGNING.removeprefix("whsk_"))[:32]
    assert new_signing_key(seed) == SVIX_SIGNING


def test_ed25519_signatures_come_after_the_others_and_plain_cryptography_verifies_them() -> None:
    signed = dict(_signed((SECRET, OTHER), signing_keys=(SIGNING, OTHER_SIGNING)))
    signatures = signed["webhook-signature"].split(" ")
    assert [signature.partition(",")[0] for signature in signatures] == ["v1", "v1", "v1a", "v1a"]
    for public, signature in zip((PUBLIC, OTHER_PUBLIC), signatures[2:], strict=True):
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
        key.verify(base64.b64decode(signature.removeprefix("v1a,")), b"evt_1.%d." % NOW_S + BODY)


def test_secrets_and_public_keys_verify_alike_alone_and_mixed() -> None:
    headers = _signed((SECRET,), signing_keys=(SIGNING,))
    for secrets in ((SECRET,), (PUBLIC,), (OTHER_PUBLIC, PUBLIC), (OTHER, PUBLIC), (OTHER_PUBLIC, SECRET)):
        _verify(headers, secrets=secrets)
    for secrets in ((OTHER_PUBLIC,), (OTHER, OTHER_PUBLIC)):
        with pytest.raises(WebhookNotVerified, match="no signature"):
            _verify(headers, secrets=secrets)


def test_a_public_key_verifies_only_what_was_signed_with_its_own_kind() -> None:
    text = dict(_signed((), signing_keys=(SIGNING,)))["webhook-signature"]
    for changed in (text.replace("v1a,", "v1,"), text.replace("v1a,", "v1a"), text[:-4], text + "A", "v1a,é\udcff"):
        with pytest.raises(WebhookNotVerified):
            _verify(_with("webhook-signature", changed), secrets=(PUBLIC,))
    with pytest.raises(WebhookNotVerified):
        _verify(_signed((), signing_keys=(SIGNING,)), secrets=(PUBLIC,), body=BODY + b" ")


def test_a_header_with_too_many_signatures_is_refused_unchecked() -> None:
    right = dict(_signed())["webhook-signature"]
    _verify(_with("webhook-signature", " ".join(["v1,x"] * 31 + [right])))
    with pytest.raises(WebhookNotVerified, match="more than 32"):
        _verify(_with("webhook-signature", " ".join(["v1,x"] * 32 + [right])))


@pytest.mark.parametrize(
    "key",
    ["", "plain", SECRET, PUBLIC, "whsk_", "whsk_%", "whsk_" + "A" * 43 + "=", "whsk_" + "A" * 86 + "==", "\udcff"],
)
def test_a_malformed_signing_key_is_refused_without_being_repeated(key: str) -> None:
    for use in (public_key, lambda bad: _signed(signing_keys=(bad,))):
        with pytest.raises(ValueError, match=r"signing key|base64") as raised:
            use(key)
        assert key.removeprefix("whsk_") == "" or key not in str(raised.value)


@pytest.mark.parametrize("count", [0, 31, 33, 64])
def test_a_seed_of_another_length_makes_no_signing_key(count: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        new_signing_key(bytes(count))


def test_the_window_has_the_given_width_on_either_side() -> None:
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


@pytest.mark.parametrize(
    "secrets",
    [
        (),
        (OTHER,),
        ("",),
        ("whsec_",),
        ("whsec_%",),
        ("\udcff",),
        (SECRET, "plain"),
        (SECRET, "whpk_%"),
        (SECRET, "whpk_YQ=="),
        (SIGNING,),
    ],
)
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
