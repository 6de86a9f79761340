"""Authentication: who sends a request. Bearer keys, of which we hold only SHA-256 digests, and their scopes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from starlette.types import Scope as AsgiScope

from receiver.config.api_keys import NO_LIMITS, ApiKeyDigest, Limits, Scope
from receiver.events.model.query import EventFilter
from receiver.runtime.keyring import Keyring
from receiver.web.problems import Kind, Problem
from receiver.web.stream_tokens import is_ours, read_token

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
    #: None for a caller without one.
    key: ApiKeyDigest | None = None
    #: What a stream token lets through; everything for any other caller.
    conditions: EventFilter = field(default_factory=EventFilter)

    @property
    def key_id(self) -> str | None:
        """None without a key of the ledger. Every limited key is one."""
        return None if self.key is None else self.key.id


#: The command, which runs the application inside its own process. Whoever runs it can read the ledger anyway.
COMMAND_LINE = Caller(name="", actor="command line", scopes=frozenset(Scope))

#: Of an endpoint that is open to all.
ANYBODY = Caller(name="", actor="anybody", scopes=frozenset())


async def find_caller(request_scope: AsgiScope, keyring: Keyring, needed: Scope) -> Caller | None:
    """Who sends the request; None without a valid key that has the scope. Raise StoreUnavailable as `authenticate`."""
    try:
        return await authenticate(request_scope, keyring, needed)
    except Problem:
        return None


async def authenticate(request_scope: AsgiScope, keyring: Keyring, needed: Scope) -> Caller:
    """Return who sends the request. Raise a 401 problem for no valid key, a 403 problem without the scope.

    Raise StoreUnavailable for an unknown key, which cannot be looked up.
    """
    caller = caller_inside(request_scope) or caller_of(await keyring.find(token_of(request_scope)))
    check_scope(caller, needed)
    return caller


async def authenticate_token(text: str, keyring: Keyring, secret_keys: Sequence[str], now_ms: int) -> Caller:
    """Return the caller that a stream token stands for, who may read. Raise a 401 problem for one that is not valid."""
    found = read_token(secret_keys, text, keyring.keys, now_ms=now_ms)
    if found is None and is_ours(secret_keys, text, now_ms=now_ms):
        await keyring.refresh()  # its key may be new
        found = read_token(secret_keys, text, keyring.keys, now_ms=now_ms)
    if found is None:
        challenge = f'{REALM}, error="invalid_token"'
        detail = "The stream token is forged or old, or its key was revoked. POST /v1/stream-tokens gives a new one."
        raise Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
    keyring.use(found.key.id)
    caller = replace(caller_of(found.key), conditions=found.conditions)
    check_scope(caller, Scope.READ)
    return caller


def caller_inside(request_scope: AsgiScope) -> Caller | None:
    """The caller inside the process; None for what came over a socket."""
    inside = request_scope.get(CALLER)
    return inside if isinstance(inside, Caller) else None


def caller_of(key: ApiKeyDigest | None) -> Caller:
    """Raise a 401 problem without a key."""
    if key is None:
        challenge = f'{REALM}, error="invalid_token"'
        detail = "The key is not valid here."
        raise Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
    return Caller(name=key.name, actor=f"key {key.name}", scopes=key.scopes, limits=key.limits, key=key)


def check_scope(caller: Caller, needed: Scope) -> None:
    """Raise a 403 problem without the scope."""
    if needed not in caller.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
        detail = f"This needs the scope {needed}; the key {caller.name} does not have it."
        raise Problem(Kind.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})


def check_unlimited(caller: Caller) -> None:
    """Raise a 403 problem for a limited key, where something is about the whole service."""
    if caller.limits.are_set:
        raise Problem(Kind.OUTSIDE_LIMITS, f"The key {caller.name} is limited; this is about the whole service.")


def token_of(request_scope: AsgiScope) -> bytes:
    """The key that a request sends. Raise a 401 problem without one."""
    given = [value for name, value in request_scope["headers"] if name == b"authorization"]
    found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        detail = "Send one header Authorization: Bearer KEY."
        raise Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": REALM})
    return found[1]
