"""A gateway of the new-api family that answers in odd ways, over a real socket and through our HTTP API."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import raw_server
from tests.support.raw_server import Peer, RawServer
from tests.support.service import Served, served

VIDEO = {"model": "happyhorse-1.0-t2v", "prompt": "a fox"}
LINK = "https://a.example/x.mp4"


@dataclass(eq=False)
class OddGateway:
    """Receipts name t-1, t-2, …; what a status answers is up to the test. The last answer is repeated."""

    service: Served
    server: RawServer
    statuses: dict[str, list[bytes]]
    submitted: list[str] = field(default_factory=list)

    async def submit(self, *answers: bytes | dict[str, Any], status: int = 200) -> str:
        """Our id of a task whose status is answered so."""
        provider_task_id = f"t-{len(self.submitted) + 1}"
        self.statuses[provider_task_id] = [_reply(answer, status) for answer in answers]
        made = await self.service.post("/v1/tasks", {"provider": "gate", "video": VIDEO})
        assert (made.status_code, made.json()["task_id"]) == (202, provider_task_id)
        self.submitted.append(made.json()["id"])
        return self.submitted[-1]

    async def poll(self, task_id: str) -> dict[str, Any]:
        """The task after one more poll."""
        assert (await self.service.post(f"/v1/tasks/{task_id}/reconcile")).status_code == 200
        return await self.task(task_id)

    async def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.service.get(f"/v1/tasks/{task_id}")).json()
        return found


def _reply(answer: bytes | dict[str, Any], status: int) -> bytes:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return raw_server.reply(body, b"Content-Type: application/json", status=b"%d Whatever" % status)


@asynccontextmanager
async def _odd_gateway(folder: Path, **settings: str) -> AsyncIterator[OddGateway]:
    statuses: dict[str, list[bytes]] = {}
    made = 0

    async def answer(peer: Peer, number: int) -> None:
        nonlocal made
        method, path, _ = server.requests[number - 1].split(b" ", 2)
        if method == b"POST":
            made += 1
            await peer.say(_reply({"id": f"t-{made}", "object": "video", "status": "queued"}, 200))
            return
        script = statuses[path.rsplit(b"/", 1)[1].decode()]
        await peer.say(script.pop(0) if len(script) > 1 else script[0])

    async with raw_server.serving(answer) as server:
        given = {
            "WHENFINAL_PROVIDERS": "gate=newapi",
            "GATE_API_KEY": "key-of-gate",
            "GATE_BASE_URL": server.url,
            "GATE_ROUTE": "videos",
            **settings,
        }
        given |= dict.fromkeys(("HIAPI_API_KEY", "SIGNED_API_KEY", "DASHSCOPE_API_KEY", "SIGNED_WEBHOOK_SECRET"), "")
        async with served(folder, None, **given) as service:
            yield OddGateway(service=service, server=server, statuses=statuses)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[OddGateway]:
    async with _odd_gateway(tmp_path) as opened:
        yield opened


async def test_a_gateway_behind_a_gateway_ends_its_tasks(gateway: OddGateway) -> None:
    ends: Sequence[tuple[str, str]] = (("completed", "succeeded"), ("failed", "failed"), ("cancelled", "canceled"))
    for number, (word, state) in enumerate(ends, 1):
        body = {"id": f"t-{number}", "task_id": "task_upstream", "status": word, "progress": 100, "url": LINK}
        task = await gateway.poll(await gateway.submit(body))
        assert (task["state"], task["raw_state"]) == (state, word)
    assert await gateway.service.services.store.events.last_seq() == 3


async def test_one_403_pauses_neither_the_account_nor_the_other_tasks(gateway: OddGateway) -> None:
    denial = {"error": {"message": "content of this task violates policy", "code": "content_policy"}}
    denied = await gateway.submit(denial, status=403)
    others = [await gateway.submit({"id": f"t-{number}", "status": "completed", "url": LINK}) for number in (2, 3, 4)]
    reply = await gateway.service.post("/v1/reconcile", {"provider": "gate"})
    found = {item["task"]: item["finding"] for item in reply.json()["tasks"]}
    assert found == {denied: "denied for this task", **dict.fromkeys(others, "stated")}
    assert [(await gateway.task(each))["state"] for each in others] == ["succeeded"] * 3
    (account,) = await gateway.service.services.store.accounts.all()
    assert (account.paused_until_ms, account.alarm) == (None, None)


async def test_a_status_word_alone_ends_nothing(gateway: OddGateway) -> None:
    task_id = await gateway.submit({"status": "success", "message": "ok"}, {"id": "t-1", "status": "done", "url": LINK})
    assert (await gateway.poll(task_id))["state"] == "submitted"
    assert (await gateway.poll(task_id))["outputs"][0]["url"] == LINK


async def test_bad_bytes_around_a_success_cost_nothing(gateway: OddGateway) -> None:
    body = b'\xff{"id":"t-1","prompt":"\xe9\xa9","status":"completed",\xfe"url":" https://a.example/my x.mp4\\n"}'
    task = await gateway.poll(await gateway.submit(body))
    assert (task["state"], task["outputs"][0]["url"]) == ("succeeded", "https://a.example/my%20x.mp4")


async def test_a_word_that_the_account_was_taught_ends_its_tasks(tmp_path: Path) -> None:
    async with _odd_gateway(tmp_path, GATE_STATE_WORDS="Klaar=succeeded,mislukt=failed") as gateway:
        done = await gateway.poll(await gateway.submit({"id": "t-1", "status": "KLAAR", "url": LINK}))
        failed = await gateway.poll(await gateway.submit({"id": "t-2", "status": "mislukt", "message": "no more"}))
        unknown = await gateway.poll(await gateway.submit({"id": "t-3", "status": "zwevend", "url": LINK}))
    assert [each["state"] for each in (done, failed, unknown)] == ["succeeded", "failed", "running"]
    assert failed["error"] == {"code": "failed", "message": "no more"}
