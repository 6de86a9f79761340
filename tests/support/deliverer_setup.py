"""A deliverer over real sockets on a real ledger, turn by turn; the clock is the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

from receiver.runtime.services import Store
from receiver.webhooks.deliverer import Deliverer, DeliveryManners, DeliveryOutbox, DeliveryReport
from receiver.webhooks.model.delivery import Attempt, Delivery
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import TransportLimits, open_transport
from tests.support.builders import T0

HOME = AddressGuard(allow=(ip_network("127.0.0.0/8"),))
LIMITS = TransportLimits(whole_s=20, max_reply_bytes=RESPONSE_CAP_BYTES, cut_replies=True)
BACKOFF_S = (5.0, 30.0)


class Clock:
    """Stands until it is set."""

    def __init__(self, now_ms: int = T0) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def open_deliverer(
    outbox: DeliveryOutbox,
    *,
    guard: AddressGuard = HOME,
    limits: TransportLimits = LIMITS,
    clock: Callable[[], int] = lambda: T0,
    on_events: Callable[[], None] = lambda: None,
    **manners: Any,
) -> AsyncIterator[Deliverer]:
    async with open_transport(limits, guard) as transport:
        manner = DeliveryManners(**({"owner": "w1", "backoff_s": BACKOFF_S} | manners))
        yield Deliverer(
            outbox=outbox, transport=transport, manners=manner, clock=clock, random=lambda: 0.0, on_events=on_events
        )


async def deliver_once(store: Store, guard: AddressGuard = HOME, *, now_ms: int = T0, **rest: Any) -> DeliveryReport:
    async with open_deliverer(store.outbox, guard=guard, clock=lambda: now_ms, **rest) as deliverer:
        return await deliverer.deliver_once(limit=64)


async def only_delivery(store: Store) -> tuple[Delivery, list[Attempt]]:
    (delivery,) = (await store.deliveries.deliveries(limit=10)).items
    return delivery, await store.deliveries.attempts(delivery.id)


async def endpoint_of(store: Store, name: str = "sub_1") -> EndpointState:
    seen = await store.subscriptions.find(name)
    assert seen is not None
    assert seen.endpoint is not None
    return seen.endpoint


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def wait_until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.005)


async def cancel(turns: Sequence[asyncio.Task[Any]]) -> None:
    for turn in turns:
        turn.cancel()
    await asyncio.wait(turns)
