"""Who looks at the dashboard: a signed cookie with the name of an API key, its scopes and a nonce, never the key.

A session ends after 12 hours, with a sign-out, and when its key is revoked, taken out of the settings or replaced under
the same name. The process keeps nothing about it.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.web.dashboard.model.addresses import ROOT

SESSION_S = 12 * 3600

AHEAD_S = 300  # how far the clock of the process that signed may be ahead of this one's

COOKIE_CAP = 1024  # characters; ours has some 250

_SALT = b"whenfinal dashboard session 1"

_SECURE_NAME, _PLAIN_NAME = "__Host-whenfinal_ops", "whenfinal_ops"

_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Someone who has signed in."""

    #: The name of the API key, and its id where the ledger has it.
    key_name: str
    key_id: str | None = None
    #: Those that the key had at the sign-in and has still.
    scopes: frozenset[Scope]
    #: Of this sign-in and no other.
    nonce: str

    @property
    def may_operate(self) -> bool:
        return Scope.OPERATE in self.scopes

    @property
    def actor(self) -> str:
        """As audit lines name it."""
        return f"key {self.key_name}"


def sign_session(secret_keys: Sequence[str], key: ApiKeyDigest, *, nonce: str, now_s: int) -> str:
    """The text of the cookie. `nonce`: 22 random characters for base 64 in URLs."""
    scopes = sorted(key.scopes)
    return str(
        _serializer(secret_keys).dumps(
            {"key": key.name, "scopes": scopes, "nonce": nonce, "mark": _mark(key, nonce), "at": now_s}
        )
    )


def read_session(secret_keys: Sequence[str], text: str, keys: Iterable[ApiKeyDigest], *, now_s: int) -> Session | None:
    """The session of a cookie; None for a forged or old one, and for one whose key is gone."""
    said = _read(secret_keys, text, now_s)
    if said is None:
        return None
    for key in keys:
        if key.name == said["key"] and hmac.compare_digest(_mark(key, said["nonce"]), said["mark"]):
            scopes = key.scopes & {Scope(each) for each in said["scopes"]}
            return Session(key_name=key.name, key_id=key.id, scopes=scopes, nonce=said["nonce"])
    return None


def is_ours(secret_keys: Sequence[str], text: str, *, now_s: int) -> bool:
    """Whether we signed a cookie and it is young, whatever has become of its key."""
    return _read(secret_keys, text, now_s) is not None


def _read(secret_keys: Sequence[str], text: str, now_s: int) -> Mapping[str, Any] | None:
    if len(text) > COOKIE_CAP or not text.isascii():
        return None
    try:
        said: Mapping[str, Any] = _serializer(secret_keys).loads(text)
    except BadData:
        return None
    is_young = -AHEAD_S <= now_s - said["at"] <= SESSION_S
    return said if is_young and _NONCE.fullmatch(said["nonce"]) else None


def _mark(key: ApiKeyDigest, nonce: str) -> str:
    """Shows whether the key of that name is still the same one. The key cannot be found from it."""
    return hmac.digest(key.sha256, nonce.encode(), hashlib.sha256).hex()[:32]


def _serializer(secret_keys: Sequence[str]) -> URLSafeSerializer:
    """The newest key signs, as with callback addresses."""
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(list(secret_keys), salt=_SALT, signer_kwargs=options)


def session_cookie(request: Request) -> str | None:
    """The cookie's text, under either name: behind a proxy only the settings know whether the browser sees https."""
    return request.cookies.get(_SECURE_NAME) or request.cookies.get(_PLAIN_NAME)


def set_session(answer: Response, text: str, *, is_secure: bool) -> None:
    """Lax, because Strict would lose a link that a colleague sends by chat."""
    if is_secure:
        answer.set_cookie(_SECURE_NAME, text, max_age=SESSION_S, path="/", secure=True, httponly=True, samesite="lax")
    else:
        answer.set_cookie(_PLAIN_NAME, text, max_age=SESSION_S, path=ROOT, httponly=True, samesite="lax")


def end_session(answer: Response) -> None:
    answer.delete_cookie(_SECURE_NAME, path="/", secure=True, httponly=True, samesite="lax")
    answer.delete_cookie(_PLAIN_NAME, path=ROOT, httponly=True, samesite="lax")
