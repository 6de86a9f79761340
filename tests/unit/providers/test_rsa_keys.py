"""RSA keys out of untrusted certificates, and signatures that are checked with them."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from submitter.errors import UnreadableKeys
from submitter.providers.public_keys import CERTIFICATE_CAP, is_rsa_signature, rsa_key
from tests.support.certificates import certificate_of

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
PEM = certificate_of(KEY)
SPKI = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _signed(text: bytes, key: rsa.RSAPrivateKey = KEY, digest: hashes.HashAlgorithm | None = None) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), digest or hashes.SHA256())).decode()


@pytest.mark.parametrize("document", [PEM, SPKI, b"Bag Attributes\n\n" + PEM], ids=["certificate", "key", "with notes"])
def test_the_key_of_a_certificate_verifies_what_it_signed(document: bytes) -> None:
    assert is_rsa_signature(rsa_key(document), _signed(b"text"), b"text")


def test_each_content_is_tried() -> None:
    assert is_rsa_signature(rsa_key(PEM), _signed(b"text"), b"other", b"text")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "not base64!",
        _signed(b"text")[:-4],
        _signed(b"text") + "AAAA",
        _signed(b"text") + "\n",
        "\u00e9" * 300,
        "A" * 100_000,
        _signed(b"other"),
        _signed(b"text", OTHER),
        _signed(b"text", digest=hashes.SHA1()),
        base64.b64encode(
            KEY.sign(b"text", padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH), hashes.SHA256())
        ).decode(),
    ],
    ids=["empty", "base64", "short", "long", "line", "letters", "huge", "content", "key", "SHA-1", "PSS"],
)
def test_any_other_signature_is_none(signature: str) -> None:
    assert not is_rsa_signature(rsa_key(PEM), signature, b"text")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>not found</html>",
        PEM[: len(PEM) // 2],
        PEM.replace(b"M", b"N"),
        b"-----BEGIN CERTIFICATE-----",
        PEM + b" " * CERTIFICATE_CAP,
        certificate_of(ec.generate_private_key(ec.SECP256R1())),
        certificate_of(ed25519.Ed25519PrivateKey.generate()),
        certificate_of(rsa.generate_private_key(public_exponent=65_537, key_size=1024)),
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    ],
    ids=["empty", "HTML", "half", "damaged", "begin", "too large", "EC", "Ed25519", "1024 bits", "private"],
)
def test_a_document_without_an_rsa_key_is_unreadable(document: bytes) -> None:
    with pytest.raises(UnreadableKeys):
        rsa_key(document)


@given(
    document=st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda some: PEM[:600] + some + PEM[660:]))
)
def test_no_bytes_make_it_raise_anything_else(document: bytes) -> None:
    try:
        rsa_key(document)
    except UnreadableKeys:
        return
