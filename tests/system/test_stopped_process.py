"""A process that stands still (SIGSTOP, as on a sleeping laptop or a moved machine) takes what came meanwhile."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.cli import API_KEYS, OPERATOR, TIMEOUT_S, Cli, Process
from tests.support.raw_server import Answering, Peer, RawServer, reply, serving

TIMEOUT_OF_OURS_S = 2

STANDING_S = 2 * TIMEOUT_OF_OURS_S + 1

ORDER = {"provider": "gate", "video": {"model": "happyhorse-1.0-t2v", "prompt": "a fox"}}

RECEIPT = reply(b'{"task_id": "t-1", "status": "queued"}')

RUNNING = reply(b'{"task_id": "t-1", "status": "IN_PROGRESS"}')


def _settings(port: int) -> dict[str, str]:
    return {
        "WHENFINAL_PROVIDERS": "gate=newapi",
        "GATE_BASE_URL": f"http://127.0.0.1:{port}",
        "GATE_API_KEY": "a-key-of-the-tests",
        "WHENFINAL_PROVIDER_TIMEOUT_S": str(TIMEOUT_OF_OURS_S),
        "WHENFINAL_WEBHOOK_TIMEOUT_S": str(TIMEOUT_OF_OURS_S),
        "WHENFINAL_WEBHOOK_CONNECT_S": str(TIMEOUT_OF_OURS_S),
        "WHENFINAL_PROVIDER_SPEED": "60",
        "WHENFINAL_ALLOW_PRIVATE": "127.0.0.0/8",
        "WHENFINAL_API_KEYS": API_KEYS,
    }


async def _answer_while_it_stands_still(peer: Peer, pid: Callable[[], int], raw: bytes, *, close: bool) -> None:
    os.kill(pid(), signal.SIGSTOP)
    try:
        await peer.say(raw)
        if close:
            peer.writer.close()
        await asyncio.sleep(STANDING_S)
    finally:
        os.kill(pid(), signal.SIGCONT)


@asynccontextmanager
async def _served(cli: Cli, answer: Answering) -> AsyncIterator[tuple[Process, RawServer, httpx.AsyncClient]]:
    async with serving(answer) as provider:
        with cli.with_settings(**_settings(provider.port)).running("serve", "--port", "0") as process:
            url = process.url
            headers = {"Authorization": f"Bearer {OPERATOR}"}
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as api:
                yield process, provider, api


@pytest.mark.parametrize(
    ("raw", "close"),
    [(RECEIPT, False), (RECEIPT.replace(b"Content-Length: 38", b"Content-Length: 99"), True)],
    ids=["whole", "cut"],
)
async def test_a_receipt_that_came_meanwhile_is_taken(cli: Cli, raw: bytes, *, close: bool) -> None:
    running: list[Process] = []

    async def answer(peer: Peer, number: int) -> None:
        if number == 1:
            await _answer_while_it_stands_still(peer, lambda: running[0].popen.pid, raw, close=close)
        else:
            await peer.say(RUNNING)

    async with _served(cli, answer) as (process, provider, api):
        running.append(process)
        task = (await api.post("/v1/tasks", json=ORDER)).json()
        assert (task["state"], task["task_id"]) == ("submitted", "t-1"), task
        timeline = (await api.get(f"/v1/tasks/{task['id']}/timeline")).json()
        assert "uncertain" not in json.dumps(timeline)
        assert sum(request.startswith(b"POST") for request in provider.requests) == 1


async def test_a_submit_from_the_command_line_takes_it_too(cli: Cli) -> None:
    pids: list[int] = []

    async def answer(peer: Peer, _: int) -> None:
        await _answer_while_it_stands_still(peer, lambda: pids[0], RECEIPT, close=False)

    async with serving(answer) as provider:
        waiting = cli.with_settings(**_settings(provider.port))
        order = cli.folder / "order.json"
        order.write_text(json.dumps(ORDER))

        def submit() -> Any:
            with waiting.running("submit", str(order), "--json") as process:
                pids.append(process.popen.pid)
                return process.popen.wait(TIMEOUT_S)

        assert await asyncio.to_thread(submit) == 0
        shown = await asyncio.to_thread(waiting.run, "tasks", "list", "--json")
    assert [(task["state"], task["task_id"]) for task in shown.values] == [("submitted", "t-1")]
    assert len(provider.requests) == 1


async def test_a_webhook_that_was_answered_meanwhile_is_delivered(cli: Cli) -> None:
    running: list[Process] = []

    async def answer(peer: Peer, number: int) -> None:
        await peer.say(RECEIPT if number == 1 else reply(b'{"status": "SUCCESS", "result_url": "https://a.example/x"}'))

    async def endpoint(peer: Peer, number: int) -> None:
        await _answer_while_it_stands_still(peer, lambda: running[0].popen.pid, reply(b"ok"), close=False)

    async with _served(cli, answer) as (process, _, api), serving(endpoint) as hook:
        running.append(process)
        await api.post("/v1/tasks", json={**ORDER, "notify": {"url": hook.url}})
        async with asyncio.timeout(TIMEOUT_S):
            await hook.until_requests(1)
            while not (found := (await api.get("/v1/deliveries", params={"state": "delivered"})).json()["deliveries"]):
                await asyncio.sleep(0.1)
    assert [(each["state"], each["attempts"], each["last_status"]) for each in found] == [("delivered", 1, 200)]
    assert len(hook.requests) == 1
