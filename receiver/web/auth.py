"""Who calls: bearer keys, known to us only as SHA-256 digests, and the scopes they open.

Every key is compared in full, whatever matched before it, and bytes with bytes: a header may hold any of them.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from starlette.types import Scope as AsgiScope

from receiver.config.api_keys import ApiKeyDigest
from receiver.web.problems import Kind, Problem, ProblemError

REALM = 'Bearer realm="whenfinal"'

_BEARER = re.compile(rb"bearer +([^\s]+)\s*", re.IGNORECASE)


class Scope(StrEnum):
    """A scope of a key, by the name that settings use. No scope includes another."""

    SUBMIT = "submit"
    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClient:
    """`name` is the key's name in the settings: what audit lines and the log call it."""

    name: str
    scopes: frozenset[str]


def authenticate(scope: AsgiScope, keys: Iterable[ApiKeyDigest], right: Scope) -> ApiClient:
    """Raise a 401 problem without a key of ours, a 403 problem without the right."""
    caller = _find(_token(scope), keys)
    if right.value not in caller.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{right.value}"'
        detail = f"This needs the scope {right.value}; the key {caller.name} does not have it."
        raise ProblemError(Problem(Kind.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge}))
    return caller


def _token(scope: AsgiScope) -> bytes:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        detail = "Send one header Authorization: Bearer KEY."
        raise ProblemError(Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": REALM}))
    return found[1]


def _find(token: bytes, keys: Iterable[ApiKeyDigest]) -> ApiClient:
    digest = hashlib.sha256(token).digest()
    matching = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    if not matching:
        challenge = f'{REALM}, error="invalid_token"'
        detail = "The key is not one of ours."
        raise ProblemError(Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge}))
    return ApiClient(name=matching[0].name, scopes=matching[0].scopes)
