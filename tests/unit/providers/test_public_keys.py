"""Public keys out of untrusted documents, and signatures that are checked with them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.errors import UnreadableKeys
from submitter.providers.json_reader import ITEMS_CAP
from submitter.providers.public_keys import ed25519_keys, is_ed25519_signature

# RFC 8032 section 7.1, test 2, and the key of RFC 8037 appendix A.1.
KEY = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
X = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
OTHER_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def _jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def _jwk(x: str = X, **more: Any) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": x, **more}


def test_the_key_of_a_jwks_verifies_what_it_signed() -> None:
    keys = ed25519_keys(_jwks(_jwk(kid="1", use="sig")))
    assert keys == (KEY,)
    assert is_ed25519_signature(keys, SIGNATURE, b"\x72")


def test_each_key_and_each_content_is_tried() -> None:
    keys = ed25519_keys(_jwks(_jwk(OTHER_X), _jwk()))
    assert is_ed25519_signature(keys, SIGNATURE, b"packed", b"\x72")


@pytest.mark.parametrize(
    "signature", ["", "0" * 128, SIGNATURE[:-2], SIGNATURE + "00", SIGNATURE.upper(), " " + SIGNATURE[1:], "é" * 128]
)
def test_any_other_signature_is_none(signature: str) -> None:
    assert not is_ed25519_signature((KEY,), signature, b"\x72")


def test_a_signature_of_another_key_or_over_another_content_is_none() -> None:
    assert not is_ed25519_signature(ed25519_keys(_jwks(_jwk(OTHER_X))), SIGNATURE, b"\x72")
    assert not is_ed25519_signature((KEY,), SIGNATURE, b"\x73")
    assert not is_ed25519_signature((), SIGNATURE, b"\x72")


def test_keys_of_other_kinds_and_malformed_ones_are_left_out() -> None:
    others = [
        {"kty": "RSA", "n": "x", "e": "AQAB"},
        _jwk(crv="X25519"),
        _jwk("short"),
        _jwk("é" * 43),
        7,
        None,
        {"x": 1},
    ]
    assert ed25519_keys(_jwks(*others, _jwk(), _jwk(X + "="))) == (KEY,)


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b"<html>", _jwks(), _jwks({"kty": "RSA"}), b'{"keys":{}}', b'{"keys":7}', b"[" * 100_000],
)
def test_a_document_without_such_a_key_is_unreadable(document: bytes) -> None:
    with pytest.raises(UnreadableKeys):
        ed25519_keys(document)


def test_of_a_huge_document_only_so_many_keys_are_tried() -> None:
    many = [_jwk(bytes([*number.to_bytes(2, "big"), *bytes(30)]).hex()[:43]) for number in range(1000)]
    assert 1 <= len(ed25519_keys(_jwks(*many))) <= ITEMS_CAP


@given(document=st.binary(max_size=200))
def test_no_bytes_make_it_raise_anything_else(document: bytes) -> None:
    with pytest.raises(UnreadableKeys):
        ed25519_keys(document)
