"""Bad input of every kind gets a problem, or a good answer, and never a 500."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio

from receiver.web import bodies
from receiver.web.endpoint import TOKEN, Endpoint
from receiver.web.routes import ROUTES
from receiver.web.schemas.tasks import AnyQuery, NoBody, NoQuery
from submitter.model import TaskState
from tests.support.service import ORDER, VIDEO, Served, is_problem, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP = 200_000
LONG_BODY_BYTES = 10 << 20

BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "broken": b'{"provider":',
    "half a word": b"tru",
    "two values": b"{}{}",
    "text": b'"text"',
    "null": b"null",
    "number": b"1",
    "list": b"[]",
    "not a number": b'{"provider":NaN}',
    "infinite": b'{"older_than_s":Infinity}',
    "too large a number": b'{"older_than_s":1e9999}',
    "thousands of digits": b'{"deadline_s":' + b"9" * 10_000 + b"}",
    "hundreds of digits": b'{"deadline_s":' + b"9" * 400 + b',"older_than_s":' + b"9" * 400 + b"}",
    "deep list": b"[" * DEEP,
    "deep and closed": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep enough to parse": b'{"raw":{"body":' + b"[" * 90 + b"]" * 90 + b"}}",
    "NUL": b'{"provider":"a\\u0000b"}',
    "raw NUL": b'{"provider":"a\x00b"}',
    "NUL as a name": b'{"\\u0000":1}',
    "half a surrogate": b'{"provider":"\\ud800"}',
    "half a surrogate as a name": b'{"labels":{"\\udfff":"x"}}',
    "not UTF-8": b'{"provider":"\xff\xfe"}',
    "UTF-16": '{"provider":"hiapi"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"provider":"hiapi"}',
    "a name twice": b'{"provider":"hiapi","provider":"dashscope"}',
    "unknown names": b'{"__proto__":{},"constructor":1,"provider.":"x"}',
    "wrong types": b'{"provider":1,"video":[],"labels":{"a":1},"notify":"x","deadline_s":"5","dry_run":"yes"}',
    "wrong types of a subscription": b'{"url":1,"types":"x","labels":[],"rate_per_s":"1","overlap_s":[],"since":1}',
    "unfit words": b'{"url":"","types":[""],"providers":[""],"since":"","which":"","secret":"","overlap_s":-1}',
    "other wrong types": b'{"task_id":5,"refused":"true","older_than_s":"5","ask":1,"raw":{"body":[]}}',
    "10 MB of text": b'{"provider":"' + b"x" * LONG_BODY_BYTES + b'"}',
    "10 MB of numbers": b"[" + b"1," * (LONG_BODY_BYTES // 2) + b"1]",
    "many errors": json.dumps({f"name{number}": number for number in range(2_000)}).encode(),
}

HEADERS: Mapping[str, list[tuple[bytes, bytes]]] = {
    "no content type": [],
    "another content type": [(b"content-type", b"text/html")],
    "two content types": [(b"content-type", b"application/json"), (b"content-type", b"application/json")],
    "another charset": [(b"content-type", b"application/json; charset=utf-16")],
    "not ASCII": [(b"content-type", b"application/json\xff")],
    "a coding": [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
    "an odd key": [(b"content-type", b"application/json"), (b"idempotency-key", b"\xff\xfe")],
    "an empty key": [(b"content-type", b"application/json"), (b"idempotency-key", b"")],
    "two keys": [(b"content-type", b"application/json")] + [(b"idempotency-key", b"a")] * 2,
    "a long key": [(b"content-type", b"application/json"), (b"idempotency-key", b"k" * 20_000)],
    "an odd preference": [(b"content-type", b"application/json"), (b"prefer", b'wait=\xff;;,=,"wait=')],
    "an odd range": [(b"content-type", b"application/json"), (b"range", b"bytes=\xff-"), (b"accept", b"\xff")],
}

BAD_QUERIES = (
    "%ff",
    "%00",
    "limit=%00",
    "limit=%ff",
    "a=%zz",
    "unknown=1",
    "limit=1&limit=2",
    "=",
    "&".join(["limit=1"] * 100),
    "cursor=%0a",
    "x" * 20_000,
)
BAD_VALUES = {
    "limit": ("abc", "-1", "0", "1e3", "1.0", "", "%201", "1_0", "٣", "999999999999999999999", "201000"),
    "after": ("abc", "-1", "1e9999", "", "9223372036854775808", "0x10", "+1"),
    "subscription": ("garbage", "sub_", "tsk_1", "", "sub_A", "sub_" + "x" * 5_000),
    "cursor": ("garbage", "tsk_", "sub_", "' OR 1=1", "~", "tsk_%F0%9F%90%8E", "x" * 5_000),
    "state": ("done", "", "SUCCEEDED", "1"),
    "type": ("task.done", ""),
    "model": ("", "x" * 300),
    "label": ("x", "=", "=x", "a" * 70 + "=x"),
    "older_than_s": ("-1", "NaN", "inf", "1e5", "99999999999999999999"),
    "wait": ("-1", "46", "1e1", "abc", "99999999999999999999"),
    "lastEventId": ("abc", "-1", "1e9999", "9223372036854775808", "0x10"),
    "provider": ("", "x" * 300),
    "endpoint": ("", "garbage", "https://", "https://[", "ftp://a.example", "https://a.example/" + "x" * 5_000),
    "which": ("", "ALL", "some"),
    "name": ("x" * 65,),
    "actor": ("", "x" * 300),
    "action": ("", "x" * 300),
    "token": (),  # in place of a key, so a wrong one is answered 401
    "text": ("", "x" * 1_001),
    "key": ("", "x" * 1_001),
    "task_id": ("", "x" * 1_001),
    "task": ("", "p1", "tsk_", "tsk_" + "x" * 300),
    "since": ("", "yesterday", "2026-09-21", "1790000000000", "2026-13-01T00:00:00Z"),
    "until": ("", "1h", "2026-09-21T14:00:00", "9" * 5_000),
    "overdue": ("", "1", "True", "yes"),
    "contradicted": ("", "0", "TRUE"),
    "failing": ("", "1", "no"),
    "ended_by": ("", "list", "me"),
    "error": ("", "500", "timeout", "2XX"),
    "network": ("", "1", "yes"),
}
PATHS = ("%00", "%ff", "%zz", "%0a", "a%00b", "x" * 20_000, "%F0%9F%90%8E", "..%2f..", "%2e%2e", "'", "%")


@pytest_asyncio.fixture(name="service", scope="module", loop_scope="module")
async def _service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("bad_input")) as service:
        await service.has("tsk_1", provider_task_id=None)
        yield service


def _name(route: Endpoint) -> str:
    return f"{route.method} {route.path}"


def _path(route: Endpoint, part: str = "tsk_1") -> str:
    return re.sub(r"\{[a-z_]+\}", part, route.path.replace("{provider}", "hiapi"))


def _is_civil(reply: httpx.Response) -> None:
    """A success, or a full problem below 500; 503 is for a provider that cannot be reached."""
    if reply.is_success:
        return
    assert reply.status_code < 500 or reply.status_code == 503, reply.text
    is_problem(reply, reply.status_code)


async def _send(service: Served, route: Endpoint, **what: Any) -> httpx.Response:
    headers = [(b"authorization", service.key("all")["Authorization"].encode()), *what.get("headers", ())]
    path = what.get("path", _path(route))
    async with service.http.stream(route.method, path, headers=headers, content=what.get("content")) as reply:
        if not (route.streams and reply.is_success):
            await reply.aread()
    return reply


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_no_body_breaks_a_route(service: Served, route: Endpoint) -> None:
    for name, body in BODIES.items():
        reply = await _send(service, route, content=body, headers=[(b"content-type", b"application/json")])
        _is_civil(reply)
        assert not reply.is_success or route.body is NoBody or name == "nothing", name


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_no_header_breaks_a_route(service: Served, route: Endpoint) -> None:
    for headers in HEADERS.values():
        _is_civil(await _send(service, route, content=b'{"dry_run":true}', headers=headers))


@pytest.mark.parametrize("route", [route for route in ROUTES if route.query is not AnyQuery], ids=_name)
async def test_a_query_that_is_not_understood_is_answered_400(service: Served, route: Endpoint) -> None:
    for query in BAD_QUERIES:
        is_problem(await _send(service, route, path=f"{_path(route)}?{query}"), 400)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.query is not NoQuery], ids=_name)
async def test_a_value_of_the_query_that_is_unfit_is_answered_400_and_named(service: Served, route: Endpoint) -> None:
    for name in route.query.model_fields.keys() - {TOKEN}:  # what is no token is no key: 401, in its own tests
        needed = "".join(f"&{each}=x" for each, field in route.query.model_fields.items() if field.is_required())
        needed = needed.replace(f"&{name}=x", "")
        for value in BAD_VALUES[name]:
            problem = is_problem(await _send(service, route, path=f"{_path(route)}?{name}={value}{needed}"), 400)
            assert [error["field"] for error in problem["errors"]] in ([name], [f"{name}.0"], ["query"]), problem


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.path], ids=_name)
async def test_no_path_breaks_a_route(service: Served, route: Endpoint) -> None:
    for part in PATHS:
        reply = await _send(service, route, path=_path(route, part), content=b"{}", headers=HEADERS["no content type"])
        assert reply.status_code < 500
        is_problem(reply, reply.status_code)


@pytest.mark.parametrize("part", ["%00", "%ff", "%zz", "%0a", "%1b[2J", "%7f"])
async def test_a_path_that_cannot_be_read_is_answered_400(service: Served, part: str) -> None:
    is_problem(await service.get(f"/v1/tasks/{part}"), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"video":{"prompt":"\\u0000"},"provider":"hiapi"}', "video.prompt"),
        (b'{"provider":"hiapi","provider":"x"}', "provider"),
        (b'{"raw":{"body":{"a":[1,"\\ud800"]}}}', "raw.body.a.1"),
        (b"{", "body"),
    ],
)
async def test_json_that_is_not_taken_names_the_place(service: Served, body: bytes, field: str) -> None:
    headers = {"content-type": "application/json"}
    problem = is_problem(await service.post("/v1/tasks", headers=headers, content=body), 400)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize(
    ("change", "field", "accepted"),
    [
        ({"provider": None}, "provider", "text"),
        ({"deadline_s": 1.5}, "deadline_s", "a whole number"),
        ({"deadline_s": 0}, "deadline_s", "1 or more"),
        ({"deadline_s": True}, "deadline_s", "a whole number"),
        ({"labels": {"film": 1}}, "labels.film", "text"),
        ({"video": {"model": "m", "reference_images": "x"}}, "video.reference_images", "a list"),
        ({"video": {"model": "m", "promt": "x"}}, "video.promt", "prompt"),
        ({"video": {"prompt": "x"}}, "video.model", "a value"),
        ({"notify": {"url": 1}}, "notify.url", "text"),
        ({"nofity": {}}, "nofity", "notify"),
    ],
)
async def test_a_broken_rule_names_field_rule_and_what_is_accepted(
    service: Served, change: dict[str, Any], field: str, accepted: str
) -> None:
    problem = is_problem(await service.post("/v1/tasks", ORDER | change), 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert accepted in problem["errors"][0]["accepted"]


@pytest.mark.parametrize(
    ("change", "field", "rule", "accepted"),
    [
        ({"prompt": "x"}, "prompt", "belongs in `video`", "`video.prompt`"),
        ({"url": "https://hooks.example"}, "url", "belongs in `notify`", "`notify.url`"),
        ({"video": {**VIDEO, "labels": {}}}, "video.labels", "belongs at the top of the body", "`labels`"),
        ({"notify": {"url": "http://127.0.0.1:9/", "path": "/x"}}, "notify.path", "belongs in `raw`", "`raw.path`"),
        ({"raw": {"body": {}}}, "video", "give exactly one of `video` and `raw`", "one of the two"),
    ],
)
async def test_a_member_in_the_wrong_place_gets_the_place_where_it_belongs(
    service: Served, change: dict[str, Any], field: str, rule: str, accepted: str
) -> None:
    problem = is_problem(await service.post("/v1/tasks", ORDER | change), 422)
    assert problem["errors"] == [{"field": field, "rule": rule, "accepted": accepted}]
    assert problem["detail"] == f"{field}: {rule}; accepted: {accepted}."


async def test_a_settle_with_both_or_neither_is_refused(service: Served) -> None:
    for body in ({}, {"task_id": "p1", "refused": True}):
        problem = is_problem(await service.post("/v1/tasks/tsk_1/settle", body), 422)
        assert problem["errors"][0]["rule"].startswith("give exactly one of `task_id`, `refused`, ")


async def test_the_largest_integers_are_checked_and_not_stumbled_over(service: Served) -> None:
    for field in ("duration", "seed"):
        order = {"provider": "hiapi", "video": {**VIDEO, field: 10**400}}
        is_problem(await service.post("/v1/tasks", order), 422)


async def test_a_body_over_the_cap_of_the_api_is_answered_413(service: Served) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(34):
            yield b" " * (1 << 20)

    is_problem(await service.post("/v1/tasks", headers={"content-type": "application/json"}, content=chunks()), 413)


async def test_a_caller_that_hangs_up_in_its_body_leaves_the_server_well(service: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", service.http.base_url.port)
    key = service.key("all")["Authorization"]
    head = f"POST /v1/tasks HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await service.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/tasks", "/callbacks/signed"])
async def test_a_body_that_never_ends_is_answered_408_and_hung_up(
    service: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bodies, "BODY_WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http.base_url.port)
    key = service.key("all")["Authorization"]
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: 100\r\n\r\n{{".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_nothing_of_all_this_changed_a_task(service: Served) -> None:
    tasks = (await service.get("/v1/tasks")).json()["tasks"]
    assert [(task["id"], task["state"]) for task in tasks] == [("tsk_1", TaskState.UNCERTAIN)]
