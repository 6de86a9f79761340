"""Who is told by webhook: a small web server with three subscribers, each with books of its own.

Each checks every webhook by itself and turns its first one away, as one that is just being deployed would do.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.demo.checking import Credentials, is_cloud_event, right_ones
from receiver.demo.tally import Told, Way

RETRY_AFTER_S = 1

UNSIGNED = "were not rightly signed"
UNATTRIBUTED = "had not the right CloudEvents attributes"
OLD_UNSIGNED = "were no longer signed with the secret before"
NO_END = "told of no end"
MISNAMED = "had another id than their event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """`first_status` answers the very first webhook, with `first_headers`; None takes it at once."""

    first_status: int | None = None
    first_headers: Mapping[str, str] = field(default_factory=dict)
    wants_cloudevents: bool = False


MANNERS: Mapping[Way, Manners] = {
    Way.EVERYTHING: Manners(first_status=500, wants_cloudevents=True),
    Way.FAILURES: Manners(first_status=429, first_headers={"Retry-After": str(RETRY_AFTER_S)}),
    Way.NOTIFY: Manners(),
}


@dataclass(slots=True, kw_only=True, eq=False)
class Subscriber:
    """One endpoint and its books. `held` grows by a rotation, the newest last; before the first, nothing is believed.

    `faults` counts webhooks by what was wrong with them; `overlapping` those that both the oldest and the newest
    secret verified. `turned_away` is the webhook that was not taken at first, `waited_s` the time until it came again.
    `heard` is set by each that is booked.
    """

    way: Way
    url: str
    held: list[Credentials] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    overlapping: int = 0
    turned_away: str | None = None
    waited_s: float | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    _turned_away_s: float = 0.0

    @property
    def event_ids(self) -> set[str]:
        return {each.event_id for each in self.told}

    def take(self, headers: Mapping[str, str], body: bytes) -> Response:
        """The answer to a webhook."""
        right = right_ones(self.held, headers, body)
        if not any(right):
            self.faults[UNSIGNED] += 1
            return Response(status_code=401)
        manners, message_id, event = MANNERS[self.way], headers["webhook-id"], json.loads(body)
        if manners.first_status is not None and self.turned_away is None:
            self.turned_away, self._turned_away_s = message_id, monotonic()
            return Response(status_code=manners.first_status, headers=manners.first_headers)
        if message_id == self.turned_away and self.waited_s is None:
            self.waited_s = monotonic() - self._turned_away_s
        if len(right) > 1:
            self._look_at_overlap(right)
        if manners.wants_cloudevents and not is_cloud_event(headers, event["type"]):
            self.faults[UNATTRIBUTED] += 1
        if message_id != event["data"].get("event_id", message_id):  # webhook.test is of no event
            self.faults[MISNAMED] += 1
        self._book(event)
        return Response(status_code=204)

    def _look_at_overlap(self, right: list[bool]) -> None:
        """What was on its way when the secret was rotated has the old signature alone, never the new one alone."""
        if not right[0]:
            self.faults[OLD_UNSIGNED] += 1
        elif right[-1]:
            self.overlapping += 1

    def _book(self, event: Mapping[str, Any]) -> None:
        task = event["data"].get("task")
        if task is None or task["final_at"] is None:  # webhook.test, task.overdue
            self.faults[NO_END] += 1
            return
        told = Told(
            way=self.way,
            seq=event["data"]["seq"],
            event_id=event["data"]["event_id"],
            task=task["id"],
            provider=task["provider"],
            task_id=task["task_id"],
            state=task["state"],
        )
        self.told.append(told)
        self.heard.set()


@asynccontextmanager
async def open_subscribers() -> AsyncIterator[Mapping[Way, Subscriber]]:
    """On a free port of this machine, in this event loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    subscribers = {way: Subscriber(way=way, url=f"{origin}/{way.name.lower()}") for way in MANNERS}
    server = _Server(uvicorn.Config(_app(subscribers), log_config=None, access_log=False, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield subscribers
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Signals belong to the demo."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _app(subscribers: Mapping[Way, Subscriber]) -> Starlette:
    by_path = {way.name.lower(): subscriber for way, subscriber in subscribers.items()}

    async def take(request: Request) -> Response:
        subscriber = by_path.get(request.path_params["name"])
        body = await request.body()
        return Response(status_code=404) if subscriber is None else subscriber.take(request.headers, body)

    return Starlette(routes=[Route("/{name}", take, methods=["POST"])])
