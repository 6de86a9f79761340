"""Public keys of a made-up provider, fetched over real sockets: kept, renewed, and what their absence comes to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from receiver.callbacks.provider_keys import REFETCH_MS, RETRY_MS, KeysNotFetched, ProviderKeys
from receiver.runtime.transports import KEYS_LIMITS
from submitter.errors import BadSignature, UnreadableKeys
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import Callback
from submitter.http.transport import open_transport
from submitter.providers.contract import Account
from tests.support.builders import T0
from tests.support.raw_server import Answering, Peer, RawServer, hanging, reply, replying, serving

LIVE_S = 3600.0


def _verify(callback: Callback, account: Account, now_ms: int, keys: bytes) -> None:
    """A signature is right when the document names it; a document without a colon is none."""
    if b":" not in keys:
        raise UnreadableKeys("no keys")
    if callback.body not in keys.split(b":"):
        raise BadSignature("no key verifies it")


ADAPTER: Any = SimpleNamespace(
    KEYS_LIVE_S=LIVE_S, keys_url=lambda callback, account: account.keys_url, verify_callback=_verify
)


@dataclass
class Scene:
    keys: ProviderKeys
    server: RawServer
    now_ms: int = T0

    def account(self, **changes: Any) -> Account:
        places = {"base_url": self.server.url, "keys_url": self.server.url} | changes
        return Account(name="made-up", adapter="made-up", api_key="key-1", **places)

    async def verify(self, signature: bytes, **changes: Any) -> bool:
        return await self.keys.verify(ADAPTER, Callback(body=signature), self.account(**changes))


@asynccontextmanager
async def scene(answer: Answering, *, whole_s: float = 5.0) -> AsyncIterator[Scene]:
    limits = replace(KEYS_LIMITS, whole_s=whole_s)
    async with (
        serving(answer) as server,
        open_transport(limits) as own,
        open_transport(limits, AddressGuard()) as other,
    ):
        made = Scene(keys=ProviderKeys(own=own, guarded=other, clock=lambda: made.now_ms), server=server)
        yield made


def _in_turn(*documents: bytes) -> Answering:
    """The documents one after the other; the last one repeats."""

    async def answer(peer: Peer, number: int) -> None:
        await peer.say(documents[min(number, len(documents)) - 1])

    return answer


async def test_keys_are_fetched_once_and_used_until_they_are_too_old() -> None:
    async with scene(replying(reply(b"a:b"))) as made:
        assert [await made.verify(b"a"), await made.verify(b"b")] == [True, True]
        assert len(made.server.requests) == 1
        made.now_ms += round(LIVE_S * 1000) + 1
        assert await made.verify(b"a")
        assert len(made.server.requests) == 2


async def test_callbacks_that_come_at_once_wait_for_one_request() -> None:
    async with scene(replying(reply(b"a:b"))) as made:
        assert all(await asyncio.gather(*(made.verify(b"a") for _ in range(20))))
        assert len(made.server.requests) == 1


async def test_a_new_key_is_fetched_when_the_first_callback_needs_it() -> None:
    async with scene(_in_turn(reply(b"old:"), reply(b"old:new"))) as made:
        assert await made.verify(b"old")
        made.now_ms += REFETCH_MS + 1
        assert await made.verify(b"new")
        assert await made.verify(b"old")
        assert len(made.server.requests) == 2


async def test_wrong_signatures_cost_one_more_request_a_minute() -> None:
    async with scene(replying(reply(b"a:b"))) as made:
        for _ in range(5):
            with pytest.raises(BadSignature):
                await made.verify(b"forged")
        assert len(made.server.requests) == 1
        made.now_ms += REFETCH_MS + 1
        for _ in range(5):
            with pytest.raises(BadSignature):
                await made.verify(b"forged")
        assert len(made.server.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        replying(reply(b"no", status=b"500 Oops")),
        replying(reply(b"moved", b"Location: https://example.com/keys", status=b"302 Found")),
        replying(reply(b"a:" + b"x" * 10_000_000)),
        replying(reply(b"a:b")[:-2]),
        replying(b"not HTTP at all\r\n\r\n"),
        replying(reply(b"<html>")),
        hanging,
    ],
    ids=["a 500", "a redirect", "10 MB", "cut", "no HTTP", "no keys", "no answer"],
)
async def test_a_document_that_is_none_proves_nothing_against_a_callback(answer: Answering) -> None:
    async with scene(answer, whole_s=1.0) as made:
        with pytest.raises(KeysNotFetched):
            await made.verify(b"a")


async def test_a_host_that_fails_is_left_alone_for_some_seconds() -> None:
    async with scene(_in_turn(reply(b"", status=b"503 Busy"), reply(b"a:b"))) as made:
        for _ in range(3):
            with pytest.raises(KeysNotFetched):
                await made.verify(b"a")
        assert len(made.server.requests) == 1
        made.now_ms += RETRY_MS
        assert await made.verify(b"a")


async def test_known_keys_still_count_where_newer_ones_cannot_be_had() -> None:
    async with scene(_in_turn(reply(b"a:b"), reply(b"", status=b"503 Busy"))) as made:
        assert await made.verify(b"a")
        made.now_ms += REFETCH_MS + 1
        with pytest.raises(KeysNotFetched):
            await made.verify(b"new")
        assert await made.verify(b"a")


async def test_another_host_than_the_providers_own_is_reached_through_the_address_guard() -> None:
    async with scene(replying(reply(b"a:b"))) as made:
        with pytest.raises(KeysNotFetched, match="AddressForbidden"):
            await made.verify(b"a", base_url="https://queue.example")
        assert made.server.requests == []


async def test_a_clock_that_was_set_back_has_the_keys_fetched_again() -> None:
    async with scene(replying(reply(b"a:b"))) as made:
        assert await made.verify(b"a")
        made.now_ms -= 86_400_000
        assert await made.verify(b"a")
        assert len(made.server.requests) == 2


async def test_an_unsigned_callback_of_a_provider_that_need_not_sign_fetches_nothing() -> None:
    async with scene(replying(reply(b"a:b"))) as made:
        assert not await made.verify(b"a", keys_url=None)
        assert made.server.requests == []
