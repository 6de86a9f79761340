"""Who may do what: every route, with no key, a wrong one, one without the scope, and keys with limits, over HTTP."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from secrets import token_bytes
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio

from receiver.store.ids import IdMaker, id_maker
from receiver.web.routes import ROUTES
from receiver.webhooks.model.delivery_search import DeliverySearch
from submitter.model import TaskId, TaskState
from tests.support.builders import SECRET, a_report
from tests.support.service import KEYS, Served, is_problem, served
from tests.support.subscriptions_over_http import create_subscription
from tests.support.who_may import FITS, LABELS, NOTHING, OPEN, PROVIDER, ROWS, THING, Outcome, Row

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED = {f"{route.method} {route.path}": route for route in ROUTES if route.scope is not None}

EVERY_ROUTE = pytest.mark.parametrize("name", CLOSED)

#: The limits of keys that have every scope.
LIMITED: dict[str, dict[str, Any]] = {
    "other_provider": {"providers": ["dashscope", "signed"]},
    "other_label": {"label": "team=ads"},
    "both": {"providers": [PROVIDER], "label": "team=films"},
    "provider": {"providers": [PROVIDER]},
}


@dataclass(eq=False, kw_only=True)
class World:
    """A service, its keys, and new things whenever they are wanted."""

    service: Served
    bearers: dict[str, str]
    numbers: "count[int]" = field(default_factory=count)
    new_id: IdMaker = field(default_factory=lambda: id_maker(token_bytes))

    async def thing(self, kind: str, bearer: str | None = None) -> str:
        """The id of a new one, of the provider and with the label of the table; a subscription of this key."""
        number = next(self.numbers)
        match kind:
            case "subscription":
                made = await create_subscription(self.service, bearer, providers=[PROVIDER], labels=LABELS)
                return str(made["id"])
            case "run":
                body = {"ids": [await self._task()]}
                reply = await self.service.post("/v1/tasks/reconcile", body)
                return str(reply.json()["id"])
            case "key":
                return str(
                    (await self.service.post("/v1/keys", {"name": f"k{number}", "scopes": ["read"]})).json()["id"]
                )
            case "event" | "delivery":
                return await self._told(number, kind)
            case "queued task":
                now_ms = self.service.services.clock()
                return await self._task(state=TaskState.QUEUED, queued_ms=now_ms, queued_until_ms=2**52)
            case _:
                return await self._task()

    async def _task(self, provider_task_id: str | None = None, **changes: Any) -> str:
        name = self.new_id("tsk", self.service.services.clock())
        await self.service.has(name, provider_task_id, provider=PROVIDER, labels=LABELS, **changes)
        return name

    async def _told(self, number: int, kind: str) -> str:
        """The event of a task, or its delivery to the task's own `notify`."""
        theirs, store = f"p{number}x", self.service.services.store
        notify = {"notify_url": "https://hooks.example/a", "notify_secret": SECRET}
        task = await self._task(theirs, **notify)
        await store.ledger.record([a_report(TaskState.FAILED, provider_task_id=theirs)], self.service.services.clock())
        found = await store.delivery_search.page(DeliverySearch(task=TaskId(task), is_notify=True))
        (delivery,) = found.deliveries
        return delivery.event_id if kind == "event" else delivery.id

    async def ask(self, name: str, row: Row, thing: str, bearer: str | None) -> httpx.Response:
        """The whole answer; of a stream its first blocks."""
        method, _, path = name.partition(" ")
        path = path.replace("{id}", thing).replace("{name}", PROVIDER).replace("{number}", "0")
        query = {key: value.replace(THING, thing) for key, value in row.query.items()}
        body = None if row.body is None else json.loads(json.dumps(row.body).replace(THING, thing))
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        address = f"{path}?{urlencode(query)}"
        request = self.service.http.build_request(method, address, headers=headers, json=body)
        reply = await self.service.http.send(request, stream=True)
        is_stream = reply.headers.get("content-type", "").startswith("text/event-stream")
        content = await _first_blocks(reply) if is_stream else await reply.aread()
        await reply.aclose()
        return httpx.Response(reply.status_code, headers=_plain(reply.headers), content=content)


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Without what is about the bytes on the wire."""
    return {name: value for name, value in headers.items() if name not in {"content-encoding", "transfer-encoding"}}


async def _first_blocks(reply: httpx.Response) -> bytes:
    """Up to the first keep-alive, which comes when every stored event was sent."""
    seen = b""
    async for chunk in reply.aiter_bytes():
        seen += chunk
        if b"\n:" in seen:
            break
    return seen


@pytest_asyncio.fixture(name="world", scope="module", loop_scope="module")
async def _world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with served(tmp_path_factory.mktemp("who"), WHENFINAL_STREAM_KEEPALIVE_S="0.2") as service:
        bearers = {}
        for name, limits in {**LIMITED, "revoked": {}}.items():
            wanted = {"name": name, "scopes": ["submit", "read", "operate"], **limits}
            made = (await service.post("/v1/keys", wanted)).json()
            bearers[name] = made["key"]
            if name == "revoked":
                await service.http.delete(f"/v1/keys/{made['id']}", headers=service.key("all"))
        yield World(service=service, bearers=bearers)


async def test_every_route_has_a_row() -> None:
    assert set(ROWS) == set(CLOSED)
    assert {f"{route.method} {route.path}" for route in ROUTES if route.scope is None} == OPEN


@EVERY_ROUTE
async def test_without_a_valid_key_of_the_scope_nobody_gets_in(world: World, name: str) -> None:
    row, scope = ROWS[name], CLOSED[name].scope
    thing = await world.thing(row.thing)
    for bearer in (None, "wf_wrong", world.bearers["revoked"], f"{KEYS['all'][1]}x"):
        is_problem(await world.ask(name, row, thing, bearer), 401)
    for other in {"submit", "read", "operate"} - {scope}:
        assert str(scope) in is_problem(await world.ask(name, row, thing, KEYS[other][1]), 403)["detail"]
    fits = await world.ask(name, row, thing, KEYS["all"][1])
    _is(FITS, fits, row, thing)


@EVERY_ROUTE
@pytest.mark.parametrize("key", LIMITED)
async def test_a_limited_key_is_answered_as_its_limits_say(world: World, name: str, key: str) -> None:
    row = ROWS[name]
    expected: Outcome = getattr(row, key)
    thing = await world.thing(row.thing, world.bearers[key] if expected is FITS else None)
    reply = await world.ask(name, row, thing, world.bearers[key])
    _is(expected, reply, row, thing)
    if expected is not FITS:
        _is(FITS, await world.ask(name, row, thing, KEYS["all"][1]), row, thing)  # and nothing was changed


def _found(reply: httpx.Response) -> str:
    """The answer without the ids that it gives back because they are not there."""
    if not reply.headers.get("content-type", "").startswith("application/json"):
        return reply.text
    shown = {name: value for name, value in reply.json().items() if name != "missing"}
    return json.dumps(shown, separators=(",", ":"))


def _is(expected: Outcome, reply: httpx.Response, row: Row, thing: str) -> None:
    named = row.named.replace(THING, thing)
    hides = NOTHING in (row.other_provider, row.other_label)
    match expected:
        case Outcome.FITS:
            assert reply.status_code not in {401, 403, 404, 500}, reply.text
            assert named in _found(reply) or not hides
            assert "outside-limits" not in reply.text
        case Outcome.ABSENT:
            is_problem(reply, 404)
        case Outcome.NOTHING:
            assert reply.status_code in {200, 202}, reply.text
            assert named not in _found(reply)
        case Outcome.OUTSIDE:
            problem = is_problem(reply, 403)
            assert problem["type"] == "urn:whenfinal:problem:outside-limits"
            assert "limit" in problem["detail"]
        case Outcome.PART_OUTSIDE:
            assert reply.status_code == 200
            assert [each["problem"]["type"] for each in reply.json()["outcomes"]] == [
                "urn:whenfinal:problem:outside-limits"
            ]
