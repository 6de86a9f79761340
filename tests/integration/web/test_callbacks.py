"""What providers post, over a socket: each outcome of the intake has its status."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
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


def _signed(body: bytes, *extra: tuple[str, str]) -> list[tuple[str, str]]:
    now_s = str(int(time.time()))
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


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json-seq", "", "application/json, x"])
async def test_another_content_type_is_answered_415(service: Served, kind: str) -> None:
    is_problem(await service.calls_back(headers={"content-type": kind}), 415)


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON;x=y", "application/cloudevents+json; charset=UTF-8"]
)
async def test_parameters_and_cloud_events_are_taken(service: Served, kind: str) -> None:
    assert (await service.calls_back(headers={"content-type": kind})).status_code == 204


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
