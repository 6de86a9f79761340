"""The keys of a process: those that are set, or those that the first start makes and the ledger stores."""

import hashlib
import secrets
from collections.abc import Callable

import structlog

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.config.settings import Settings
from receiver.runtime.key_repository import FIRST_ID, FIRST_NAME, FirstKey, KeyRepository, StoredKey
from receiver.store.metadata import MetadataRepository

log = structlog.get_logger(__name__)

KEY_BYTES = 32

SIGNING_KEY_NAME = "signing_key"


def new_api_key() -> str:
    return f"wf_{secrets.token_urlsafe(KEY_BYTES)}"


def digest_of(key: str) -> bytes:
    """What is kept of a key, and what a request is compared with."""
    return hashlib.sha256(key.encode()).digest()


async def signing_keys(settings: Settings, metadata: MetadataRepository) -> tuple[str, ...]:
    """They sign callback URLs, sessions and stream tokens, oldest to newest; the last one signs.

    Those of the settings, or else that of the ledger, which is made if there is none.
    """
    return settings.callbacks.secret_keys or (
        await metadata.get_or_create(SIGNING_KEY_NAME, secrets.token_urlsafe(KEY_BYTES)),
    )


def settings_keys(settings: Settings) -> tuple[ApiKeyDigest, ...]:
    return tuple(
        ApiKeyDigest(name=each.name, scopes=each.scopes, sha256=digest_of(each.key)) for each in settings.api.keys
    )


async def make_first_key(keys: KeyRepository, settings: Settings, show_key: Callable[[str], None], now_ms: int) -> None:
    """Make an API key and show it where none may operate without limits. The log says where that is not possible."""
    key = new_api_key()
    stored = StoredKey(
        id=FIRST_ID,
        name=FIRST_NAME,
        scopes=frozenset(Scope),
        sha256=digest_of(key),
        created_ms=now_ms,
        created_by="the first start",
    )
    match await keys.add_first(stored, settings_keys=settings_keys(settings)):
        case FirstKey.MADE:
            show_key(key)
        case FirstKey.IMPOSSIBLE:
            log.warning("no_key_may_operate", hint="run: whenfinal keys create NAME --scope operate")
        case FirstKey.NOT_NEEDED:
            pass
