"""Callback tokens, and what a callback can come to. Pure.

A token is the last part of a callback URL. It names the provider and usually the task, and is signed with a key of
ours. The signature is checked before anything inside a token is read.

itsdangerous makes the signature. It is checked here without it, because a `Signer` for each callback costs several
times what its two digests cost.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from itsdangerous import Signer
from itsdangerous.encoding import base64_encode

from receiver.tasks.model.task import TaskMismatch, Verdict
from submitter.errors import WhenfinalError
from submitter.model import TaskId
from submitter.providers.contract import ConfiguredProvider
from submitter.values import value


class TokenError(WhenfinalError):
    """A callback token does not count."""


class ForgedToken(TokenError):
    """Not signed with one of our keys, or not a token at all."""


class ExpiredToken(TokenError):
    """Signed with one of our keys, and too old."""


@value
class Accepted:
    """The callback is authentic and durable."""

    verdict: Verdict
    #: It had no result, so it only makes the task due.
    is_thin: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthenticated:
    """There is neither a token of ours nor a right signature, or there is no such task."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The body is not what the provider documents."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownProvider:
    """No account of that name is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenged:
    """The provider tests the address with a message that reports no task."""

    #: The members of the JSON object to answer with.
    answer: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysUnavailable:
    """The provider's public keys cannot be fetched, so its signature cannot be checked now."""

    reason: str


@value
class Admitted:
    """The address of a callback may be one of ours; its body may be read."""

    configured: ConfiguredProvider
    #: None: a signature over the body must prove it.
    token: "CallbackToken | None"


IntakeOutcome = Accepted | Challenged | Unauthenticated | Malformed | KeysUnavailable | UnknownProvider | TaskMismatch

#: Characters. A provider may cut or refuse a long callback URL, also with the longest public URL before the token.
TOKEN_CAP = 120

_CALLBACK_SALT = b"whenfinal callback token 1"

_TASK_PREFIX = "tsk_"  # every task id has it, so the token leaves it out

_FIELDS = "~"

#: provider, task without its prefix or nothing, issued at in unix seconds to base 36
_PAYLOAD = re.compile(r"([a-z0-9-]+)~([A-Za-z0-9_-]*)~([0-9a-z]{1,13})", re.ASCII)

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@value
class CallbackToken:
    """What a token of ours says."""

    provider: str
    #: None for an account-wide token.
    task_id: TaskId | None


def make_callback_token(keys: Sequence[str], *, provider: str, task_id: TaskId | None, now_s: int) -> str:
    """A token of at most `TOKEN_CAP` characters, all fit for a path. `keys` oldest to newest; the newest signs.

    `task_id` None makes an account-wide token. Raise ValueError for an id that is not ours and for names too long.
    """
    if task_id is not None and not (task_id.startswith(_TASK_PREFIX) and len(task_id) > len(_TASK_PREFIX)):
        raise ValueError("a callback token is made for a task of ours")
    payload = _FIELDS.join((provider, (task_id or "").removeprefix(_TASK_PREFIX), _to_base_36(now_s)))
    token = _signer(keys).sign(payload).decode()
    if not _PAYLOAD.fullmatch(payload) or len(token) > TOKEN_CAP:
        raise ValueError("the names are too long for a callback token, or hold what no path may")
    return token


def read_callback_token(keys: Sequence[str], token: str, *, now_s: int, max_age_s: int) -> CallbackToken:
    """Verify a token. Raise ForgedToken or ExpiredToken, whatever the text is.

    A token of an account does not grow too old, because a person has put it into the settings of the provider. A time
    ahead of `now_s` counts, because a token of ours has it from our own clock, which may have been set back.
    """
    found = _PAYLOAD.fullmatch(_signed_text(keys, token))
    if found is None:
        raise ForgedToken("the token has another form than ours")
    provider, task, issued = found.groups()
    if task and now_s - int(issued, 36) > max_age_s:
        raise ExpiredToken(f"the token is older than {max_age_s} s")
    return CallbackToken(provider=provider, task_id=TaskId(_TASK_PREFIX + task) if task else None)


def _signed_text(keys: Sequence[str], token: str) -> str:
    if len(token) > TOKEN_CAP or not token.isascii():
        raise ForgedToken("the token has another form than ours")
    payload, _, signature = token.encode().rpartition(b".")
    # The texts are compared and not the bytes that they stand for: only the one spelling that we write is the token.
    for key in reversed(keys):
        if hmac.compare_digest(_signature(key, payload), signature):
            return payload.decode()
    raise ForgedToken("the token is signed by none of our keys")


def _signature(key: str, payload: bytes) -> bytes:
    mac = _mac(key).copy()
    mac.update(payload)
    return base64_encode(mac.digest())


@lru_cache(maxsize=64)
def _mac(key: str) -> hmac.HMAC:
    """Begun with what itsdangerous derives from the key. A copy costs a sixth of beginning again."""
    derived = hmac.digest(key.encode(), _CALLBACK_SALT, hashlib.sha256)
    return hmac.new(derived, digestmod=hashlib.sha256)


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


def make_account_callback_url(public_url: str, keys: Sequence[str], provider: str) -> str:
    """The address for all callbacks of an account: the same each time, until another key signs.

    Raise ValueError as `make_callback_token`.
    """
    token = make_callback_token(keys, provider=provider, task_id=None, now_s=0)
    return f"{public_url}/callbacks/{provider}/{token}"
