"""Authentication: who sends a request. Bearer keys, of which we hold only SHA-256 digests, and their scopes.

Every key is compared in full and in constant time, whatever matched before it. Bytes are compared with bytes, because a
header may hold any of them.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import Scope as AsgiScope

from receiver.config.api_keys import NO_LIMITS, ApiKeyDigest, Limits, Scope
from receiver.web.problems import Kind, Problem

REALM = 'Bearer realm="whenfinal"'

_BEARER = re.compile(rb"bearer +([^\s]+)\s*", re.IGNORECASE)


#: The place in the ASGI scope of a caller inside the process. The server makes each scope anew and never sets it, so
#: nothing that comes over a socket can.
CALLER = "whenfinal.caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sends a request."""

    #: The name of the key; empty without one.
    name: str
    #: As audit lines name it, and as idempotency keys are told apart.
    actor: str
    scopes: frozenset[Scope]
    limits: Limits = NO_LIMITS


#: The command, which runs the application inside its own process. Whoever runs it can read the ledger anyway.
COMMAND_LINE = Caller(name="", actor="command line", scopes=frozenset(Scope))

#: Of an endpoint that is open to all.
ANYBODY = Caller(name="", actor="anybody", scopes=frozenset())


def authenticate(request_scope: AsgiScope, keys: Iterable[ApiKeyDigest], needed: Scope) -> Caller:
    """Return who sends the request. Raise a 401 problem for no valid key, a 403 problem without the scope."""
    caller = _caller(request_scope, keys)
    if needed not in caller.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
        detail = f"This needs the scope {needed}; the key {caller.name} does not have it."
        raise Problem(Kind.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
    return caller


def _caller(request_scope: AsgiScope, keys: Iterable[ApiKeyDigest]) -> Caller:
    inside = request_scope.get(CALLER)
    if isinstance(inside, Caller):
        return inside
    key = find_key(_token(request_scope), keys)
    if key is None:
        challenge = f'{REALM}, error="invalid_token"'
        detail = "The key is not valid here."
        raise Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
    return Caller(name=key.name, actor=f"key {key.name}", scopes=key.scopes)


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
