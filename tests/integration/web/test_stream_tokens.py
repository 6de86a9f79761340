"""Stream tokens: they open the stream and nothing else, for a while, and no more of it than their key may see."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.events.model.query import EventFilter
from receiver.web.stream_tokens import StreamToken, sign_token
from tests.support.service import SECRET_KEY, Served, is_problem, served
from tests.support.stream_listener import PATH, TIMEOUT_S, StreamListener


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, WHENFINAL_STREAM_KEEPALIVE_S="0.2") as service:
        yield service


async def _token(service: Served, *, bearer: str | None = None, **wanted: Any) -> str:
    headers = None if bearer is None else {"Authorization": f"Bearer {bearer}"}
    reply = await service.post("/v1/stream-tokens", wanted, key="read", headers=headers)
    assert reply.status_code == 201, reply.text
    token: str = reply.json()["token"]
    return token


async def _new_key(service: Served, **wanted: Any) -> dict[str, Any]:
    reply = await service.post("/v1/keys", {"name": "page", "scopes": ["read"], **wanted})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


def _address(token: str, query: str = "after=0") -> str:
    return f"{PATH}?token={quote(token)}&{query}"


async def _refused(service: Served, token: str) -> str:
    reply = await service.http.get(_address(token))
    detail: str = is_problem(reply, 401)["detail"]
    return detail


async def _happens(service: Served, provider: str = "hiapi", **labels: str) -> str:
    """A task that is refused by nobody's provider: its event names provider and labels."""
    number = len((await service.get("/v1/tasks?limit=200")).json()["tasks"])
    name = f"tsk_{number}"
    await service.has(name, None, provider=provider, labels=labels)
    assert (await service.post(f"/v1/tasks/{name}/settle", {"refused": True})).status_code == 200
    return name


async def _tasks(listener: StreamListener, count: int) -> list[str]:
    return [json.loads((await listener.event())["data"])["task"]["id"] for _ in range(count)]


async def test_a_token_opens_the_stream_and_no_other_route(service: Served) -> None:
    token = await _token(service)
    name = await _happens(service)
    async with service.http.stream("GET", _address(token)) as reply:
        assert reply.status_code == 200
        assert await _tasks(StreamListener(reply), 1) == [name]
    for path in ("/v1/events", "/v1/tasks", "/v1/keys", "/v1/providers"):
        is_problem(await service.http.get(f"{path}?token={quote(token)}"), 401)
    is_problem(await service.http.post(f"/v1/stream-tokens?token={quote(token)}"), 401)
    is_problem(await service.http.get(PATH, headers={"Authorization": f"Bearer {token}"}), 401)


async def test_a_token_needs_no_body_and_says_when_it_ends(service: Served) -> None:
    reply = await service.http.post("/v1/stream-tokens", headers=service.key("read"))
    assert reply.status_code == 201
    assert set(reply.json()) == {"token", "expires_at"}
    is_problem(await service.http.post("/v1/stream-tokens"), 401)
    is_problem(await service.post("/v1/stream-tokens", {}, key="submit"), 403)


@pytest.mark.parametrize("change", ["old", "forged", "of another instance", "of no key", "of another key of that name"])
async def test_a_token_that_is_not_good_is_answered_401_in_words(service: Served, change: str) -> None:
    key = next(each for each in service.services.keyring.keys if each.name == "read")
    now_ms, secret = service.services.clock(), SECRET_KEY
    good = StreamToken(key=key, conditions=EventFilter(), until_ms=now_ms + 60_000)
    text = sign_token([secret], good, nonce="n")
    async with service.http.stream("GET", _address(text)) as reply:
        assert reply.status_code == 200
    read = frozenset({Scope.READ})
    bad = {
        "old": sign_token([secret], StreamToken(key=key, conditions=EventFilter(), until_ms=now_ms - 1), nonce="n"),
        "forged": f"x{text[1:]}",
        "of another instance": sign_token(["the-secret-of-another-1"], good, nonce="n"),
        "of no key": sign_token(
            [secret],
            StreamToken(
                key=ApiKeyDigest(name="gone", scopes=read, sha256=b"\x00" * 32),
                conditions=EventFilter(),
                until_ms=now_ms + 60_000,
            ),
            nonce="n",
        ),
        "of another key of that name": sign_token(
            [secret],
            StreamToken(
                key=ApiKeyDigest(name="read", scopes=read, sha256=b"\x00" * 32),
                conditions=EventFilter(),
                until_ms=now_ms + 60_000,
            ),
            nonce="n",
        ),
    }
    assert "forged or old" in await _refused(service, bad[change])


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "A" * 5_000, "é", "\x00", "....", "eyJhIjoxfQ.x"])
async def test_text_that_is_no_token_is_answered_401(service: Served, token: str) -> None:
    await _refused(service, token)


async def test_a_revoked_key_ends_its_tokens_and_its_open_streams(service: Served) -> None:
    made = await _new_key(service)
    token = await _token(service, bearer=made["key"])
    bearer = {"Authorization": f"Bearer {made['key']}"}
    async with (
        service.http.stream("GET", _address(token)) as by_token,
        service.http.stream("GET", PATH, headers=bearer) as by_key,
    ):
        listeners = [StreamListener(by_token), StreamListener(by_key)]
        for each in listeners:
            assert (await each.block() or {})["retry"]
        await service.http.delete(f"/v1/keys/{made['id']}", headers=service.key("all"))
        async with asyncio.timeout(TIMEOUT_S):
            for each in listeners:
                while await each.block() is not None:
                    pass
    assert "revoked" in await _refused(service, token)


async def test_a_stream_that_is_open_goes_on_when_its_token_expires_and_a_new_one_is_refused(service: Served) -> None:
    token = await _token(service, ttl_s=1)
    async with service.http.stream("GET", _address(token)) as reply:
        listener = StreamListener(reply)
        assert await listener.block() is not None
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                probe = service.http.build_request("GET", _address(token))
                again = await service.http.send(probe, stream=True)
                await again.aclose()
                if again.status_code == 401:
                    break
                await asyncio.sleep(0.05)
        name = await _happens(service)
        assert await _tasks(listener, 1) == [name]
    assert "old" in await _refused(service, token)


async def test_the_conditions_of_a_token_count_beside_those_of_the_address(service: Served) -> None:
    token = await _token(service, conditions={"labels": {"film": "1"}})
    await _happens(service, film="2")
    wide, narrow = await _happens(service, film="1"), await _happens(service, film="1", shot="9")
    async with service.http.stream("GET", _address(token)) as reply:
        assert await _tasks(StreamListener(reply), 2) == [wide, narrow]
    async with service.http.stream("GET", _address(token, "after=0&label=shot%3D9")) as reply:
        assert await _tasks(StreamListener(reply), 1) == [narrow]
    async with service.http.stream("GET", _address(token, "after=0&label=film%3D2")) as reply:
        last = await _happens(service, film="1")
        listener = StreamListener(reply)
        seen = [await listener.block() or {} for _ in range(4)]  # a hello, its cursor again as it moves, keep-alives
    assert last not in str(seen)
    assert {block.get("event", "hello") for block in seen} == {"hello"}


@pytest.mark.parametrize("limits", [{"providers": ["dashscope"]}, {"label": "team=films"}])
async def test_a_token_of_a_limited_key_shows_what_the_key_may_see(service: Served, limits: dict[str, Any]) -> None:
    made = await _new_key(service, **limits)
    token = await _token(service, bearer=made["key"])
    await _happens(service, "hiapi", team="ads")
    inside = await _happens(service, "dashscope", team="films")
    await _happens(service, "hiapi", team="ads")
    last = await _happens(service, "dashscope", team="films")
    async with service.http.stream("GET", _address(token)) as reply:
        assert await _tasks(StreamListener(reply), 2) == [inside, last]
    bearer = {"Authorization": f"Bearer {made['key']}"}
    listed = (await service.http.get("/v1/events", headers=bearer)).json()["events"]
    assert [event["task"]["id"] for event in listed] == [inside, last]


async def test_conditions_outside_of_the_limits_are_refused_in_words(service: Served) -> None:
    made = await _new_key(service, providers=["dashscope"])
    bearer = {"Authorization": f"Bearer {made['key']}"}
    wanted = {"conditions": {"providers": ["hiapi"]}}
    reply = await service.http.post("/v1/stream-tokens", json=wanted, headers=bearer)
    assert "limits of the key" in is_problem(reply, 403)["detail"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 3601}, "ttl_s"),
        ({"ttl_s": "60"}, "ttl_s"),
        ({"scope": "operate"}, "scope"),
        ({"conditions": {"types": ["task.done"]}}, "conditions.types.0"),
        ({"conditions": {"providers": ["nowhere"]}}, "conditions.providers.0"),
        ({"conditions": {"labels": {"x": "y" * 300}}}, "conditions.labels.x"),
        ({"conditions": {"models": [token_urlsafe(140) for _ in range(20)]}}, "conditions"),
        ({"conditions": {"models": ["m"] * 21}}, "conditions.models"),
    ],
)
async def test_a_bad_wish_is_refused_with_its_field(service: Served, wanted: dict[str, Any], field: str) -> None:
    problem = is_problem(await service.post("/v1/stream-tokens", wanted), 422)
    assert field in {each["field"] for each in problem["errors"]}


async def test_neither_a_token_nor_its_key_is_in_the_log(service: Served) -> None:
    token = await _token(service)
    with capture_logs() as lines:
        async with service.http.stream("GET", _address(token)) as reply:
            assert reply.status_code == 200
        await _refused(service, f"x{token[1:]}")
        is_problem(await service.http.get(f"{PATH}?token={quote(token)}&after=x"), 400)
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["route"] for line in requests} == {PATH}
    assert "read" in {line["key"] for line in requests}
    assert token not in str(lines)
    assert token[1:] not in str(lines)


async def test_a_token_works_in_another_process_before_that_has_read_the_keys(tmp_path: Path) -> None:
    async with served(tmp_path) as one, served(tmp_path) as two:
        token = await _token(one, bearer=(await _new_key(one))["key"])
        async with two.http.stream("GET", _address(token)) as reply:
            assert reply.status_code == 200


async def test_a_key_without_read_makes_no_token_and_a_token_reads_alone(service: Served) -> None:
    token = await _token(service, bearer=(await _new_key(service, scopes=["read", "operate", "submit"]))["key"])
    for method, path in (("POST", "/v1/tasks"), ("POST", "/v1/reconcile"), ("POST", "/v1/keys")):
        reply: httpx.Response = await service.http.request(method, f"{path}?token={quote(token)}", json={})
        is_problem(reply, 401)
