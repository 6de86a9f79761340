"""All who are told of ends: two subscriptions, the address in some tasks' own `notify`, a follower of the stream."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.cli.demo.api import Service
from receiver.cli.demo.tally import Shown, Told, Way
from submitter import Client, Event

#: What is asked for in POST /v1/subscriptions, beside the address.
WISHES: Mapping[Way, Mapping[str, Any]] = {
    Way.EVERYTHING: {"description": "everything", "asymmetric": True, "cloudevents": True},
    Way.FAILURES: {"description": "failures", "types": ["task.failed"]},
}


@dataclass(slots=True, kw_only=True)
class Follower:
    """`seqs` is every number in the order of its coming. `resumed_at`: the cursor kept over the dropped connection."""

    drop_at: int
    seqs: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    resumed_at: int | None = None

    @property
    def cursor(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    async def follow(self, client: Client) -> None:
        """From the first event on, for ever. The connection is dropped once `drop_at` events have come."""
        while True:
            async with aclosing(client.events(after=self.cursor, follow=True)) as events:
                async for event in events:
                    self._book(event)
                    if self.resumed_at is None and len(self.seqs) >= self.drop_at:
                        self.resumed_at = self.cursor
                        break

    def _book(self, event: Event) -> None:
        self.seqs.append(event.seq)
        task = event.task
        if task.final_at is None:  # task.overdue
            return
        told = Told(
            way=Way.STREAM,
            seq=event.seq,
            event_id=event.event_id,
            task=task.id,
            provider=task.provider,
            provider_task_id=task.provider_task_id,
            state=task.state.value,
        )
        self.told.append(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a subscription's creation, or the rotation of its secret, answered: `whsec_…`, and `whpk_…` if asked for."""

    secret: str = field(repr=False)
    public_key: str | None = None


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
            provider_task_id=task["task_id"],
            state=task["state"],
        )
        self.told.append(told)
        self.heard.set()


@dataclass(slots=True, kw_only=True, eq=False)
class Audience:
    """Open it with `open_audience`. `ids` are those of the subscriptions, once they are made."""

    subscribers: Mapping[Way, Subscriber]
    follower: Follower
    rotate_at: int
    ids: dict[Way, str] = field(default_factory=dict)

    @property
    def told(self) -> list[Told]:
        """What came by any way."""
        return [*self.follower.told, *(told for each in self.subscribers.values() for told in each.told)]

    @property
    def everything(self) -> Subscriber:
        return self.subscribers[Way.EVERYTHING]

    async def subscribe(self, service: Service) -> None:
        """The secrets come with the answers."""
        for way, wish in WISHES.items():
            made = await service.subscribe({"url": self.subscribers[way].url, **wish})
            self.ids[way] = made["id"]
            self.subscribers[way].held.append(_credentials(made))

    async def rotate(self, service: Service) -> None:
        """Both the secret before and the new one are right from now on."""
        self.everything.held.append(_credentials(await service.rotate_secret(self.ids[Way.EVERYTHING])))

    async def until_told(self, count: int) -> None:
        """Of so many ends, by the webhooks for everything."""
        while len(self.everything.event_ids) < count:
            self.everything.heard.clear()
            await self.everything.heard.wait()

    def shown(self) -> Shown:
        faults = {
            f"to {each.way.name.lower()} {fault}": count
            for each in self.subscribers.values()
            for fault, count in each.faults.items()
        }
        return Shown(
            retried_s=self.everything.waited_s,
            waited_s=self.subscribers[Way.FAILURES].waited_s,
            retry_after_s=RETRY_AFTER_S,
            asymmetric=len(self.everything.told),
            overlapping=self.everything.overlapping,
            resumed_at=self.follower.resumed_at,
            notified=len(self.subscribers[Way.NOTIFY].event_ids),
            faults=faults,
        )


@asynccontextmanager
async def open_audience(*, events: int, notify_secret: str) -> AsyncIterator[Audience]:
    """`events` are expected. The stream is dropped after a third of them, the secret rotated after a half."""
    async with open_subscribers() as subscribers:
        subscribers[Way.NOTIFY].held.append(Credentials(secret=notify_secret))
        yield Audience(subscribers=subscribers, follower=Follower(drop_at=events // 3), rotate_at=events // 2)


def _credentials(said: Mapping[str, Any]) -> Credentials:
    return Credentials(secret=said["secret"], public_key=said["public_key"])


def right_ones(held: Sequence[Credentials], headers: Mapping[str, str], body: bytes) -> list[bool]:
    """For each of those held, whether it verifies; where there is a public key, by both kinds of signature."""
    return [
        is_genuine(each.secret, headers, body)
        and (each.public_key is None or is_genuine_by_public_key(each.public_key, headers, body))
        for each in held
    ]


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1` signatures over id, timestamp and body is ours."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    right = base64.b64encode(hmac.digest(key, _signed(headers, body), hashlib.sha256))
    return any(hmac.compare_digest(right, each) for each in _signatures("v1", headers))


def is_genuine_by_public_key(public_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the `v1a` signatures is of the key that the subscription shows."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_"), validate=True))
    except ValueError:
        return False
    return any(_is_signed_by(key, each, _signed(headers, body)) for each in _signatures("v1a", headers))


def is_cloud_event(headers: Mapping[str, str], event_type: str) -> bool:
    """Whether the attributes are there and say what Standard Webhooks' headers and the body say."""
    told = {name: headers.get(name, "") for name in ("ce-specversion", "ce-id", "ce-type")}
    wanted = {"ce-specversion": "1.0", "ce-id": headers.get("webhook-id"), "ce-type": event_type}
    return told == wanted and bool(headers.get("ce-source")) and bool(headers.get("ce-time"))


def _signed(headers: Mapping[str, str], body: bytes) -> bytes:
    return b".".join((headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), body))


def _signatures(version: str, headers: Mapping[str, str]) -> Iterator[bytes]:
    for each in headers.get("webhook-signature", "").split(" "):
        found, _, signature = each.partition(",")
        if found == version:
            yield signature.encode()


def _is_signed_by(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


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
