"""The keys of a process: those that are set, or those that the first start makes and the ledger stores."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.config.settings import Settings
from receiver.store.metadata import MetadataRepository

KEY_BYTES = 32

SIGNING_KEY_NAME = "signing_key"

API_KEY_NAME = "api_key_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    #: They sign callback URLs, oldest to newest; the last one signs.
    signing: tuple[str, ...] = field(repr=False)
    #: Bearer keys of our own API.
    api: tuple[ApiKeyDigest, ...]


async def read_keys(settings: Settings, metadata: MetadataRepository, show_key: Callable[[str], None] | None) -> Keys:
    """The keys of the settings, or else of the ledger; those that are in neither are made.

    `show_key` gets an API key that was made here; without it none is made.
    """
    signing = settings.callbacks.secret_keys or (
        await metadata.get_or_create(SIGNING_KEY_NAME, secrets.token_urlsafe(KEY_BYTES)),
    )
    if settings.api.keys:
        return Keys(
            signing=signing,
            api=tuple(
                ApiKeyDigest(name=each.name, scopes=each.scopes, sha256=hashlib.sha256(each.key.encode()).digest())
                for each in settings.api.keys
            ),
        )
    stored = await metadata.find(API_KEY_NAME)
    if stored is None and show_key is not None:
        stored = await _make_api_key(metadata, show_key)
    if stored is None:
        return Keys(signing=signing, api=())
    return Keys(
        signing=signing, api=(ApiKeyDigest(name="first", scopes=frozenset(Scope), sha256=bytes.fromhex(stored)),)
    )


async def _make_api_key(metadata: MetadataRepository, show_key: Callable[[str], None]) -> str:
    """The digest that the ledger stores. It is another one if another process made its key first and shows that."""
    key = f"wf_{secrets.token_urlsafe(KEY_BYTES)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    stored = await metadata.get_or_create(API_KEY_NAME, digest)
    if stored == digest:
        show_key(key)
    return stored
