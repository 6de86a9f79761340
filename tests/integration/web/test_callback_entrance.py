"""Callbacks come past the router, and yet each is answered as the router would have it answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from receiver.web.application import Application
from tests.support.service import Served, a_callback_body, served

OURS = "{token}"
ODD = [
    *(
        ("POST", f"/callbacks/hiapi/{OURS}{rest}")
        for rest in ("", "/", "//", "?", "?a=%ff", "/more", "%2F", "%20", "%00")
    ),
    *(("POST", f"/callbacks/hiapi/{OURS}{rest}") for rest in ("%zz", "%", "#x", "/../x", ";a=b", "%E4%BD%A0", "%FF")),
    *(("POST", f"{before}/callbacks/hiapi/{OURS}") for before in ("", "/", "//", "/x", "/.", "/%2F")),
    *((method, f"/callbacks/hiapi/{OURS}") for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")),
    *((method, "/callbacks/hiapi") for method in ("GET", "HEAD", "POST", "OPTIONS")),
    *(
        ("POST", f"/callbacks/{rest}")
        for rest in ("", "hiapi/", "hiapi//", "signed", "nobody", "nobody/x", "%68iapi/x")
    ),
    *(("POST", f"/callbacks/{rest}") for rest in ("hiapi/forged", "signed/forged", "dashscope/forged", "HIAPI/x")),
    *(("POST", path) for path in ("/callbacks", "/callback/hiapi/x", "/CALLBACKS/hiapi/x", "/callbacksx/hiapi/x")),
]


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as service:
        await service.has()
        yield service


async def _answer(service: Served, method: str, path: str, body: bytes) -> bytes:
    """All bytes of the answer, the date aside."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http.base_url.port)
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-request-id: fixed\r\nconnection: close\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    found = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return b"\r\n".join(line for line in found.split(b"\r\n") if not line.startswith(b"date:"))


@pytest.mark.parametrize("body", [b"", json.dumps(a_callback_body()).encode()], ids=["empty", "whole"])
async def test_the_answer_is_that_of_the_router_byte_for_byte(
    service: Served, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    await service.calls_back()  # so that the same callback is a duplicate both times
    ours = service.callback_path()
    requests = [(method, path.replace("/callbacks/hiapi/" + OURS, ours)) for method, path in ODD]
    mine = [await _answer(service, method, path, body) for method, path in requests]
    monkeypatch.setattr(Application, "__call__", Starlette.__call__)
    for (method, path), answer in zip(requests, mine, strict=True):
        assert answer == await _answer(service, method, path, body), f"{method} {path}"
        assert answer.startswith(b"HTTP/1.1 ")


async def test_of_a_flood_of_refused_callbacks_each_is_a_line_or_is_counted(service: Served) -> None:
    with capture_logs() as lines:
        replies = await asyncio.gather(*(service.calls_back("/callbacks/hiapi/forged") for _ in range(200)))
        await asyncio.sleep(1.5)
    assert {reply.status_code for reply in replies} == {401}
    events = [line["event"] for line in lines]
    others = sum(sum(line["statuses"].values()) for line in lines if line["event"] == "more_requests")
    refused = sum(sum(line["outcomes"].values()) for line in lines if line["event"] == "more_callbacks_refused")
    assert events.count("request") + others == events.count("callback_refused") + refused == 200


async def test_a_forged_callback_makes_no_statement(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    engine = type(service.services.store.engine)
    for name in ("read", "write"):
        monkeypatch.setattr(engine, name, lambda *_, name=name, **__: asked.append(name))
    forged = [service.callback_path(key="somebody-elses-key-00001"), "/callbacks/hiapi/x", "/callbacks/hiapi"]
    unsigned = service.callback_path(provider="signed")
    for path in (*forged, "/callbacks/signed", unsigned, "/callbacks/nobody/x"):
        assert (await service.calls_back(path)).status_code in {401, 404}
    assert asked == []
