"""Orders go in through three doors: plain HTTP, the command line, the Python client.

At each provider one after the other, so that the planned faults meet them in order. An order that was surely refused is
ordered anew; one whose answer was lost on the way is sent again under its own key, which is the same order.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.cli.demo.api import DemoStuck, Service
from receiver.cli.demo.books import Simulated
from receiver.cli.demo.processes import World
from receiver.cli.demo.scenario import DOORS, LABEL, Door, TaskRequest, by_provider, plan_of, submit_body
from submitter import Client
from submitter.errors import ReceiverRefused, ReceiverUnreachable

PAUSE_S = 1.0  # before an order is tried again

ACCEPTED, UNAVAILABLE = 202, 503


@dataclass(slots=True, kw_only=True, eq=False)
class Submitting:
    """`accepted` grows: an order's name to our id of its task. `notify_url`: who is told by a task's own `notify`."""

    world: World
    service: Service
    simulated: Simulated
    notify_url: str
    accepted: dict[str, str] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)

    async def submit_all(self, orders: Sequence[TaskRequest]) -> None:
        """Return once every one is accepted."""
        doors: Mapping[Door, Callable[[list[TaskRequest]], Awaitable[None]]] = {
            Door.API: self.submit_by_api,
            Door.COMMAND: self._submit_by_command,
            Door.CLIENT: self._submit_by_client,
        }
        for door in DOORS:
            batch = [order for order in orders if order.door is door]
            for provider, theirs in by_provider(batch).items():
                await self.simulated.plan(provider, plan_of(theirs))
            await doors[door](batch)

    async def submit_by_api(self, orders: list[TaskRequest]) -> None:
        await self._side_by_side(orders, self._post)

    async def _submit_by_client(self, orders: list[TaskRequest]) -> None:
        async with Client(self.world.places.receiver, self.world.keys.api) as client:
            await self._side_by_side(orders, lambda order: self._by_client(client, order))

    async def _side_by_side(self, orders: list[TaskRequest], submit: Callable[[TaskRequest], Awaitable[None]]) -> None:
        async def in_turn(theirs: list[TaskRequest]) -> None:
            for order in theirs:
                await submit(order)

        await asyncio.gather(*(in_turn(theirs) for theirs in by_provider(orders).values()))

    async def _post(self, order: TaskRequest) -> None:
        key = self._new_key(order)
        while order.name not in self.accepted:
            reply = await self.service.submit(self._body(order), key=key)
            if reply.status == ACCEPTED:
                self.accepted[order.name] = reply.body["id"]
            else:
                key = await self._key_after(order, key, status=reply.status, by_provider="provider" in reply.body)

    async def _by_client(self, client: Client, order: TaskRequest) -> None:
        key = self._new_key(order)
        while order.name not in self.accepted:
            try:
                self.accepted[order.name] = (await client.submit(**self._body(order), idempotency_key=key)).id
            except ReceiverRefused as error:
                refused = error.problem
                key = await self._key_after(order, key, status=refused.status, by_provider=refused.provider is not None)
            except ReceiverUnreachable:
                await asyncio.sleep(PAUSE_S)

    async def _submit_by_command(self, orders: list[TaskRequest]) -> None:
        """All in one call, a line each; what it could not place goes in by the API."""
        lines = [json.dumps({**self._body(order), "idempotency_key": self._new_key(order)}) for order in orders]
        result = await self.world.command("submit", "-", "--json", stdin="\n".join(lines).encode())
        if result.status not in {0, 1}:
            raise DemoStuck(f"whenfinal submit ended with status {result.status}: {result.stderr}")
        names = {order.name for order in orders}
        for task in await self.service.tasks():
            if task["labels"].get(LABEL) in names and task["state"] != "refused":
                self.accepted[task["labels"][LABEL]] = task["id"]
        await self.submit_by_api([order for order in orders if order.name not in self.accepted])

    def _body(self, order: TaskRequest) -> dict[str, Any]:
        return submit_body(order, notify_url=self.notify_url, secret=self.world.keys.webhook)

    def _new_key(self, order: TaskRequest) -> str:
        self._tries[order.name] = self._tries.get(order.name, 0) + 1
        return f"{order.name}-{self._tries[order.name]}"

    async def _key_after(self, order: TaskRequest, key: str, *, status: int, by_provider: bool) -> str:
        """What the provider refused is ordered anew, what never reached the ledger goes again; all else is a fault."""
        await asyncio.sleep(PAUSE_S)
        if by_provider:
            return self._new_key(order)
        if status == UNAVAILABLE:
            return key
        raise DemoStuck(f"order {order.name} was answered with status {status}")
