"""A subscribing flow over a real ledger, whose clock and dice the test holds."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from receiver.runtime.services import Store, open_store
from receiver.store.ids import id_maker
from receiver.webhooks.model.endpoint import NotifyRules, decode_webhook_secret
from receiver.webhooks.model.request import SubscriptionRequest, SubscriptionRules
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from receiver.webhooks.subscriptions import SubscriptionService, SubscribingEdges
from submitter.errors import InvalidRequest
from submitter.http.address_guard import AddressGuard, check_endpoint
from submitter.http.transport import TransportLimits, open_transport
from tests.support.builders import T0
from tests.support.raw_server import reply

HOME = AddressGuard(allow=(ip_network("127.0.0.0/8"),))
ORIGIN = "whenfinal.example"
SOURCE = f"https://{ORIGIN}"
NEW_SECRET = "whsec_" + "bmV3" * 8
CONSENT = reply(b"", b"WebHook-Allowed-Origin: *", b"WebHook-Allowed-Rate: 120")
TWO_A_SECOND = 2.0


@dataclass(eq=False)
class SubscriptionSetup:
    """`path` is the ledger's file. The clock stands still unless a test moves it; the dice count up."""

    store: Store
    path: Path
    subscribing: SubscriptionService
    now: list[int]

    async def create(self, url: str, **changes: Any) -> Subscription:
        return await self.subscribing.create(SubscriptionRequest(**({"url": url} | changes)), actor="ann")

    async def change(self, name: str, **changes: Any) -> Subscription | None:
        return await self.subscribing.change(name, changes, actor="ann")

    async def stored(self) -> list[Subscription]:
        page = await self.store.subscriptions.page(limit=10, cursor=None)
        return [seen.subscription for seen in page.items]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()


@asynccontextmanager
async def open_setup(folder: Path, *, origin: str | None = ORIGIN, whole_s: float = 20.0) -> AsyncIterator[SubscriptionSetup]:
    limits = TransportLimits(whole_s=whole_s, max_reply_bytes=RESPONSE_CAP_BYTES, cut_replies=True)
    now, random = [T0], iter(range(1, 10_000))
    rules = SubscriptionRules(
        notify=NotifyRules(refuse_url=lambda url: check_endpoint(url, HOME), read_secret=decode_webhook_secret),
        providers=("hiapi", "dashscope"),
        most_in_flight=64,
        origin=origin,
    )

    def random_bytes(count: int) -> bytes:
        return next(random).to_bytes(count)

    path = folder / "ledger.db"
    async with (
        open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store,
        open_transport(limits, HOME) as transport,
    ):
        edges = SubscribingEdges(clock=lambda: now[0], random_bytes=random_bytes, new_id=id_maker(random_bytes))
        flow = SubscriptionService(room=store.subscriptions, transport=transport, rules=rules, source=SOURCE, edges=edges)
        yield SubscriptionSetup(store=store, path=path, subscribing=flow, now=now)


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def violations_of(work: Any) -> dict[str, str]:
    """The broken rules by field."""
    with pytest.raises(InvalidRequest) as caught:
        await work
    return {violation.field: str(violation) for violation in caught.value.violations}
