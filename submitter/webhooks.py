"""Signed messages as Standard Webhooks 1 has them: made by the receiver, verified by whoever is posted to.

Pure. Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md (symmetric signatures, `v1`).
Whatever a stranger sends can only raise WebhookNotVerified.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence

from submitter.errors import WebhookNotVerified
from submitter.wire import Headers

SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin, not one
TOLERANCE_S = 300  # as the reference libraries have it, to either side

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def secret_key(secret: str) -> bytes:
    """The signing key inside `whsec_…`. Raise ValueError, whose text holds nothing of the secret."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a webhook secret begins with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64") from None
    if not key:
        raise ValueError("the webhook secret is empty")
    return key


def webhook_signature(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,…` over the three, byte for byte."""
    content = b".".join((_to_bytes(message_id), _to_bytes(timestamp), body))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode("ascii")


def webhook_headers(secrets: Sequence[str], *, message_id: str, timestamp_s: int, body: bytes) -> Headers:
    """One signature for each secret, so that a receiver may hold any of them. Raise ValueError for a bad secret."""
    timestamp = str(timestamp_s)
    signatures = (
        webhook_signature(secret_key(secret), message_id=message_id, timestamp=timestamp, body=body)
        for secret in secrets
    )
    return ((ID, message_id), (TIMESTAMP, timestamp), (SIGNATURE, " ".join(signatures)))


def verify_webhook(
    secrets: Sequence[str], headers: Headers, body: bytes, *, now_s: int, tolerance_s: int = TOLERANCE_S
) -> None:
    """Raise WebhookNotVerified unless one signature is right and the timestamp is within `tolerance_s` of `now_s`."""
    message_id, timestamp, given = (_single(headers, name) for name in (ID, TIMESTAMP, SIGNATURE))
    if not _SECONDS.fullmatch(timestamp):
        raise WebhookNotVerified(f"{TIMESTAMP} is not a time in unix seconds")
    signatures = [_to_bytes(signature) for signature in given.split(" ")]
    # Every secret against every signature, without stopping: the time taken tells nothing about which one is right.
    matches = [
        hmac.compare_digest(expected, signature)
        for expected in _expected(secrets, message_id, timestamp, body)
        for signature in signatures
    ]
    if not any(matches):
        raise WebhookNotVerified("no signature is right")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise WebhookNotVerified(f"{TIMESTAMP} is more than {tolerance_s} s away")


def _expected(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes) -> list[bytes]:
    try:
        keys = [secret_key(secret) for secret in secrets]
    except ValueError as error:
        raise WebhookNotVerified(str(error)) from None
    return [_to_bytes(webhook_signature(key, message_id=message_id, timestamp=timestamp, body=body)) for key in keys]


def _single(headers: Headers, name: str) -> str:
    values = [value for key, value in headers if key.lower() == name]
    if len(values) != 1 or not values[0]:
        raise WebhookNotVerified(f"{name} must be there once")
    return values[0]


def _to_bytes(text: str) -> bytes:
    # Header bytes that are no text may arrive as lone surrogates, which plain UTF-8 refuses.
    return text.encode("utf-8", "surrogatepass")
