"""A submission over a real ledger whose provider answers by script; only wire, clock and dice are made up."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from receiver.callbacks.model import make_callback_url
from receiver.runtime.services import Store, open_store
from receiver.store.ids import id_maker
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.model.task import Task
from receiver.tasks.submission import RefusedSubmit, Submission, SubmissionRules, Submitted
from receiver.tasks.submission_recorder import SubmissionEdges
from submitter.errors import TransportError
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall, HttpReply
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from submitter.request import VideoRequest
from tests.support.builders import T0

API_KEY = "key-of-the-account"
PUBLIC_URL = "https://hooks.example.com"
TEXT_TO_VIDEO = {"hiapi": "happyhorse-1.1/text-to-video", "dashscope": "happyhorse-1.1-t2v"}

Met = HttpReply | TransportError | Callable[[], Any]


def reply(document: object, status: int = 200, **headers: str) -> HttpReply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpReply(status=status, headers=named, body=json.dumps(document).encode())


def hiapi_receipt(provider_task_id: str = "p1") -> HttpReply:
    return reply({"code": 200, "message": "success", "data": {"taskId": provider_task_id, "status": "queued"}})


def hiapi_error(status: int, code: str, message: str = "no", **headers: str) -> HttpReply:
    return reply({"code": status, "error": {"code": code, "message": message}}, status, **headers)


def dashscope_receipt(provider_task_id: str = "p1") -> HttpReply:
    return reply({"output": {"task_id": provider_task_id, "task_status": "PENDING"}, "request_id": "r"})


def an_order(provider: str = "hiapi", **changes: Any) -> TaskRequest:
    video = VideoRequest(model=TEXT_TO_VIDEO[provider], prompt=changes.pop("prompt", "a horse at dawn"))
    values: dict[str, Any] = {"provider": provider, "video": video}
    return TaskRequest(**(values | changes))


@dataclass(eq=False)
class Wire:
    """What each POST meets, in order; a callable is awaited for its reply."""

    script: list[Met] = field(default_factory=list)
    sent: list[HttpCall] = field(default_factory=list)

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        self.sent.append(call)
        met = self.script[len(self.sent) - 1]
        if isinstance(met, TransportError):
            raise met
        answer: HttpReply = met if isinstance(met, HttpReply) else await met()
        return answer


@dataclass(eq=False)
class Time:
    """A clock that only sleeping moves; `on_sleep` is what happens meanwhile."""

    now_ms: int = T0
    on_sleep: Callable[[], object] = lambda: None

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        self.on_sleep()
        await asyncio.sleep(0)


@dataclass(eq=False)
class Desk:
    """Where orders are given in."""

    submission: Submission
    store: Store
    wire: Wire
    time: Time
    path: Path

    async def submitted(self, order: TaskRequest) -> Task:
        result = await self.submission.submit(order)
        assert isinstance(result, Submitted), result
        return result.task

    async def refused(self, order: TaskRequest) -> RefusedSubmit:
        result = await self.submission.submit(order)
        assert isinstance(result, RefusedSubmit), result
        return result

    async def stored(self, task: Task) -> Task:
        found = await self.store.tasks.task(task.id)
        assert found is not None
        return found


@asynccontextmanager
async def a_desk(path: Path, *script: Met, **rules: Any) -> AsyncIterator[Desk]:
    time, wire = Time(), Wire(list(script))
    async with open_store(f"sqlite:///{path}", clock=lambda: time.now_ms, migrating=True, busy_timeout_ms=20) as store:
        submission = Submission(
            store=store,
            providers={name: _configured(name) for name in TEXT_TO_VIDEO},
            transport=wire,
            rules=SubmissionRules(**(_rules() | rules)),
            edges=SubmissionEdges(
                clock=lambda: time.now_ms,
                random=lambda: 0.5,
                random_bytes=lambda count: bytes(range(count)),
                sleep=time.sleep,
                new_id=id_maker(bytes),
            ),
        )
        yield Desk(submission=submission, store=store, wire=wire, time=time, path=path)
        await submission.drained()


def _configured(name: str) -> ConfiguredProvider:
    account = Account(name=name, adapter=name, base_url=f"https://{name}.example", api_key=API_KEY)
    return ConfiguredProvider(adapter=ADAPTERS[name], account=account)


def _rules() -> dict[str, Any]:
    return {
        "callback_url": partial(make_callback_url, PUBLIC_URL, ("a key to sign callback tokens",)),
        "guard": AddressGuard(),
    }
