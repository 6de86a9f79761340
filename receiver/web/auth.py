"""Authentication: bearer keys, of which we hold only SHA-256 digests, and their scopes.

Every key is compared in full and in constant time, whatever matched before it. Bytes are compared with bytes, because a
header may hold any of them.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable

from starlette.types import Scope as AsgiScope

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.web.problems import Kind, Problem

REALM = 'Bearer realm="whenfinal"'

_BEARER = re.compile(rb"bearer +([^\s]+)\s*", re.IGNORECASE)


def authenticate(request_scope: AsgiScope, keys: Iterable[ApiKeyDigest], needed: Scope) -> str:
    """Return the name of the request's key. Raise a 401 problem for no valid key, a 403 problem without the scope."""
    key = find_key(_token(request_scope), keys)
    if key is None:
        challenge = f'{REALM}, error="invalid_token"'
        detail = "The key is not valid here."
        raise Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
    if needed not in key.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
        detail = f"This needs the scope {needed}; the key {key.name} does not have it."
        raise Problem(Kind.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
    return key.name


def may(request_scope: AsgiScope, keys: Iterable[ApiKeyDigest], needed: Scope) -> bool:
    """Whether the request has a valid key with the scope."""
    try:
        authenticate(request_scope, keys, needed)
    except Problem:
        return False
    return True


def _token(request_scope: AsgiScope) -> bytes:
    given = [value for name, value in request_scope["headers"] if name == b"authorization"]
    found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        detail = "Send one header Authorization: Bearer KEY."
        raise Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": REALM})
    return found[1]


def find_key(token: bytes, keys: Iterable[ApiKeyDigest]) -> ApiKeyDigest | None:
    """Return the key that the bytes are; None for none of ours."""
    digest = hashlib.sha256(token).digest()
    matching = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    return matching[0] if matching else None
