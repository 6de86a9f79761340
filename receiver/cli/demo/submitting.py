"""The requests are submitted via plain HTTP, the command line and the Python client.

For each provider one after the other, so that the planned faults meet the right ones. A request that was refused is
submitted anew, under a new idempotency key. One whose answer was lost is sent again under the same key, which makes it
the same task.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.cli.demo.api import Api, DemoFailed
from receiver.cli.demo.processes import Processes
from receiver.cli.demo.scenario import LABEL, VIAS, DemoRequest, Via, by_provider, fault_plan, submit_body
from submitter import Client
from submitter.errors import ReceiverRefused, ReceiverUnreachable

PAUSE_S = 1.0  # before a request is submitted again

ACCEPTED, UNAVAILABLE = 202, 503


@dataclass(slots=True, kw_only=True, eq=False)
class Submitting:
    processes: Processes
    #: Of the receiver.
    api: Api
    #: Of the simulator.
    control: Api
    #: The URL for the `notify` of the requests that have one.
    notify_url: str
    #: By the name of a request, our id of its task. Grows while requests are submitted.
    accepted: dict[str, str] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)

    async def submit_all(self, requests: Sequence[DemoRequest]) -> None:
        """Return when every one is accepted."""
        ways: Mapping[Via, Callable[[list[DemoRequest]], Awaitable[None]]] = {
            Via.API: self.submit_by_api,
            Via.COMMAND: self._submit_by_command,
            Via.CLIENT: self._submit_by_client,
        }
        for via in VIAS:
            batch = [request for request in requests if request.via is via]
            for provider, theirs in by_provider(batch).items():
                await self.control.post("/_simulator/plan", {"platform": provider, "faults": fault_plan(theirs)})
            await ways[via](batch)

    async def submit_by_api(self, requests: list[DemoRequest]) -> None:
        await self._in_parallel(requests, self._post)

    async def _submit_by_client(self, requests: list[DemoRequest]) -> None:
        setup = self.processes.setup
        async with Client(setup.receiver, setup.api_key) as client:
            await self._in_parallel(requests, lambda request: self._submit_with(client, request))

    async def _in_parallel(self, requests: list[DemoRequest], submit: Callable[[DemoRequest], Awaitable[None]]) -> None:
        """The providers in parallel, the requests of each in order."""

        async def in_order(theirs: list[DemoRequest]) -> None:
            for request in theirs:
                await submit(request)

        await asyncio.gather(*(in_order(theirs) for theirs in by_provider(requests).values()))

    async def _post(self, request: DemoRequest) -> None:
        key = self._new_key(request)
        while request.name not in self.accepted:
            headers = {"Idempotency-Key": key}
            reply = await self.api.send("POST", "/v1/tasks", json=self._body(request), headers=headers)
            answer = reply.json()
            if reply.status_code == ACCEPTED:
                self.accepted[request.name] = answer["id"]
            else:
                key = await self._key_after(request, key, reply.status_code, by_provider="provider" in answer)

    async def _submit_with(self, client: Client, request: DemoRequest) -> None:
        key = self._new_key(request)
        while request.name not in self.accepted:
            try:
                self.accepted[request.name] = (await client.submit(**self._body(request), idempotency_key=key)).id
            except ReceiverRefused as error:
                refused = error.problem
                key = await self._key_after(request, key, refused.status, by_provider=refused.provider is not None)
            except ReceiverUnreachable:
                await asyncio.sleep(PAUSE_S)

    async def _submit_by_command(self, requests: list[DemoRequest]) -> None:
        """All in one call, a line each. What the providers refused is submitted again by the API."""
        lines = [json.dumps({**self._body(each), "idempotency_key": self._new_key(each)}) for each in requests]
        result = await self.processes.command("submit", "-", "--json", stdin="\n".join(lines).encode())
        if result.returncode not in {0, 1}:
            raise DemoFailed(f"whenfinal submit ended with status {result.returncode}: {result.stderr}")
        for task in (json.loads(line) for line in result.stdout.splitlines()):
            if task.get("state", "refused") != "refused":
                self.accepted[task["labels"][LABEL]] = task["id"]
        await self.submit_by_api([request for request in requests if request.name not in self.accepted])

    def _body(self, request: DemoRequest) -> dict[str, Any]:
        return submit_body(request, notify_url=self.notify_url, secret=self.processes.setup.notify_secret)

    def _new_key(self, request: DemoRequest) -> str:
        self._tries[request.name] = self._tries.get(request.name, 0) + 1
        return f"{request.name}-{self._tries[request.name]}"

    async def _key_after(self, request: DemoRequest, key: str, status: int, *, by_provider: bool) -> str:
        """The key for the next submit: a new one where the provider refused, the same where the receiver was busy.

        Raise DemoFailed for any other refusal.
        """
        await asyncio.sleep(PAUSE_S)
        if by_provider:
            return self._new_key(request)
        if status == UNAVAILABLE:
            return key
        raise DemoFailed(f"request {request.name} was answered with status {status}")
