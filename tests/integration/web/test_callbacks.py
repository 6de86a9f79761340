"""What providers post, over a socket: each outcome of the intake has its status."""

import asyncio
import gzip
import json
import sqlite3
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from submitter.model import ProviderTaskId, TaskId, TaskState
from submitter.providers.hiapi_signature import signature
from tests.support.service import HIAPI_SECRET, Served, a_callback_body, is_problem, served


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as service:
        await service.has()
        yield service


async def _state(service: Served, name: str = "tsk_1") -> TaskState:
    task = await service.services.store.tasks.task(TaskId(name))
    assert task is not None
    return task.state


def _signed(body: bytes, *extra: tuple[str, str], age_s: int = 0) -> list[tuple[str, str]]:
    now_s = str(int(time.time()) - age_s)
    proof = signature(HIAPI_SECRET, now_s, body).decode()
    return [
        ("content-type", "application/json"),
        ("X-HiAPI-Timestamp", now_s),
        ("X-HiAPI-Signature", proof),
        *extra,
    ]


async def test_an_applied_callback_is_answered_204_once_it_is_durable(service: Served) -> None:
    reply = await service.calls_back()
    assert (reply.status_code, reply.content) == (204, b"")
    assert await _state(service) is TaskState.SUCCEEDED


@pytest.mark.parametrize(("second", "verdict"), [("success", "duplicate"), ("fail", "contradiction")])
async def test_a_callback_that_changes_nothing_is_answered_200(service: Served, second: str, verdict: str) -> None:
    await service.calls_back()
    reply = await service.calls_back(json=a_callback_body(second))
    assert (reply.status_code, reply.json()) == (200, {"verdict": verdict})
    assert await _state(service) is TaskState.SUCCEEDED


async def test_a_late_running_status_is_answered_200_as_stale(service: Served) -> None:
    await service.calls_back()
    reply = await service.calls_back(json=a_callback_body("handling"))
    assert (reply.status_code, reply.json()) == (200, {"verdict": "stale"})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe{}", b'{"taskId":"p1\x00"}', b"[" * 100_000, b"{}", b"null"]
)
async def test_a_body_that_is_no_callback_is_answered_400(service: Served, body: bytes) -> None:
    reply = await service.calls_back(json=None, content=body, headers={"content-type": "application/json"})
    is_problem(reply, 400)
    assert await _state(service) is TaskState.RUNNING


@pytest.mark.parametrize(
    "path",
    [
        "/callbacks/hiapi/garbage",
        "/callbacks/hiapi/%E4%BD%A0",
        "/callbacks/hiapi/" + "a" * 5_000,
        "/callbacks/hiapi",
        "/callbacks/signed",
    ],
)
async def test_a_stranger_is_answered_401_and_told_nothing(service: Served, path: str) -> None:
    reply = await service.calls_back(path)
    assert "detail" not in is_problem(reply, 401)
    assert reply.headers["www-authenticate"]
    assert await _state(service) is TaskState.RUNNING


async def test_a_forged_an_expired_and_another_providers_token_are_answered_401(service: Served) -> None:
    forged = service.callback_path(key="somebody-elses-key-00001")
    expired = service.callback_path(age_s=31 * 86_400)
    others = service.callback_path(provider="dashscope").replace("/dashscope/", "/hiapi/")
    for path in (forged, expired, others):
        is_problem(await service.calls_back(path), 401)
    assert await _state(service) is TaskState.RUNNING


async def test_an_unknown_provider_is_answered_404(service: Served) -> None:
    is_problem(await service.calls_back("/callbacks/nobody/token"), 404)


async def test_the_token_of_another_task_is_answered_409(service: Served) -> None:
    await service.has("tsk_2", "p2")
    is_problem(await service.calls_back(service.callback_path("tsk_2")), 409)
    assert await _state(service) is TaskState.RUNNING


async def test_a_body_over_the_cap_is_answered_413(service: Served) -> None:
    body = json.dumps({**a_callback_body(), "more": "x" * (1 << 20)}).encode()
    is_problem(await service.calls_back(json=None, content=body, headers={"content-type": "application/json"}), 413)


async def test_a_chunked_body_over_the_cap_is_answered_413(service: Served) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b" " * 16_384

    is_problem(await service.calls_back(json=None, content=chunks(), headers={"content-type": "application/json"}), 413)


async def test_a_body_of_exactly_the_cap_is_read(service: Served) -> None:
    body = json.dumps(a_callback_body()).encode().ljust(1 << 20)
    reply = await service.calls_back(json=None, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 204


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "text/plain; charset=ISO-8859-1",
        "application/xml",
        "application/json-seq",
        "application/json, x",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "application/json; charset=utf-8",
        "application/json; charset='utf-8'",
        'application/json; charset="UTF-8"; x=y',
        "application/json;charset=gbk",
        "Application/JSON;x=y",
        "application/cloudevents+json; charset=UTF-8",
        "nonsense",
    ],
)
@pytest.mark.parametrize("signed", [False, True])
async def test_who_has_proved_itself_may_send_any_content_type(
    service: Served, kind: str | None, *, signed: bool
) -> None:
    if signed:
        await service.has("tsk_2", "p2", provider="signed")
    body = json.dumps(a_callback_body(provider_task_id="p2" if signed else "p1")).encode()
    proof = [each for each in _signed(body) if each[0] != "content-type"] if signed else []
    headers = [*proof, *([("content-type", kind)] if kind is not None else [])]
    path = service.callback_path("tsk_2", provider="signed") if signed else service.callback_path()
    reply = await service.calls_back(path, json=None, content=body, headers=headers)
    assert reply.status_code == 204, reply.text
    assert await _state(service, "tsk_2" if signed else "tsk_1") is TaskState.SUCCEEDED


async def test_two_content_types_are_taken_too(service: Served) -> None:
    headers = [("content-type", "application/json"), ("content-type", "text/plain")]
    body = json.dumps(a_callback_body()).encode()
    assert (await service.calls_back(json=None, content=body, headers=headers)).status_code == 204


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "/"),
        ("", "//"),
        ("/", ""),
        ("/", "/"),
        ("", "?"),
        ("", "?source=hiapi"),
        ("", "/?a=1&a=2&%ff"),
        ("", "?" + "&".join(f"a{n}=1" for n in range(200))),
    ],
)
async def test_an_added_slash_or_query_changes_nothing(service: Served, before: str, after: str) -> None:
    path = before + service.callback_path() + after
    assert (await service.calls_back(service.url + path)).status_code == 204
    assert await _state(service) is TaskState.SUCCEEDED


async def test_a_slash_within_the_address_changes_nothing(service: Served) -> None:
    _, callbacks, provider, token = service.callback_path().split("/")
    path = f"/{callbacks}//{provider}///{token}"
    assert (await service.calls_back(service.url + path)).status_code == 204
    is_problem(await service.calls_back(f"{service.url}/{callbacks}/{provider}/{token}/more"), 404)
    is_problem(await service.calls_back(service.url + "/callbacks/hiapi/forged/"), 401)
    is_problem(await service.calls_back(service.url + "/callbacks/"), 404)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _raw_deflate),
    ("gzip", bytes),  # said to be packed, and it is not
    ("identity", bytes),
    ("", bytes),
    ("br", bytes),
]


@pytest.mark.parametrize(("coding", "pack"), PACKINGS)
@pytest.mark.parametrize("covers_packed", [None, True, False], ids=["unsigned", "packed", "unpacked"])
async def test_a_packed_body_is_unpacked_and_either_form_may_be_signed(
    service: Served, coding: str, pack: Callable[[bytes], bytes], *, covers_packed: bool | None
) -> None:
    name = "hiapi" if covers_packed is None else "signed"
    await service.has("tsk_2", "p2", provider=name)
    body = json.dumps(a_callback_body(provider_task_id="p2")).encode()
    packed = pack(body)
    proof = [] if covers_packed is None else _signed(packed if covers_packed else body)
    path = service.callback_path("tsk_2", provider=name)
    reply = await service.calls_back(path, json=None, content=packed, headers=[*proof, ("content-encoding", coding)])
    assert reply.status_code == 204, reply.text
    assert await _state(service, "tsk_2") is TaskState.SUCCEEDED


async def test_a_signature_over_other_bytes_is_refused_packed_or_not(service: Served) -> None:
    await service.has("tsk_2", "p2", provider="signed")
    body = json.dumps(a_callback_body(provider_task_id="p2")).encode()
    path = service.callback_path("tsk_2", provider="signed")
    for content, coding in ((gzip.compress(body), "gzip"), (body, "identity"), (body, "gzip")):
        headers = [*_signed(body + b" "), ("content-encoding", coding)]
        is_problem(await service.calls_back(path, json=None, content=content, headers=headers), 401)
    assert await _state(service, "tsk_2") is TaskState.RUNNING


async def test_a_bomb_is_answered_413(service: Served) -> None:
    for pack, coding in ((gzip.compress, "gzip"), (zlib.compress, "deflate")):
        reply = await service.calls_back(
            json=None, content=pack(b" " * 200_000_000), headers={"content-encoding": coding}
        )
        is_problem(reply, 413)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\x1f\x8b\x08 damaged", b'{"taskId":"p1"}', gzip.compress(b"{}" * 9, mtime=0)[:-12]]
)
async def test_an_unreadable_body_from_a_right_token_makes_the_task_due(service: Served, body: bytes) -> None:
    with capture_logs() as logs:
        is_problem(await service.calls_back(json=None, content=body, headers={"content-encoding": "gzip"}), 400)
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["callback_refused"]
    due_ms = await _next_poll_ms(service)
    assert due_ms is not None
    assert abs(due_ms - time.time() * 1000) < 600_000


async def _next_poll_ms(service: Served, name: str = "tsk_1") -> int | None:
    task = await service.services.store.tasks.task(TaskId(name))
    assert task is not None
    return task.next_poll_ms


@pytest.mark.parametrize(
    ("state", "is_due"),
    [
        (TaskState.SUBMITTED, True),
        (TaskState.RUNNING, True),
        (TaskState.SUBMITTING, False),  # its submit is in flight, and must not be taken for a lost one
        (TaskState.UNCERTAIN, False),
        (TaskState.SUCCEEDED, False),
    ],
)
async def test_only_a_task_that_is_at_the_provider_is_made_due(
    service: Served, state: TaskState, *, is_due: bool
) -> None:
    has_id = state not in {TaskState.SUBMITTING, TaskState.UNCERTAIN}
    await service.has("tsk_2", "p2" if has_id else None, state=state)
    is_problem(await service.calls_back(service.callback_path("tsk_2"), json=None, content=b"{"), 400)
    assert await _state(service, "tsk_2") is state
    assert (await _next_poll_ms(service, "tsk_2") is not None) is is_due


@pytest.mark.parametrize(
    ("token", "age_s", "is_due"),
    [
        ({"task_id": "tsk_2"}, 86_400, True),
        ({"task_id": None}, 86_400, False),
        ({"task_id": "tsk_2", "key": "another-key-of-the-tests"}, 86_400, False),
        ({"task_id": "tsk_2"}, None, False),  # a wrong signature
    ],
)
async def test_a_right_token_whose_signature_is_stale_makes_its_task_due(
    service: Served, token: dict[str, Any], age_s: int | None, *, is_due: bool
) -> None:
    await service.has("tsk_2", "p2", provider="signed")
    body = json.dumps(a_callback_body(provider_task_id="p2")).encode()
    headers = _signed(body, age_s=age_s) if age_s is not None else _signed(body + b" ")
    path = service.callback_path(provider="signed", **token)
    is_problem(await service.calls_back(path, json=None, content=body, headers=headers), 401)
    assert (await _next_poll_ms(service, "tsk_2") is not None) is is_due
    assert await _state(service, "tsk_2") is TaskState.RUNNING


async def test_a_forged_token_makes_nothing_due(service: Served) -> None:
    path = service.callback_path(key="another-key-of-the-tests")
    is_problem(await service.calls_back(path, json=None, content=b"{"), 401)
    assert await _next_poll_ms(service) is None


async def test_a_ledger_that_cannot_be_written_is_answered_503_with_retry_after(
    service: Served, tmp_path: Path
) -> None:
    blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    reply = await service.calls_back()
    blocker.close()
    is_problem(reply, 503)
    assert int(reply.headers["retry-after"]) >= 1
    assert (await service.calls_back()).status_code == 204


async def test_a_right_signature_needs_no_token_and_adopts_an_unknown_task(service: Served) -> None:
    body = json.dumps(a_callback_body(provider_task_id="elsewhere")).encode()
    reply = await service.http.post("/callbacks/signed", content=body, headers=_signed(body))
    assert reply.status_code == 204
    assert await service.services.store.tasks.task_by_key("signed", ProviderTaskId("elsewhere")) is not None


@pytest.mark.parametrize(
    "extra", [("X-HiAPI-Signature", "00"), ("X-HiAPI-Signature", ""), ("X-HiAPI-Timestamp", "1790000000")]
)
async def test_a_repeated_signature_header_reaches_the_adapter_as_repeated(
    service: Served, extra: tuple[str, str]
) -> None:
    body = json.dumps(a_callback_body()).encode()
    is_problem(await service.http.post("/callbacks/signed", content=body, headers=_signed(body, extra)), 401)


@pytest.mark.parametrize("value", [b"\xff\xfe", b"", "签名".encode(), b"sha256=" + b"0" * 60_000])
async def test_an_odd_signature_header_is_answered_401(service: Served, value: bytes) -> None:
    headers: Any = {"content-type": "application/json", "x-hiapi-timestamp": "1790000000", "x-hiapi-signature": value}
    reply = await service.http.post("/callbacks/signed", json=a_callback_body(), headers=headers)
    is_problem(reply, 401)


async def test_a_flood_of_the_same_callback_makes_one_event(service: Served) -> None:
    replies = await asyncio.gather(*(service.calls_back() for _ in range(30)))
    assert sorted(reply.status_code for reply in replies) == [200] * 29 + [204]
    assert len(await service.services.store.events.events(0)) == 1


async def test_the_log_names_the_route_and_never_the_token(service: Served) -> None:
    path = service.callback_path()
    with capture_logs() as lines:
        await service.calls_back(path)
        await service.calls_back("/callbacks/hiapi/not-a-token-of-ours")
    assert {line["route"] for line in lines if line["event"] == "request"} == {"/callbacks/{provider}/{token}"}
    assert path.rpartition("/")[2] not in str(lines)
    assert "not-a-token-of-ours" not in str(lines)
