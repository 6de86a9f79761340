"""The signed token of the old generation of Kling's API: a JWT of access key and secret key. Pure.

Source, read 2026-11-26: a public routing design of 2026-05-14 that quotes
https://kling.ai/document-api/apiReference/commonInfo. The secret's text is the key as UTF-8 [inferred].
"""

import base64
import hmac

from submitter.providers.calls import as_json

LIFE_S = 1800

EARLY_S = 5  # how far Kling's clock may be behind ours

_HEADER = {"alg": "HS256", "typ": "JWT"}


def token(access_key: str, secret_key: str, now_s: int) -> str:
    claims = {"iss": access_key, "exp": now_s + LIFE_S, "nbf": now_s - EARLY_S}
    signed = f"{_encoded(as_json(_HEADER))}.{_encoded(as_json(claims))}"
    proof = hmac.digest(secret_key.encode("utf-8", "surrogatepass"), signed.encode("ascii"), "sha256")
    return f"{signed}.{_encoded(proof)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
