"""Sign and verify messages by Standard Webhooks 1. The receiver signs, a subscriber verifies. Pure.

Source, read 2026-11-21: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md: symmetric signatures
(`v1`, HMAC-SHA256, `whsec_`) and asymmetric ones (`v1a`, ed25519, `whsk_` and `whpk_`). It does not state which bytes
`whsk_` holds. Here they are 64 as in Svix's server: the seed and then the public key (github.com/svix/svix-webhooks,
server/README.md, "Asymmetric signatures"). No message can make `verify_webhook` raise anything but WebhookNotVerified.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from submitter.errors import WebhookNotVerified
from submitter.http.messages import Headers

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets, not a secret

SIGNING_PREFIX = "whsk_"

PUBLIC_PREFIX = "whpk_"

TOLERANCE_S = 300  # in both directions, as in the reference libraries

SIGNATURES_MAX = 32  # in one header, which limits the work that an unauthenticated message can cause

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)

_KEY_BYTES = 32  # of an ed25519 seed, and of a public key


def secret_key(secret: str) -> bytes:
    """Return the HMAC key inside `whsec_…`. Raise ValueError, whose text holds nothing of the secret."""
    return _decoded(secret, SECRET_PREFIX, "a webhook secret")


def new_signing_key(random_bytes: bytes) -> str:
    """Return the `whsk_…` of a seed. Raise ValueError unless the seed has 32 bytes."""
    if len(random_bytes) != _KEY_BYTES:
        raise ValueError(f"an ed25519 seed has {_KEY_BYTES} bytes, not {len(random_bytes)}")
    public = Ed25519PrivateKey.from_private_bytes(random_bytes).public_key().public_bytes_raw()
    return SIGNING_PREFIX + base64.b64encode(random_bytes + public).decode("ascii")


def public_key(signing_key: str) -> str:
    """Return the `whpk_…`, which verifies signatures. Raise ValueError, whose text holds nothing of the key."""
    public = _private(signing_key).public_key().public_bytes_raw()
    return PUBLIC_PREFIX + base64.b64encode(public).decode("ascii")


def webhook_headers(
    secrets: Sequence[str], *, message_id: str, timestamp_s: int, body: bytes, signing_keys: Sequence[str] = ()
) -> Headers:
    """Return the three headers of a signed message. Raise ValueError for a malformed secret or signing key.

    It has a signature for each secret (`v1`) and then for each signing key (`v1a`), so one valid key is enough.
    """
    content = _content(message_id, str(timestamp_s), body)
    signatures = (
        *(_hmac_signature(secret_key(secret), content) for secret in secrets),
        *(_ed25519_signature(_private(key), content) for key in signing_keys),
    )
    return ((ID, message_id), (TIMESTAMP, str(timestamp_s)), (SIGNATURE, " ".join(signatures)))


def check_secrets(secrets: Sequence[str]) -> None:
    """Raise ValueError for a secret that `verify_webhook` could not use; the text holds nothing of the secret."""
    for secret in secrets:
        if secret.startswith(PUBLIC_PREFIX):
            _public(secret)
        else:
            secret_key(secret)


def verify_webhook(
    secrets: Sequence[str], headers: Headers, body: bytes, *, now_s: int, tolerance_s: int = TOLERANCE_S
) -> None:
    """Raise WebhookNotVerified unless one signature is right and the timestamp is within `tolerance_s` of `now_s`.

    `secrets` can mix `whsec_…` and `whpk_…`. Signatures of other versions are skipped.
    """
    message_id, timestamp, given = (_single(headers, name) for name in (ID, TIMESTAMP, SIGNATURE))
    if not _SECONDS.fullmatch(timestamp):
        raise WebhookNotVerified(f"{TIMESTAMP} is not a time in unix seconds")
    signatures = given.split(" ")
    if len(signatures) > SIGNATURES_MAX:
        raise WebhookNotVerified(f"{SIGNATURE} holds more than {SIGNATURES_MAX} signatures")
    content = _content(message_id, timestamp, body)
    # Check every key against every signature without stopping, so that the duration does not show which one is right.
    try:
        matches = [match for secret in secrets for match in _matches(secret, signatures, content)]
    except ValueError as error:
        raise WebhookNotVerified(str(error)) from None
    if not any(matches):
        raise WebhookNotVerified("no signature is right")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise WebhookNotVerified(f"{TIMESTAMP} is more than {tolerance_s} s away")


def _matches(secret: str, signatures: Sequence[str], content: bytes) -> Iterator[bool]:
    if secret.startswith(PUBLIC_PREFIX):
        public = _public(secret)
        return (_is_ed25519(public, signature, content) for signature in signatures)
    expected = _to_bytes(_hmac_signature(secret_key(secret), content))
    return (hmac.compare_digest(expected, _to_bytes(signature)) for signature in signatures)


def _hmac_signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode("ascii")


def _ed25519_signature(key: Ed25519PrivateKey, content: bytes) -> str:
    return "v1a," + base64.b64encode(key.sign(content)).decode("ascii")


def _is_ed25519(key: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    version, _, text = signature.partition(",")
    if version != "v1a":
        return False
    try:
        key.verify(base64.b64decode(text, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((_to_bytes(message_id), _to_bytes(timestamp), body))


def _private(signing_key: str) -> Ed25519PrivateKey:
    data = _decoded(signing_key, SIGNING_PREFIX, "a signing key")
    seed, public = data[:_KEY_BYTES], data[_KEY_BYTES:]
    if len(public) != _KEY_BYTES:
        raise ValueError(f"a signing key holds {2 * _KEY_BYTES} bytes, not {len(data)}")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    if key.public_key().public_bytes_raw() != public:
        raise ValueError("the two halves of the signing key do not belong together")
    return key


def _public(text: str) -> Ed25519PublicKey:
    data = _decoded(text, PUBLIC_PREFIX, "a public key")
    if len(data) != _KEY_BYTES:
        raise ValueError(f"a public key holds {_KEY_BYTES} bytes, not {len(data)}")
    return Ed25519PublicKey.from_public_bytes(data)


def _decoded(text: str, prefix: str, what: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"{what} begins with {prefix}")
    try:
        data = base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {prefix} is not base64") from None
    if not data:
        raise ValueError(f"{what} is empty after {prefix}")
    return data


def _single(headers: Headers, name: str) -> str:
    values = [value for key, value in headers if key.lower() == name]
    if len(values) != 1 or not values[0]:
        raise WebhookNotVerified(f"{name} must be there once")
    return values[0]


def _to_bytes(text: str) -> bytes:
    # Header bytes that are not text can be lone surrogates here, which plain UTF-8 refuses.
    return text.encode("utf-8", "surrogatepass")
