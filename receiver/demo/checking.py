"""Whether a webhook is what it says, as a subscriber in any language would check it.

Pure. Standard Webhooks 1 (`v1` and `v1a`) and the CloudEvents 1.0 binary mode, spelled out here once more, on purpose:
they must not share a mistake with the sender.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a subscription's creation, or the rotation of its secret, answered: `whsec_…`, and `whpk_…` if asked for."""

    secret: str = field(repr=False)
    public_key: str | None = None


def right_ones(held: Sequence[Credentials], headers: Mapping[str, str], body: bytes) -> list[bool]:
    """For each of those held, whether it verifies; where there is a public key, by both kinds of signature."""
    return [
        is_genuine(each.secret, headers, body)
        and (each.public_key is None or is_genuine_by_public_key(each.public_key, headers, body))
        for each in held
    ]


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1` signatures over id, timestamp and body is ours."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    right = base64.b64encode(hmac.digest(key, _signed(headers, body), hashlib.sha256))
    return any(hmac.compare_digest(right, each) for each in _signatures("v1", headers))


def is_genuine_by_public_key(public_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1a` signatures is of the key that the subscription shows."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_"), validate=True))
    except ValueError:
        return False
    return any(_is_signed_by(key, each, _signed(headers, body)) for each in _signatures("v1a", headers))


def is_cloud_event(headers: Mapping[str, str], event_type: str) -> bool:
    """Whether the attributes are there and say what Standard Webhooks' headers and the body say."""
    told = {name: headers.get(name, "") for name in ("ce-specversion", "ce-id", "ce-type")}
    wanted = {"ce-specversion": "1.0", "ce-id": headers.get("webhook-id"), "ce-type": event_type}
    return told == wanted and bool(headers.get("ce-source")) and bool(headers.get("ce-time"))


def _signed(headers: Mapping[str, str], body: bytes) -> bytes:
    return b".".join((headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), body))


def _signatures(version: str, headers: Mapping[str, str]) -> Iterator[bytes]:
    for each in headers.get("webhook-signature", "").split(" "):
        found, _, signature = each.partition(",")
        if found == version:
            yield signature.encode()


def _is_signed_by(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
