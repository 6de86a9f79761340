"""A deliverer over real sockets on a real ledger, turn by turn; the clock is the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

from receiver.delivery import Deliverer, DeliveryManners, DeliveryOutbox, DeliveryReport
from receiver.posting import RESPONSE_CAP_BYTES
from receiver.records import Attempt, Delivery
from receiver.store import Store
from receiver.subscription import Lane
from submitter.addresses import AddressGuard
from submitter.transport import TransportLimits, open_transport
from tests.builders import T0

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
async def delivering(
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
            outbox=outbox, transport=transport, manners=manner, clock=clock, dice=lambda: 0.0, on_events=on_events
        )


async def take_turn(store: Store, guard: AddressGuard = HOME, *, now_ms: int = T0, **rest: Any) -> DeliveryReport:
    async with delivering(store.outbox, guard=guard, clock=lambda: now_ms, **rest) as deliverer:
        return await deliverer.deliver_once(limit=64)


async def only_delivery(store: Store) -> tuple[Delivery, list[Attempt]]:
    (delivery,) = (await store.reading.deliveries(limit=10)).items
    return delivery, await store.reading.attempts(delivery.id)


async def lane_of(store: Store, name: str = "sub_1") -> Lane:
    seen = await store.subscriptions.find(name)
    assert seen is not None
    assert seen.lane is not None
    return seen.lane


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.005)


async def cancel(turns: Sequence[asyncio.Task[Any]]) -> None:
    for turn in turns:
        turn.cancel()
    await asyncio.wait(turns)
