"""Calls of a made-up provider over real sockets: signed as they are sent, and a status with its second call."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from submitter.errors import TransportError
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import TransportLimits, open_transport
from submitter.model import Observation, ProviderTaskId, Unavailable
from submitter.provider_calls import query_status, send_call
from submitter.providers import dashscope
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import FETCHES_RESULTS, SIGNS_REQUESTS
from tests.support.builders import T0
from tests.support.raw_server import Peer, RawServer, reply, serving

ENDED = {"output": {"task_id": "t-1", "task_status": "SUCCEEDED"}}
RUNNING = {"output": {"task_id": "t-1", "task_status": "RUNNING"}}
RESULT = {"output": {"task_id": "t-1", "task_status": "SUCCEEDED", "video_url": "https://cdn.example/v.mp4"}}


def _build_result(provider_task_id: ProviderTaskId, status: HttpReply, account: Account) -> HttpCall | None:
    return HttpCall(method="GET", url=f"{account.base_url}/result") if b"SUCCEEDED" in status.body else None


def _parse_result(provider_task_id: ProviderTaskId, status: HttpReply, result: HttpReply, account: Account) -> Any:
    if result.status != 200:
        return Unavailable(reason="no result")
    return dashscope.parse_status(provider_task_id, result, account)


def _sign(call: HttpCall, account: Account, now_ms: int) -> HttpCall:
    return replace(call, headers=(("x-minted", f"{account.secret_key}-{now_ms}"),))


@pytest.fixture(name="fetching", autouse=True)
def _fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    part: Any = SimpleNamespace(build_result=_build_result, parse_result=_parse_result)
    monkeypatch.setitem(FETCHES_RESULTS, "dashscope", part)


class Scene:
    def __init__(self) -> None:
        self.answers: list[bytes] = []

    async def answer(self, peer: Peer, number: int) -> None:
        await peer.say(self.answers[number - 1])

    def provider(self, server: RawServer) -> ConfiguredProvider:
        account = Account(
            name="dashscope", adapter="dashscope", base_url=server.url, api_key="key-1", secret_key="pair"
        )
        return ConfiguredProvider(adapter=dashscope, account=account)


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[tuple[Scene, RawServer]]:
    scene = Scene()
    async with serving(scene.answer) as server:
        yield scene, server


async def _query(scene: Scene, server: RawServer, *documents: dict[str, Any] | bytes, timeout_s: float = 30.0) -> Any:
    scene.answers = [each if isinstance(each, bytes) else reply(json.dumps(each).encode()) for each in documents]
    async with open_transport(TransportLimits()) as transport:
        provider = scene.provider(server)
        answer, _ = await query_status(
            transport, provider, ProviderTaskId("t-1"), clock=lambda: T0, timeout_s=timeout_s
        )
        return answer


async def test_the_second_call_follows_only_an_end(server: tuple[Scene, RawServer]) -> None:
    running = await _query(*server, RUNNING)
    assert isinstance(running, Observation)
    assert len(server[1].requests) == 1


async def test_the_result_of_the_second_call_is_the_answer(server: tuple[Scene, RawServer]) -> None:
    ended = await _query(*server, ENDED, RESULT)
    assert [output.url for output in ended.outputs] == ["https://cdn.example/v.mp4"]
    assert server[1].requests[1].startswith(b"GET /a/result ")


async def test_an_end_whose_result_fails_is_no_answer(server: tuple[Scene, RawServer]) -> None:
    assert await _query(*server, ENDED, reply(b"", status=b"502 Bad")) == Unavailable(reason="no result")


async def test_an_error_is_followed_by_no_second_call(server: tuple[Scene, RawServer]) -> None:
    assert isinstance(await _query(*server, reply(b"SUCCEEDED", status=b"500 Oops")), Unavailable)
    assert len(server[1].requests) == 1


async def test_a_second_call_that_breaks_off_is_an_error_of_the_transport(server: tuple[Scene, RawServer]) -> None:
    with pytest.raises(TransportError):
        await _query(*server, ENDED, b"no HTTP\r\n\r\n")


async def test_each_call_is_signed_at_the_time_of_sending(
    server: tuple[Scene, RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    part: Any = SimpleNamespace(sign_request=_sign)
    monkeypatch.setitem(SIGNS_REQUESTS, "dashscope", part)
    await _query(*server, ENDED, RESULT)
    assert all(b"x-minted: pair-%d\r\n" % T0 in request.lower() for request in server[1].requests)


async def test_a_call_of_a_provider_that_signs_nothing_is_sent_as_it_is(server: tuple[Scene, RawServer]) -> None:
    scene, raw = server
    scene.answers = [reply(b"{}")]
    account = scene.provider(raw).account
    async with open_transport(TransportLimits()) as transport:
        await send_call(transport, HttpCall(method="GET", url=raw.url), account, clock=lambda: T0)
    assert b"x-minted" not in raw.requests[0].lower()
