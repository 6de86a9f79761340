"""How the demo's consumers check a webhook: signatures and CloudEvents attributes, written from the specifications.

Independent of the receiver's own signing, so that a fault there can not confirm itself. Pure.
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
    """What creating a subscription, or rotating its secret, answered."""

    #: `whsec_…`
    secret: str = field(repr=False)
    #: `whpk_…` of an asymmetric subscription.
    public_key: str | None = None


def verified_by(credentials: Sequence[Credentials], headers: Mapping[str, str], body: bytes) -> list[bool]:
    """For each of the credentials, whether it verifies; with a public key both kinds of signature must be right."""
    return [
        is_signed(each.secret, headers, body)
        and (each.public_key is None or is_signed_asymmetrically(each.public_key, headers, body))
        for each in credentials
    ]


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1` signatures over id, timestamp and body is the secret's."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    right = base64.b64encode(hmac.digest(key, _signed(headers, body), hashlib.sha256))
    return any(hmac.compare_digest(right, each) for each in _signatures("v1", headers))


def is_signed_asymmetrically(public_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1a` signatures is the key's."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_"), validate=True))
    except ValueError:
        return False
    return any(_is_signed_by(key, each, _signed(headers, body)) for each in _signatures("v1a", headers))


def is_cloud_event(headers: Mapping[str, str], event_type: str) -> bool:
    """Whether the attributes are there and agree with the webhook's other headers and its body."""
    found = {name: headers.get(name, "") for name in ("ce-specversion", "ce-id", "ce-type")}
    expected = {"ce-specversion": "1.0", "ce-id": headers.get("webhook-id"), "ce-type": event_type}
    return found == expected and bool(headers.get("ce-source")) and bool(headers.get("ce-time"))


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
