"""Every exception of the receiver.

    ReceiverError
    ├── ConfigError           settings that are missing, malformed or contradict each other
    ├── TokenError            a callback token that does not count
    │   ├── ForgedToken       not made with one of our keys, or not a token at all
    │   └── ExpiredToken      ours, and older than a token may be
    └── StoreError            the ledger could not do what was asked; nothing was changed
        ├── StoreUnavailable  locked, full, read-only or gone: trying again may help
        ├── SchemaBehind      the database has not had all migrations
        └── MoveRefused       a ledger can not be copied from there, or to there

What a caller or a provider may rightly send is answered with values, not with these.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from receiver.tasks.model.task import Verdict
from submitter.errors import WhenfinalError
from submitter.model import TaskId


class TokenError(WhenfinalError):
    """Base of the reasons for which a callback token does not count."""


class ForgedToken(TokenError):
    """The signature is not by one of our keys."""


class ExpiredToken(TokenError):
    """Rightly signed and too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """It is ours and it is durable."""

    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOurs:
    """Neither a token of ours nor a right signature, or a task that we do not have."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Not what the provider documents."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchProvider:
    """No account of that name is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOfAnotherTask:
    """The token is ours and was made for another task than the one the body names."""

    reason: str


IntakeOutcome = Counted | NotOurs | Malformed | NoSuchProvider | TokenOfAnotherTask


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRule:
    """How callback tokens are read: our keys, oldest to newest, and how old a token may be."""

    keys: Sequence[str] = field(repr=False)
    max_age_s: int


#: A provider may cut or refuse a long callback address; ours leaves room for the longest public URL.
TOKEN_CAP = 120

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
    task_id: TaskId | None


def make_callback_token(keys: Sequence[str], *, provider: str, task_id: TaskId | None, now_s: int) -> str:
    """At most `TOKEN_CAP` characters, all fit for a path. `keys` oldest to newest; the newest signs.

    `task_id` None makes an account-wide token. Raise ValueError for names that are not ours.
    """
    if task_id is not None and not (task_id.startswith(_TASK_PREFIX) and len(task_id) > len(_TASK_PREFIX)):
        raise ValueError("a callback token is made for a task of ours")
    payload = _FIELDS.join((provider, (task_id or "").removeprefix(_TASK_PREFIX), _to_base_36(now_s)))
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
    return CallbackClaim(provider=provider, task_id=TaskId(_TASK_PREFIX + task) if task else None)


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


def make_callback_url(public_url: str, keys: Sequence[str], provider: str, task_id: TaskId, now_s: int) -> str:
    """The address that one task's callbacks are posted to. Raise ValueError as `make_callback_token`."""
    token = make_callback_token(keys, provider=provider, task_id=task_id, now_s=now_s)
    return f"{public_url}/callbacks/{provider}/{token}"
