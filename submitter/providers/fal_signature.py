"""fal's callback signature: Ed25519 over four lines, with keys that fal publishes as a JWKS. Pure.

Source: https://fal.ai/docs/documentation/model-apis/inference/webhooks.md, read 2026-11-26. The lines are request id,
user id and timestamp of the headers and the lower-case hex of the SHA-256 of the raw body, joined by line feeds without
one at the end, in UTF-8. The signature is hex. Every key of the JWKS is tried, because no header names one. 300 s of
skew are allowed in both directions.
"""

import hashlib
import re

from submitter.errors import BadSignature, StaleCallback
from submitter.http.messages import Callback
from submitter.providers.contract import Account
from submitter.providers.public_keys import ed25519_keys, is_ed25519_signature

_PREFIX = "x-fal-webhook-"

_SIGNATURE = "signature"

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def check_headers(callback: Callback) -> None:
    """Raise BadSignature unless each of the four headers is there once and the timestamp is unix seconds."""
    if not _TIMESTAMP.fullmatch(_single(callback, "timestamp")):
        raise BadSignature("X-Fal-Webhook-Timestamp is not unix seconds")
    for name in ("request-id", "user-id", _SIGNATURE):
        _single(callback, name)


def verify(callback: Callback, account: Account, now_ms: int, jwks: bytes) -> None:
    """Raise BadSignature, StaleCallback for a right signature outside the window, or UnreadableKeys."""
    check_headers(callback)
    contents = [signed_text(callback, body) for body in callback.signed_forms]
    if not is_ed25519_signature(ed25519_keys(jwks), _single(callback, _SIGNATURE), *contents):
        raise BadSignature("X-Fal-Webhook-Signature is not of one of fal's keys over this message")
    window_s, sent_s = account.signature_window_s, int(_single(callback, "timestamp"))
    if window_s > 0 and abs(now_ms - sent_s * 1000) > window_s * 1000:
        raise StaleCallback("X-Fal-Webhook-Timestamp is outside the signature window")


def signed_text(callback: Callback, body: bytes) -> bytes:
    lines = [_single(callback, name) for name in ("request-id", "user-id", "timestamp")]
    return "\n".join((*lines, hashlib.sha256(body).hexdigest())).encode("utf-8", "surrogatepass")


def _single(callback: Callback, name: str) -> str:
    values = callback.header_values(_PREFIX + name)
    if len(values) != 1:
        raise BadSignature(f"{_PREFIX}{name} must be there exactly once, found {len(values)}")
    return values[0]
