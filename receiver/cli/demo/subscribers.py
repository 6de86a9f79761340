"""The demo's consumers: two subscriptions, the URL in some tasks' own `notify`, and a follower of the event stream.

Each consumer behaves as real ones do: one endpoint fails at first, one throttles at first, one secret is rotated in the
middle, and the follower loses its connection once. Each stores what it received, for the count.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.cli.demo.api import Api
from receiver.cli.demo.shown import Shown
from receiver.cli.demo.tally import Channel, Received, last_part
from receiver.cli.demo.verification import Credentials, is_cloud_event, verified_by
from submitter import Client

RETRY_AFTER_S = 1

#: What is sent to POST /v1/subscriptions, beside the URL.
SUBSCRIPTIONS: Mapping[Channel, Mapping[str, Any]] = {
    Channel.EVERYTHING: {"description": "everything", "asymmetric": True, "cloudevents": True},
    Channel.FAILURES: {"description": "failures", "types": ["task.failed"]},
}

#: What answers the first webhook of a channel. Others are accepted at once.
FIRST_ANSWERS: Mapping[Channel, tuple[int, Mapping[str, str]]] = {
    Channel.EVERYTHING: (500, {}),
    Channel.FAILURES: (429, {"Retry-After": str(RETRY_AFTER_S)}),
}

BAD_SIGNATURE = "had no right signature"

BAD_ATTRIBUTES = "had not the right CloudEvents attributes"

NOT_OVERLAPPING = "were no longer signed with the old secret"

NOT_AN_END = "were not about an end"

WRONG_ID = "had another id than their event"


@dataclass(slots=True, kw_only=True, eq=False)
class Subscriber:
    """An endpoint for webhooks, and what it received."""

    channel: Channel
    url: str
    #: The newest last; a rotation adds one. Without any, no webhook is accepted.
    credentials: list[Credentials] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    #: Webhooks with a fault, by the fault.
    faults: Counter[str] = field(default_factory=Counter)
    #: Webhooks that the oldest and the newest secret both verified.
    overlapping: int = 0
    #: From the rejected first webhook until it came again.
    waited_s: float | None = None
    #: Set by each received event.
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _rejected: str | None = None
    _rejected_s: float = 0.0

    @property
    def event_ids(self) -> set[str]:
        return {each.event_id for each in self.received}

    def answer(self, headers: Mapping[str, str], body: bytes) -> Response:
        """The answer to a webhook."""
        verified = verified_by(self.credentials, headers, body)
        if not any(verified):
            self.faults[BAD_SIGNATURE] += 1
            return Response(status_code=401)
        message_id, event = headers["webhook-id"], json.loads(body)
        if self._rejected is None and self.channel in FIRST_ANSWERS:
            self._rejected, self._rejected_s = message_id, monotonic()
            status, answer_headers = FIRST_ANSWERS[self.channel]
            return Response(status_code=status, headers=answer_headers)
        if message_id == self._rejected and self.waited_s is None:
            self.waited_s = monotonic() - self._rejected_s
        self._check(verified, headers, event)
        self._store(event)
        return Response(status_code=204)

    def _check(self, verified: Sequence[bool], headers: Mapping[str, str], event: Mapping[str, Any]) -> None:
        # Webhooks in flight at the rotation have the old signature alone; none may have the new one alone.
        if not verified[0]:
            self.faults[NOT_OVERLAPPING] += 1
        elif len(verified) > 1 and verified[-1]:
            self.overlapping += 1
        if SUBSCRIPTIONS.get(self.channel, {}).get("cloudevents") and not is_cloud_event(headers, event["type"]):
            self.faults[BAD_ATTRIBUTES] += 1
        if headers["webhook-id"] != event["data"].get("event_id", headers["webhook-id"]):  # webhook.test has no event
            self.faults[WRONG_ID] += 1

    def _store(self, event: Mapping[str, Any]) -> None:
        task = event["data"].get("task")
        if event["type"] == REFUSED:
            return  # an end of a task that no provider has; its request is submitted again
        if task is None or task["final_at"] is None:  # webhook.test, task.overdue
            self.faults[NOT_AN_END] += 1
            return
        self.received.append(_received(self.channel, event["data"]))
        self.arrived.set()


#: The type of the event that nothing was created.
REFUSED = "task.refused"


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows the event stream with the Python client, and loses its connection once."""

    #: The connection is dropped when this many events have come.
    drop_at: int
    #: Every `seq` in the order of arrival.
    seqs: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    #: The cursor from which the stream was resumed.
    resumed_at: int | None = None

    async def follow(self, client: Client) -> None:
        """From the first event on. Never returns."""
        while True:
            cursor = self.seqs[-1] if self.seqs else 0
            async with aclosing(client.events(after=cursor, follow=True)) as events:
                async for event in events:
                    self.seqs.append(event.seq)
                    if event.task.final_at is not None and event.type != REFUSED:  # task.overdue has none
                        self.received.append(_received(Channel.STREAM, event.json_values()))
                    if self.resumed_at is None and len(self.seqs) >= self.drop_at:
                        self.resumed_at = event.seq
                        break


@dataclass(slots=True, kw_only=True, eq=False)
class Consumers:
    """Open them with `open_consumers`."""

    subscribers: Mapping[Channel, Subscriber]
    follower: Follower
    #: The secret is rotated when this many ends have been received.
    rotate_at: int
    #: The ids of the subscriptions.
    ids: dict[Channel, str] = field(default_factory=dict)

    @property
    def received(self) -> list[Received]:
        """By any channel."""
        return [*self.follower.received, *(each for one in self.subscribers.values() for each in one.received)]

    @property
    def everything(self) -> Subscriber:
        return self.subscribers[Channel.EVERYTHING]

    async def subscribe(self, api: Api) -> None:
        for channel, subscription in SUBSCRIPTIONS.items():
            subscriber = self.subscribers[channel]
            created = await api.post("/v1/subscriptions", {"url": subscriber.url, **subscription})
            self.ids[channel] = created["id"]
            subscriber.credentials.append(_credentials(created))

    async def rotate_secret(self, api: Api) -> None:
        """Of the subscription to everything. Both its secrets are right from now on."""
        rotated = await api.post(f"/v1/subscriptions/{self.ids[Channel.EVERYTHING]}/rotate-secret", {})
        self.everything.credentials.append(_credentials(rotated))

    async def until_received(self, count: int) -> None:
        """Return when the subscription to everything has received this many ends."""
        while len(self.everything.event_ids) < count:
            self.everything.arrived.clear()
            await self.everything.arrived.wait()

    def shown(self) -> Shown:
        faults = {
            f"to {each.channel.name.lower()} {fault}": count
            for each in self.subscribers.values()
            for fault, count in each.faults.items()
        }
        return Shown(
            retried_s=self.everything.waited_s,
            waited_s=self.subscribers[Channel.FAILURES].waited_s,
            retry_after_s=RETRY_AFTER_S,
            asymmetric=len(self.everything.received),
            overlapping=self.everything.overlapping,
            resumed_at=self.follower.resumed_at,
            notified=len(self.subscribers[Channel.NOTIFY].event_ids),
            faults=faults,
        )


def _received(channel: Channel, event: Mapping[str, Any]) -> Received:
    """From an event's JSON, which is the same by every channel."""
    task = event["task"]
    return Received(
        channel=channel,
        seq=event["seq"],
        event_id=event["event_id"],
        task=task["id"],
        provider=task["provider"],
        provider_task_id=task["task_id"] and last_part(task["task_id"]),
        state=task["state"],
    )


def _credentials(answer: Mapping[str, Any]) -> Credentials:
    return Credentials(secret=answer["secret"], public_key=answer["public_key"])


@asynccontextmanager
async def open_consumers(*, events: int, notify_secret: str) -> AsyncIterator[Consumers]:
    """The endpoints on a free port of this machine, in this event loop.

    `events` are expected: the stream is dropped after a third of them, and the secret rotated after a half.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    channels = (Channel.EVERYTHING, Channel.FAILURES, Channel.NOTIFY)
    subscribers = {each: Subscriber(channel=each, url=f"{origin}/{each.name.lower()}") for each in channels}
    subscribers[Channel.NOTIFY].credentials.append(Credentials(secret=notify_secret))
    server = _Server(uvicorn.Config(_app(subscribers), log_config=None, access_log=False, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Consumers(subscribers=subscribers, follower=Follower(drop_at=events // 3), rotate_at=events // 2)
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves the signals to the demo."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _app(subscribers: Mapping[Channel, Subscriber]) -> Starlette:
    by_path = {channel.name.lower(): subscriber for channel, subscriber in subscribers.items()}

    async def take(request: Request) -> Response:
        subscriber = by_path.get(request.path_params["name"])
        body = await request.body()
        return Response(status_code=404) if subscriber is None else subscriber.answer(request.headers, body)

    return Starlette(routes=[Route("/{name}", take, methods=["POST"])])
