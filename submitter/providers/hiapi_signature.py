"""HiAPI's callback signature, by https://docs.hiapi.ai/async-api/ and HiAPIAI/hiapi-python (read 2026-11-21).

HMAC-SHA256 over timestamp, full stop, raw body, in lower-case hex; the key is the secret's UTF-8 bytes, not decoded.
The SDK accepts 300 s of skew in both directions, exactly 300 included; 0 turns the window off. Without a secret in the
console the two headers are not sent, so with a configured secret an unsigned callback is refused.
"""

import hashlib
import hmac
import re
from functools import lru_cache

from submitter.errors import BadSignature, StaleCallback
from submitter.http.messages import Callback
from submitter.providers.contract import Account

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def verify(callback: Callback, account: Account, now_ms: int) -> bool:
    """Return True for a right signature, False where no secret is configured.

    Raise BadSignature, or StaleCallback when the signature is right and its time is outside the window.
    """
    if account.webhook_secret is None:
        return False
    timestamp = _single(callback, "x-hiapi-timestamp")
    given = _single(callback, "x-hiapi-signature")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("X-HiAPI-Timestamp is not unix seconds")
    proved = _bytes(given)  # because compare_digest raises TypeError for text that is not ASCII
    for body in callback.signed_forms:
        if hmac.compare_digest(signature(account.webhook_secret, timestamp, body), proved):
            break
    else:
        raise BadSignature("X-HiAPI-Signature does not match the body")
    window_s = account.signature_window_s
    if window_s > 0 and abs(now_ms - int(timestamp) * 1000) > window_s * 1000:
        raise StaleCallback("X-HiAPI-Timestamp is outside the signature window")
    return True


def signature(secret: str, timestamp: str, body: bytes) -> bytes:
    mac = _mac(secret).copy()
    mac.update(b"%b.%b" % (timestamp.encode("ascii"), body))
    return mac.hexdigest().encode("ascii")


@lru_cache(maxsize=64)
def _mac(secret: str) -> hmac.HMAC:
    """A copy of what is begun with the secret costs a sixth of beginning again."""
    return hmac.new(_bytes(secret), digestmod=hashlib.sha256)


def _single(callback: Callback, name: str) -> str:
    values = callback.header_values(name)
    if len(values) != 1:
        raise BadSignature(f"{name} must be there exactly once, found {len(values)}")
    return values[0]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
