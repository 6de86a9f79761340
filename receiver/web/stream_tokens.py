"""Stream tokens: a short-lived text that opens the stream of events for a browser, which cannot send a key.

A token is signed, and bound to the API key that made it: it is refused once that is revoked. It opens the stream alone,
and no more of it than its conditions and the limits of the key let through. The service keeps nothing about it.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from receiver.config.api_keys import ApiKeyDigest
from receiver.events.model.query import EventFilter

TOKEN_CAP = 2_048  # characters; proxies take addresses of some 8,000

_SALT = b"whenfinal stream token 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamToken:
    """What a token says."""

    key: ApiKeyDigest
    conditions: EventFilter
    until_ms: int


def sign_token(secret_keys: Sequence[str], token: StreamToken, *, nonce: str) -> str:
    """The text of the token. `nonce`: random text, of this token and no other."""
    said = {
        "key": token.key.name,
        "mark": _mark(token.key, nonce),
        "nonce": nonce,
        "until": token.until_ms,
        "only": {
            "types": sorted(token.conditions.types),
            "providers": sorted(token.conditions.providers),
            "models": sorted(token.conditions.models),
            "labels": dict(token.conditions.labels),
        },
    }
    return str(_serializer(secret_keys).dumps(said))


def read_token(
    secret_keys: Sequence[str], text: str, keys: Iterable[ApiKeyDigest], *, now_ms: int
) -> StreamToken | None:
    """What a token says; None for a forged or old one, and for one whose key is gone."""
    said = _read(secret_keys, text, now_ms)
    if said is None:
        return None
    for key in keys:
        if key.name == said["key"] and hmac.compare_digest(_mark(key, said["nonce"]), said["mark"]):
            return StreamToken(key=key, conditions=_conditions(said["only"]), until_ms=said["until"])
    return None


def is_ours(secret_keys: Sequence[str], text: str, *, now_ms: int) -> bool:
    """Whether we signed a token and its time is not over, whatever has become of its key."""
    return _read(secret_keys, text, now_ms) is not None


def _read(secret_keys: Sequence[str], text: str, now_ms: int) -> Mapping[str, Any] | None:
    if len(text) > TOKEN_CAP or not text.isascii():
        return None
    try:
        said: Mapping[str, Any] = _serializer(secret_keys).loads(text)
    except BadData:
        return None
    return said if now_ms < said["until"] else None


def _conditions(only: Mapping[str, Any]) -> EventFilter:
    return EventFilter(
        types=frozenset(only["types"]),
        providers=frozenset(only["providers"]),
        models=frozenset(only["models"]),
        labels=only["labels"],
    )


def _mark(key: ApiKeyDigest, nonce: str) -> str:
    """Shows whether the key of that name is still the same one. The key cannot be found from it."""
    return hmac.digest(key.sha256, nonce.encode(), hashlib.sha256).hex()[:32]


def _serializer(secret_keys: Sequence[str]) -> URLSafeSerializer:
    """The newest key signs, as with callback addresses."""
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(list(secret_keys), salt=_SALT, signer_kwargs=options)
