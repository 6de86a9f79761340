"""A subscription service over a real ledger; the test holds the clock and the random bytes."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from receiver.config.sections import DeliverySettings
from receiver.runtime.store import Store, open_store
from receiver.store.ids import id_maker
from receiver.webhooks.endpoints import EndpointService
from receiver.webhooks.model.request import SubscriptionRequest
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from receiver.webhooks.subscriptions import SubscriptionService
from submitter.errors import InvalidRequest
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import TransportLimits, open_transport
from tests.support.builders import T0
from tests.support.raw_server import reply

LOCAL_NETWORKS = (ip_network("127.0.0.0/8"),)
ORIGIN = "whenfinal.example"
PUBLIC_URL = f"https://{ORIGIN}"
NEW_SECRET = "whsec_" + "bmV3" * 8
CONSENT = reply(b"", b"WebHook-Allowed-Origin: *", b"WebHook-Allowed-Rate: 120")
TWO_A_SECOND = 2.0


@dataclass(eq=False)
class SubscriptionSetup:
    """`path` is the ledger's file. The clock stands still unless a test sets it; the random bytes count up."""

    store: Store
    path: Path
    service: SubscriptionService
    now: list[int]

    async def create(self, url: str, **changes: Any) -> Subscription:
        return await self.service.create(SubscriptionRequest(**({"url": url} | changes)), actor="ann")

    async def change(self, subscription_id: str, **changes: Any) -> Subscription | None:
        return await self.service.change(subscription_id, changes, actor="ann")

    async def stored(self) -> list[Subscription]:
        page = await self.store.subscriptions.page(limit=10, cursor=None)
        return [found.subscription for found in page.items]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()


@asynccontextmanager
async def open_setup(
    folder: Path, *, public_url: str | None = PUBLIC_URL, whole_s: float = 20.0
) -> AsyncIterator[SubscriptionSetup]:
    limits = TransportLimits(whole_s=whole_s, max_reply_bytes=RESPONSE_CAP_BYTES)
    now, numbers = [T0], iter(range(1, 10_000))

    def random_bytes(count: int) -> bytes:
        return next(numbers).to_bytes(count)

    path = folder / "ledger.db"
    async with (
        open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True) as store,
        open_transport(limits, AddressGuard(allow=LOCAL_NETWORKS)) as transport,
    ):
        service = SubscriptionService(
            subscriptions=store.subscriptions,
            endpoints=EndpointService(endpoints=store.endpoints, clock=lambda: now[0], on_due=lambda: None),
            audit=store.audit,
            transport=transport,
            settings=DeliverySettings(allow_private=LOCAL_NETWORKS, concurrency=64),
            providers=("hiapi", "dashscope"),
            public_url=public_url,
            clock=lambda: now[0],
            random_bytes=random_bytes,
            new_id=id_maker(random_bytes),
        )
        yield SubscriptionSetup(store=store, path=path, service=service, now=now)


async def violations_of(work: Any) -> dict[str, str]:
    """Await what must raise InvalidRequest; the broken rules by field."""
    with pytest.raises(InvalidRequest) as caught:
        await work
    return {violation.field: str(violation) for violation in caught.value.violations}
