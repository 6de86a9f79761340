"""Read the public keys that a provider publishes, and check a signature with them. Pure.

A fetched document is untrusted: whatever its bytes are, a function here returns keys or raises UnreadableKeys.
`cryptography` is imported where it is used, because every command imports the adapters and few of them check anything.

JWKS: RFC 7517 section 5, and RFC 8037 section 2 for Ed25519, whose `x` is the public key in base64url. A certificate is
X.509 in PEM form; only its key is used, because its address proves whose it is.
"""

import base64
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from submitter.errors import UnreadableKeys
from submitter.providers.json_reader import at, items_at, read_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_ED25519_BYTES = 32  # of a public key

_ED25519_SIGNATURE_BYTES = 64

CERTIFICATE_CAP = 64 * 1024  # bytes; one certificate has about 2,000

_RSA_BITS = (2048, 8192)

_RSA_SIGNATURE_CAP = 2 * _RSA_BITS[1] // 8  # characters

_HEX = re.compile(r"[0-9a-f]+")


def ed25519_keys(jwks: bytes) -> tuple[bytes, ...]:
    """Return the Ed25519 keys of a JWKS, each once; keys of other kinds and malformed ones are left out.

    At most as many as `json_reader.ITEMS_CAP`. Raise UnreadableKeys where there is none.
    """
    keys = dict.fromkeys(key for each in items_at(read_object(jwks), "keys") if (key := _ed25519_key(each)))
    if not keys:
        raise UnreadableKeys("the fetched document is not a JWKS with an Ed25519 key")
    return tuple(keys)


def is_ed25519_signature(keys: Sequence[bytes], signature_hex: str, *contents: bytes) -> bool:
    """Whether one of the keys made this signature, in lower-case hex, over one of the contents."""
    if len(signature_hex) != 2 * _ED25519_SIGNATURE_BYTES or not _HEX.fullmatch(signature_hex):
        return False
    signature = bytes.fromhex(signature_hex)
    return any(_made(key, signature, content) for content in contents for key in keys)


def rsa_key(document: bytes) -> "RSAPublicKey":
    """Return the RSA key of a certificate, or of a bare public key, in PEM form. Raise UnreadableKeys without one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if len(document) > CERTIFICATE_CAP:
        raise UnreadableKeys(f"the fetched document is longer than {CERTIFICATE_CAP} bytes, so it is no certificate")
    is_certificate = b"-----BEGIN CERTIFICATE-----" in document
    try:
        key = load_pem_x509_certificate(document).public_key() if is_certificate else load_pem_public_key(document)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableKeys("the fetched document is not a certificate in PEM form") from error
    if not isinstance(key, RSAPublicKey) or not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        raise UnreadableKeys(f"the key of the certificate is not an RSA key of {_RSA_BITS[0]} to {_RSA_BITS[1]} bits")
    return key


def is_rsa_signature(key: "RSAPublicKey", signature_base64: str, *contents: bytes) -> bool:
    """Whether the key made this signature, RSA PKCS #1 v1.5 with SHA-256 in base64, over one of the contents."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature_base64) > _RSA_SIGNATURE_CAP:
        return False
    try:
        signature = base64.b64decode(signature_base64, validate=True)
    except ValueError:
        return False
    for content in contents:
        with suppress(InvalidSignature):
            key.verify(signature, content, PKCS1v15(), SHA256())
            return True
    return False


def _ed25519_key(jwk: object) -> bytes | None:
    encoded = at(jwk, "x")
    if at(jwk, "kty") not in {"OKP", None} or at(jwk, "crv") not in {"Ed25519", None} or not isinstance(encoded, str):
        return None
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return key if len(key) == _ED25519_BYTES else None


def _made(key: bytes, signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
