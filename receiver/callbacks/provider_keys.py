"""The public keys of providers that sign callbacks with a private one: fetched, kept for as long as they may be used.

A document is fetched when a callback needs it. A callback that no kept key verifies has it fetched once more, because
the provider may have new keys, but not more often than every REFETCH_MS: so a wrong signature costs no request each.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from submitter.errors import BadSignature, TransportError, UnreadableKeys, WhenfinalError
from submitter.http.messages import Callback, HttpCall
from submitter.http.transport import Transport
from submitter.providers.contract import Account, VerifiesByKeys
from submitter.providers.json_reader import origin

REFETCH_MS = 60_000  # from one fetch of a document to the next

RETRY_MS = 5_000  # from a fetch that failed to the next, so that callbacks meanwhile do not wait for a host that hangs

MOST_DOCUMENTS = 32  # addresses; a provider has one or two


class KeysNotFetched(WhenfinalError):
    """The public keys cannot be fetched now, so the signature can be neither right nor wrong."""


class _Fetched(NamedTuple):
    document: bytes
    at_ms: int


class _Failed(NamedTuple):
    at_ms: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProviderKeys:
    """One for a process."""

    #: Reaches the provider's own host, as polls do.
    own: Transport
    #: Reaches any other host, through the address guard.
    guarded: Transport
    #: Unix milliseconds.
    clock: Callable[[], int]
    _fetched: dict[str, _Fetched] = field(default_factory=dict, init=False)
    _failed: dict[str, _Failed] = field(default_factory=dict, init=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)

    async def verify(self, adapter: VerifiesByKeys, callback: Callback, account: Account) -> bool:
        """Check the signature of a callback with the provider's keys. Return False for one that needs none.

        Raise BadSignature or StaleCallback, or KeysNotFetched where no document with keys could be had.
        """
        url = adapter.keys_url(callback, account)
        if url is None:
            return False
        known = await self._keys(url, account, oldest_ms=self.clock() - round(adapter.KEYS_LIVE_S * 1000))
        try:
            adapter.verify_callback(callback, account, self.clock(), known.document)
        except (BadSignature, UnreadableKeys) as error:
            newer = await self._keys(url, account, oldest_ms=self.clock() - REFETCH_MS)
            if newer.document == known.document:
                raise _unverified(error) from error
            _verify_with_newer(adapter, callback, account, self.clock(), newer.document)
        return True

    async def _keys(self, url: str, account: Account, *, oldest_ms: int) -> _Fetched:
        """What was fetched at `oldest_ms` or later, by one request for all callbacks that wait for it.

        Raise KeysNotFetched; older keys stay known then.
        """
        async with self._locks.setdefault(url, asyncio.Lock()):
            known, failed, now_ms = self._fetched.get(url), self._failed.get(url), self.clock()
            if known is not None and oldest_ms <= known.at_ms <= now_ms:  # later only where the clock was set back
                return known
            if failed is not None and 0 <= now_ms - failed.at_ms < RETRY_MS:
                raise KeysNotFetched(failed.why)
            try:
                document = await self._fetch(url, account)
            except KeysNotFetched as error:
                self._failed[url] = _Failed(self.clock(), str(error))
                self._forget_oldest(self._failed)
                raise
            self._failed.pop(url, None)
            self._fetched[url] = fetched = _Fetched(document, self.clock())
            self._forget_oldest(self._fetched)
            return fetched

    async def _fetch(self, url: str, account: Account) -> bytes:
        transport = self.own if origin(url) == origin(account.base_url) else self.guarded
        try:
            reply = await transport.send(HttpCall(method="GET", url=url, headers=(("accept", "*/*"),)))
        except TransportError as error:
            raise KeysNotFetched(f"the keys of {url} cannot be fetched: {type(error).__name__}: {error}") from error
        if reply.status != HTTPStatus.OK:
            raise KeysNotFetched(f"the keys of {url} are answered with status {reply.status}")
        if not reply.is_complete:
            raise KeysNotFetched(f"the keys of {url} broke off, or are longer than keys can be")
        return reply.body

    def _forget_oldest(self, known: Collection[str]) -> None:
        """Of those that were fetched, or failed: where a callback names the address, its sender can name many."""
        while len(known) > MOST_DOCUMENTS:
            oldest = next(iter(known))
            for of_urls in (self._fetched, self._failed, self._locks):
                of_urls.pop(oldest, None)


def _verify_with_newer(adapter: VerifiesByKeys, callback: Callback, account: Account, now_ms: int, keys: bytes) -> None:
    try:
        adapter.verify_callback(callback, account, now_ms, keys)
    except UnreadableKeys as error:
        raise _unverified(error) from error


def _unverified(error: BadSignature | UnreadableKeys) -> WhenfinalError:
    """A document without keys proves nothing against the callback."""
    return error if isinstance(error, BadSignature) else KeysNotFetched(str(error))
