"""A deliverer over real sockets and a real ledger; the test sets the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

from receiver.config.sections import DeliverySettings
from receiver.runtime.store import Store
from receiver.webhooks.deliverer import Deliverer, DeliveryReport
from receiver.webhooks.model.delivery import Attempt, Delivery
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.outbox import Outbox
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import TransportLimits, open_transport
from tests.support.builders import T0

LOCAL_GUARD = AddressGuard(allow=(ip_network("127.0.0.0/8"),))
LIMITS = TransportLimits(whole_s=20, max_reply_bytes=RESPONSE_CAP_BYTES)
BACKOFF_S = (5.0, 30.0)


class Clock:
    """Stands still until it is set."""

    def __init__(self, now_ms: int = T0) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def open_deliverer(
    outbox: Outbox,
    *,
    guard: AddressGuard = LOCAL_GUARD,
    limits: TransportLimits = LIMITS,
    clock: Callable[[], int] = lambda: T0,
    owner: str = "w1",
    public_url: str | None = None,
    on_events: Callable[[], None] = lambda: None,
    on_capacity: Callable[[], None] = lambda: None,
    **settings: Any,
) -> AsyncIterator[Deliverer]:
    async with open_transport(limits, guard) as transport:
        yield Deliverer(
            outbox=outbox,
            transport=transport,
            settings=DeliverySettings(**({"backoff_s": BACKOFF_S} | settings)),
            owner=owner,
            lease_ms=60_000,
            public_url=public_url,
            clock=clock,
            random=lambda: 0.0,
            on_events=on_events,
            on_capacity=on_capacity,
        )


async def deliver_once(
    store: Store, guard: AddressGuard = LOCAL_GUARD, *, now_ms: int = T0, **rest: Any
) -> DeliveryReport:
    """One run of a new deliverer."""
    async with open_deliverer(store.outbox, guard=guard, clock=lambda: now_ms, **rest) as deliverer:
        return await deliverer.deliver_once(limit=64)


async def only_delivery(store: Store) -> tuple[Delivery, list[Attempt]]:
    (delivery,) = (await store.deliveries.deliveries(limit=10)).items
    return delivery, await store.deliveries.attempts(delivery.id)


async def endpoint_of(store: Store, subscription_id: str = "sub_1") -> EndpointState:
    found = await store.subscriptions.find(subscription_id)
    assert found is not None
    assert found.endpoint is not None
    return found.endpoint


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def cancel(runs: Sequence[asyncio.Task[Any]]) -> None:
    for run in runs:
        run.cancel()
    await asyncio.wait(runs)
