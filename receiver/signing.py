"""What we sign ourselves: tokens in callback paths, and the secrets and headers of webhooks.

Pure: times and random bytes come in. A signature is checked before anything inside a token is read. Webhook signatures
are made in `submitter.webhooks`, where the one who verifies them finds them too.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from receiver.errors import ExpiredToken, ForgedToken
from submitter.webhooks import (
    SECRET_PREFIX,
    new_signing_key,
    public_key,
    secret_key,
    verify_webhook,
    webhook_headers,
)

__all__ = [
    "CallbackClaim",
    "decode_webhook_secret",
    "make_callback_token",
    "new_signing_key",
    "new_webhook_secret",
    "public_key",
    "read_callback_token",
    "verify_webhook",
    "webhook_headers",
]

#: A provider may cut or refuse a long callback address; ours leaves room for the longest public URL.
TOKEN_CAP = 120
SECRET_MIN_BYTES, SECRET_MAX_BYTES = 24, 64  # Standard Webhooks 1, symmetric signatures

_CALLBACK_SALT = b"whenfinal callback token 1"
_TASK_PREFIX = "tsk_"  # every task has it, so the token goes without
_FIELDS = "~"
#: provider, task without its prefix or nothing, issued at in unix seconds to base 36
_PAYLOAD = re.compile(r"([a-z0-9-]+)~([A-Za-z0-9_-]*)~([0-9a-z]{1,13})", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackClaim:
    """What a token of ours says: the account that was given it and, unless it is account-wide, the task."""

    provider: str
    task: str | None


def make_callback_token(keys: Sequence[str], *, provider: str, task: str | None, now_s: int) -> str:
    """At most `TOKEN_CAP` characters, all fit for a path. `keys` oldest to newest; the newest signs.

    `task` None makes an account-wide token. Raise ValueError for names that are not ours.
    """
    if task is not None and not (task.startswith(_TASK_PREFIX) and len(task) > len(_TASK_PREFIX)):
        raise ValueError("a callback token is made for a task of ours")
    payload = _FIELDS.join((provider, (task or "").removeprefix(_TASK_PREFIX), _to_base_36(now_s)))
    token = _signer(keys).sign(payload).decode()
    if not _PAYLOAD.fullmatch(payload) or len(token) > TOKEN_CAP:
        raise ValueError("the names are too long for a callback token, or hold what no path may")
    return token


def read_callback_token(keys: Sequence[str], token: str, *, now_s: int, max_age_s: int) -> CallbackClaim:
    """Raise ForgedToken or ExpiredToken, whatever the text. A time ahead of `now_s` is of our own clock and counts."""
    found = _PAYLOAD.fullmatch(_signed_text(keys, token))
    if found is None:
        raise ForgedToken("the token has another form than ours")
    provider, task, issued = found.groups()
    if now_s - int(issued, 36) > max_age_s:
        raise ExpiredToken(f"the token is older than {max_age_s} s")
    return CallbackClaim(provider=provider, task=_TASK_PREFIX + task if task else None)


def _signed_text(keys: Sequence[str], token: str) -> str:
    if len(token) > TOKEN_CAP or not token.isascii():
        raise ForgedToken("the token has another form than ours")
    try:
        payload = _signer(keys).unsign(token)
    except BadSignature:
        raise ForgedToken("the token is signed by none of our keys") from None
    signature = token.rpartition(".")[2].encode()
    # Decoding skips what is not base64 and spare bits at the end: only the one spelling that we write is the token.
    if base64_encode(base64_decode(signature)) != signature:
        raise ForgedToken("the token is signed by none of our keys")
    return payload.decode()


def _signer(keys: Sequence[str]) -> Signer:
    return Signer(list(keys), salt=_CALLBACK_SALT, key_derivation="hmac", digest_method=hashlib.sha256)


def _to_base_36(number: int) -> str:
    digits = ""
    while number > 0:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def new_webhook_secret(random_bytes: bytes) -> str:
    """`whsec_…`. Raise ValueError unless there are 24 to 64 of them."""
    secret = SECRET_PREFIX + base64.b64encode(random_bytes).decode()
    decode_webhook_secret(secret)
    return secret


def decode_webhook_secret(text: str) -> bytes:
    """The key of a secret that somebody brings. Raise ValueError that says the rule and nothing of the secret."""
    key = secret_key(text)
    if not SECRET_MIN_BYTES <= len(key) <= SECRET_MAX_BYTES:
        raise ValueError(f"a webhook secret holds {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes, not {len(key)}")
    return key
