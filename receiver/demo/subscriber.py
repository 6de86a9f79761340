"""Who is told: a small web server that checks each webhook's signature by itself and keeps its own books.

The check is Standard Webhooks 1 spelled out here once more, on purpose: it must not share a mistake with the sender.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.demo.tally import Told

PATH = "/webhooks"


@dataclass(slots=True, kw_only=True)
class SubscriberBooks:
    """`turned_away`: the webhook that was answered 500 once; `forged`: those whose signature was not right.

    `heard` is set by each that is booked.
    """

    told: list[Told] = field(default_factory=list)
    other: int = 0
    forged: int = 0
    turned_away: str | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def event_ids(self) -> set[str]:
        return {each.event_id for each in self.told}

    @property
    def saw_a_retry(self) -> bool:
        return self.turned_away in self.event_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A running subscriber; `url` is what a task's `notify` names."""

    url: str
    books: SubscriberBooks


@asynccontextmanager
async def subscribing(secret: str) -> AsyncIterator[Subscriber]:
    """On a free port of this machine, in this event loop."""
    books = SubscriberBooks()
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(_app(books, secret), log_config=None, access_log=False, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Subscriber(url=f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}", books=books)
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Signals belong to the demo."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _app(books: SubscriberBooks, secret: str) -> Starlette:
    async def take(request: Request) -> Response:
        body = await request.body()
        if not is_genuine(secret, request.headers, body):
            books.forged += 1
            return Response(status_code=401)
        return Response(status_code=_book(books, request.headers["webhook-id"], json.loads(body)))

    return Starlette(routes=[Route(PATH, take, methods=["POST"])])


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1` signatures over id, timestamp and body is ours."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    signed = b".".join((headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), body))
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(right, each) for each in given)


def _book(books: SubscriberBooks, message_id: str, event: dict[str, Any]) -> int:
    """The first one is turned away, as a subscriber that is just being deployed would do."""
    if books.turned_away is None:
        books.turned_away = message_id
        return 500
    task = event["data"]["task"]
    if task["final_at"] is None:  # task.overdue tells of no end
        books.other += 1
        return 204
    told = Told(
        event_id=event["data"]["event_id"],
        task=task["id"],
        provider=task["provider"],
        task_id=task["task_id"],
        state=task["state"],
    )
    books.told.append(told)
    books.heard.set()
    return 204
