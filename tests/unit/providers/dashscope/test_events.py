"""EventBridge's signature over DashScope's events: which text it covers, whose certificate counts, and when."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from submitter.errors import BadSignature, StaleCallback, UnreadableKeys
from submitter.http.messages import Callback
from submitter.providers import dashscope, dashscope_events
from submitter.providers.registry import VERIFIES_BY_KEYS
from tests.support.certificates import certificate_of
from tests.unit.providers import recorded

NOW_MS = 1_788_228_091_000
URL = "https://w.example.org/films/callbacks/dashscope/dashscope~~0.abc"
CERTIFICATE_URL = "https://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_2021012501.pem"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
PEM = certificate_of(KEY)
ACCOUNT = recorded.account("dashscope")
BODY = recorded.callback("dashscope", "callback_succeeded").body

TIMESTAMP, SIGNATURE = "x-eventbridge-signature-timestamp", "x-eventbridge-signature-v2"
CERTIFICATE, TOKEN = "x-eventbridge-signature-url", "x-eventbridge-signature-token"
METHOD, VERSION = "x-eventbridge-hash-method", "x-eventbridge-signature-version"


def _event(*, url: str | None = URL, signed: bytes = BODY, end: bytes = b"", **changes: Any) -> Callback:
    """`changes` are members of the callback, after it was signed."""
    return _signed({}, url=url, signed=signed, end=end, **changes)


def _signed(
    fields: dict[str, str], *, url: str | None = URL, signed: bytes = BODY, end: bytes = b"", **changes: Any
) -> Callback:
    headers = {TIMESTAMP: str(NOW_MS), METHOD: "SHA256", VERSION: "1.0", CERTIFICATE: CERTIFICATE_URL, **fields}
    text = "\n".join([URL, *(f"{name}: {value}" for name, value in headers.items())]).encode() + b"\n" + signed + end
    signature = base64.b64encode(KEY.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()
    given = {"headers": (*headers.items(), (SIGNATURE, signature)), "body": BODY, "url": url, **changes}
    return Callback(**given)


def _verify(callback: Callback, now_ms: int = NOW_MS, keys: bytes = PEM, **account: Any) -> None:
    dashscope_events.verify_callback(callback, recorded.account("dashscope", **account), now_ms, keys)


def _with(callback: Callback, name: str, *values: str) -> Callback:
    others = tuple([each for each in callback.headers if each[0] != name])
    return Callback(headers=(*others, *((name, value) for value in values)), body=callback.body, url=callback.url)


def test_the_registry_has_it() -> None:
    assert VERIFIES_BY_KEYS["dashscope"] is dashscope_events
    assert dashscope.CAPABILITIES.keys_url == ACCOUNT.keys_url == dashscope_events.KEYS_URL


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["as documented", "with a line feed"])
def test_a_signature_covers_the_address_the_headers_and_the_body(end: bytes) -> None:
    _verify(_event(end=end))


def test_a_token_of_the_account_is_signed_where_it_is_there() -> None:
    _verify(_signed({TOKEN: "films"}))
    with pytest.raises(BadSignature, match="wrong"):
        _verify(_with(_signed({TOKEN: "films"}), TOKEN))
    with pytest.raises(BadSignature, match="wrong"):
        _verify(_with(_event(), TOKEN, "films"))


@pytest.mark.parametrize("form", ["as it came", "unpacked"])
def test_a_packed_event_may_be_signed_before_or_after_it_was_packed(form: str) -> None:
    _verify(_event(signed=b"packed" if form == "as it came" else BODY, packed=b"packed"))


@pytest.mark.parametrize(
    "callback",
    [
        _event(signed=b"another body"),
        _event(url=URL + "x"),
        _event(url=URL.replace("w.example.org", "other.example.org")),
        _event(url=None),
        _with(_event(), SIGNATURE, "AAAA"),
        _with(_event(), SIGNATURE, "not base64!"),
        _with(_event(), SIGNATURE, "\u00e9"),
        _with(_event(), TIMESTAMP, str(NOW_MS + 1)),
        _with(_event(), TIMESTAMP, "now"),
        _with(_event(), TIMESTAMP, "-1"),
        _with(_event(), TIMESTAMP, "\u0661" * 13),
        _with(_event(), TIMESTAMP, "9" * 5_000),
        _with(_event(), TIMESTAMP),
        _with(_event(), TIMESTAMP, str(NOW_MS), str(NOW_MS)),
        _with(_event(), METHOD, "SHA1"),
        _with(_event(), METHOD),
        _with(_event(), VERSION, "2.0"),
        _with(_event(), CERTIFICATE, CERTIFICATE_URL + "x"),
    ],
)
def test_anything_else_is_no_signature(callback: Callback) -> None:
    with pytest.raises(BadSignature):
        _verify(callback)


def test_another_certificate_verifies_nothing() -> None:
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    with pytest.raises(BadSignature, match="wrong"):
        _verify(_event(), keys=certificate_of(other))


@pytest.mark.parametrize("keys", [b"<html>", certificate_of(ec.generate_private_key(ec.SECP256R1())), PEM * 100])
def test_a_document_that_is_no_rsa_certificate_proves_nothing(keys: bytes) -> None:
    if keys == PEM * 100:
        assert len(keys) > 65_536
    with pytest.raises(UnreadableKeys):
        _verify(_event(), keys=keys)


@pytest.mark.parametrize("away_ms", [-300_000, 300_000])
def test_a_replay_counts_within_the_window_only(away_ms: int) -> None:
    _verify(_event(), NOW_MS + away_ms)
    beyond = NOW_MS + away_ms + (1 if away_ms > 0 else -1)
    with pytest.raises(StaleCallback):
        _verify(_event(), beyond)
    _verify(_event(), beyond, signature_window_s=0)
    with pytest.raises(StaleCallback):
        _verify(_event(), NOW_MS + 61_000, signature_window_s=60)


def test_a_timestamp_may_count_seconds() -> None:
    _verify(_signed({TIMESTAMP: str(NOW_MS // 1000)}))
    with pytest.raises(StaleCallback):
        _verify(_signed({TIMESTAMP: str(NOW_MS // 1000 - 301)}))


def test_a_wrong_signature_is_wrong_whatever_its_time() -> None:
    with pytest.raises(BadSignature):
        _verify(_event(signed=b"another body"), NOW_MS + 10**9)


def test_an_unsigned_event_needs_no_keys() -> None:
    assert dashscope_events.keys_url(Callback(body=BODY), ACCOUNT) is None
    older = Callback(headers=(("x-eventbridge-signature", "c2ln"), (CERTIFICATE, "https://evil.example")), body=BODY)
    assert dashscope_events.keys_url(older, ACCOUNT) is None


def test_the_certificate_is_at_the_host_of_the_accounts_region() -> None:
    assert dashscope_events.keys_url(_event(), ACCOUNT) == CERTIFICATE_URL
    simulated = recorded.account("dashscope", keys_url="http://127.0.0.1:9000/dashscope/api/v1/cert.pem")
    at_simulator = _with(_event(), CERTIFICATE, "http://127.0.0.1:9000/other.pem")
    assert dashscope_events.keys_url(at_simulator, simulated) == "http://127.0.0.1:9000/other.pem"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.pem",
        "http://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
        "https://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com:8443/x.pem",
        "https://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com@evil.example/x.pem",
        "https://me@cn-beijing-eventbridge.oss-accelerate.aliyuncs.com/x.pem",
        "https://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com.evil.example/x.pem",
        "https://evil.example/cn-beijing-eventbridge.oss-accelerate.aliyuncs.com",
        "https://cn-bogus-eventbridge.oss-accelerate.aliyuncs.com/x.pem",  # a bucket that anybody may have made
        "https://127.0.0.1/x.pem",
        "file:///etc/passwd",
        "https://[::1/x.pem",
        "",
        "\u00e9",
    ],
)
def test_a_certificate_elsewhere_is_never_fetched(url: str) -> None:
    with pytest.raises(BadSignature):
        dashscope_events.keys_url(_with(_event(), CERTIFICATE, url), ACCOUNT)


@pytest.mark.parametrize("urls", [(), (CERTIFICATE_URL, CERTIFICATE_URL)])
def test_a_signed_event_names_one_certificate(urls: tuple[str, ...]) -> None:
    with pytest.raises(BadSignature):
        dashscope_events.keys_url(_with(_event(), CERTIFICATE, *urls), ACCOUNT)
