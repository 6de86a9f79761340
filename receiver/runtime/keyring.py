"""The keys of the API that work now, in the memory of a process: those of the settings and those of the ledger.

A key that was revoked elsewhere stops working here within `REFRESH_S`, while the ledger can be read. A key that is not
known here is looked up at once, so a new one works everywhere; callers with wrong keys share these reads.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from receiver.config.api_keys import ApiKeyDigest
from receiver.runtime.key_repository import USED_EVERY_MS, KeyRepository, working
from receiver.store.errors import StoreError

log = structlog.get_logger(__name__)

REFRESH_S = 2.0

APART_S = 0.05  # between two reads, so that strangers with wrong keys cause no more than 20 a second


@dataclass(slots=True, kw_only=True, eq=False)
class Keyring:
    """One for a process."""

    #: Of the settings; nobody can revoke them here.
    settings_keys: tuple[ApiKeyDigest, ...]
    repository: KeyRepository
    #: Unix milliseconds.
    clock: Callable[[], int]
    _keys: Mapping[bytes, ApiKeyDigest] = field(default_factory=dict, init=False)
    _version: int = field(default=-1, init=False)
    #: The read that is under way or was the last, and the one that begins after it.
    _read: asyncio.Task[None] | None = field(default=None, init=False)
    _next_read: asyncio.Task[None] | None = field(default=None, init=False)
    _read_s: float = field(default=float("-inf"), init=False)
    #: When keys of the ledger were used, by id: not stored yet, and stored by this process.
    _used_ms: dict[str, int] = field(default_factory=dict, init=False)
    _stored_ms: dict[str, int] = field(default_factory=dict, init=False)

    @property
    def keys(self) -> tuple[ApiKeyDigest, ...]:
        """Those that work, as far as this process knows."""
        return tuple(self._keys.values())

    def known(self, token: bytes) -> ApiKeyDigest | None:
        """The key that the bytes are, from memory. How long that takes tells nothing of a key, but of its digest."""
        key = self._keys.get(hashlib.sha256(token).digest())
        if key is not None:
            self.use(key.id)
        return key

    def use(self, key_id: str | None) -> None:
        """Note that a key of the ledger was used just now."""
        if key_id is not None:
            self._used_ms[key_id] = self.clock()

    def is_working(self, key: ApiKeyDigest) -> bool:
        """Whether it is one of ours still, as far as this process knows."""
        found = self._keys.get(key.sha256)
        return found is not None and found.id == key.id

    async def find(self, token: bytes) -> ApiKeyDigest | None:
        """The key that the bytes are; one that is not known here is looked up. Raise StoreUnavailable."""
        key = self.known(token)
        if key is None:
            await self.refresh()
            key = self.known(token)
        return key

    async def refresh(self) -> None:
        """Return after a read that began after this call; those who call at once share it. Raise StoreUnavailable."""
        if self._next_read is None:
            self._next_read = asyncio.create_task(self._read_after(self._read))
        await asyncio.shield(self._next_read)

    async def _read_after(self, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._read_s + APART_S - loop.time())
        self._read, self._next_read, self._read_s = self._next_read, None, loop.time()
        found = await self.repository.living_since(self._version)
        if found is not None:
            self._version = found.version
            self._keys = {key.sha256: key for key in working(self.settings_keys, found.keys)}

    async def run(self) -> None:
        """Until cancelled: read what other processes changed, and store when keys were used."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
                await self.store_uses()
            except StoreError as error:
                log.debug("keys_not_read", error=str(error))

    async def store_uses(self) -> None:
        """Store when keys were used, each at most once in USED_EVERY_MS. Raise StoreUnavailable."""
        due = {
            key_id: at_ms
            for key_id, at_ms in self._used_ms.items()
            if at_ms - self._stored_ms.get(key_id, 0) >= USED_EVERY_MS
        }
        if due:
            await self.repository.used(due)
            self._stored_ms |= due
        self._used_ms = {
            key_id: at_ms for key_id, at_ms in self._used_ms.items() if at_ms > self._stored_ms.get(key_id, 0)
        }


@asynccontextmanager
async def keys_read(keyring: Keyring) -> AsyncIterator[None]:
    """Read again and again which API keys work; on leaving, store when they were used."""
    running = asyncio.create_task(keyring.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        with suppress(StoreError):
            await keyring.store_uses()
