"""Submissions over a real ledger, whose provider answers by script; only transport, clock and random are made up."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from receiver.callbacks.model import make_callback_url
from receiver.config.sections import ProvidersSettings
from receiver.reconcile.learned import LearnedDurations
from receiver.runtime.store import Store, open_store
from receiver.store.ids import IdMaker, id_maker
from receiver.tasks.drafting import TaskDrafter
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.model.submit_result import RefusedSubmit, Submitted
from receiver.tasks.model.task import Task
from receiver.tasks.queue import QueueSender
from receiver.tasks.submission import Submission
from submitter.errors import TransportError
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import TaskId
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from submitter.request import VideoRequest
from tests.support.builders import T0

API_KEY = "key-of-the-account"
PUBLIC_URL = "https://hooks.example.com"
SIGNING_KEYS = ("a key to sign callback tokens",)
TEXT_TO_VIDEO = {"hiapi": "happyhorse-1.1/text-to-video", "dashscope": "happyhorse-1.1-t2v"}

#: What a POST gets: a reply, an exception, or what is awaited for a reply.
Answer = HttpReply | TransportError | Callable[[], Any]


def reply(document: object, status: int = 200, **headers: str) -> HttpReply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpReply(status=status, headers=named, body=json.dumps(document).encode())


def hiapi_receipt(provider_task_id: str = "p1") -> HttpReply:
    return reply({"code": 200, "message": "success", "data": {"taskId": provider_task_id, "status": "queued"}})


def hiapi_error(status: int, code: str, message: str = "no", **headers: str) -> HttpReply:
    return reply({"code": status, "error": {"code": code, "message": message}}, status, **headers)


def dashscope_receipt(provider_task_id: str = "p1") -> HttpReply:
    return reply({"output": {"task_id": provider_task_id, "task_status": "PENDING"}, "request_id": "r"})


def a_request(provider: str = "hiapi", **changes: Any) -> TaskRequest:
    video = VideoRequest(model=TEXT_TO_VIDEO[provider], prompt=changes.pop("prompt", "a horse at dawn"))
    values: dict[str, Any] = {"provider": provider, "video": video}
    return TaskRequest(**(values | changes))


class ScriptedTransport(Transport):
    """Answers each POST by the script, in order."""

    def __init__(self, *script: Answer) -> None:
        self.script = script
        self.sent: list[HttpCall] = []

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        self.sent.append(call)
        answer = self.script[len(self.sent) - 1]
        if isinstance(answer, TransportError):
            raise answer
        found: HttpReply = answer if isinstance(answer, HttpReply) else await answer()
        return found


@dataclass(eq=False)
class FakeClock:
    """Moves only by sleeping; `on_sleep` is what happens meanwhile."""

    now_ms: int = T0
    on_sleep: Callable[[], object] = lambda: None
    slept_s: list[float] = field(default_factory=list)

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ms += round(seconds * 1000)
        self.on_sleep()
        await asyncio.sleep(0)


@dataclass(eq=False)
class SubmissionSetup:
    submission: Submission
    sender: QueueSender
    store: Store
    transport: ScriptedTransport
    clock: FakeClock
    path: Path
    #: How often each of the two was called: a commit made events, a task was queued.
    woken: Counter[str]

    async def send_queued(self) -> None:
        """What the worker does in one run, until the POSTs that it started have ended."""
        await self.sender.send_once()
        await self.submission.drained()

    def kept_requests(self) -> list[Any]:
        """The tasks whose whole request is still stored."""
        with closing(sqlite3.connect(self.path)) as file:
            return file.execute("SELECT task FROM queued_requests").fetchall()

    async def submitted(self, request: TaskRequest) -> Task:
        result = await self.submission.submit(request)
        assert isinstance(result, Submitted), result
        return result.task

    async def refused(self, request: TaskRequest) -> RefusedSubmit:
        result = await self.submission.submit(request)
        assert isinstance(result, RefusedSubmit), result
        return result

    async def stored(self, task: Task) -> Task:
        found = await self.store.tasks.task(task.id)
        assert found is not None
        return found


def durations_of(
    store: Store, providers: Mapping[str, ConfiguredProvider], settings: ProvidersSettings, clock: Callable[[], int]
) -> LearnedDurations:
    return LearnedDurations(repository=store.durations, providers=providers, speed=settings.speed, clock=clock)


def a_submission(
    store: Store,
    providers: Mapping[str, ConfiguredProvider],
    transport: Transport,
    settings: ProvidersSettings,
    *,
    clock: Callable[[], int],
    sleep: Callable[[float], Awaitable[None]],
    random: Callable[[], float] = lambda: 0.5,
    random_bytes: Callable[[int], bytes] = lambda count: bytes(range(count)),
    new_id: IdMaker | None = None,
    callback_url: Callable[[str, TaskId, int], str] | None = None,
    on_events: Callable[[], None] = lambda: None,
    on_queued: Callable[[], None] = lambda: None,
) -> Submission:
    """The real one. Chance is fixed unless it is given."""
    return Submission(
        submissions=store.submissions,
        queue=store.queue,
        accounts=store.accounts,
        drafts=TaskDrafter(
            providers=providers,
            settings=settings,
            guard=AddressGuard(),
            callback_url=callback_url,
            clock=clock,
            random_bytes=random_bytes,
            new_id=new_id or id_maker(bytes),
        ),
        providers=providers,
        transport=transport,
        settings=settings,
        clock=clock,
        random=random,
        sleep=sleep,
        first_poll_ms=durations_of(store, providers, settings, clock).first_poll_ms,
        on_events=on_events,
        on_queued=on_queued,
    )


@asynccontextmanager
async def submission_setup(
    path: Path,
    *script: Answer,
    callbacks: bool = True,
    limits: Mapping[str, int] = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[SubmissionSetup]:
    """`settings` are fields of ProvidersSettings; a request waits in no queue unless they say so.

    `limits`: the tasks in flight that an account may have, where not as documented.
    """
    clock, transport, woken = FakeClock(), ScriptedTransport(*script), Counter[str]()
    configured = {name: _configured(name, limits.get(name)) for name in TEXT_TO_VIDEO}
    values = ProvidersSettings(**({"queue_for_s": 0} | settings))
    async with open_store(f"sqlite:///{path}", clock=clock, migrating=True, busy_timeout_ms=500) as store:
        submission = a_submission(
            store,
            configured,
            transport,
            values,
            clock=clock,
            sleep=clock.sleep,
            callback_url=partial(make_callback_url, PUBLIC_URL, SIGNING_KEYS) if callbacks else None,
            on_events=lambda: woken.update(["events"]),
            on_queued=lambda: woken.update(["queued"]),
        )
        sender = QueueSender(submission=submission, queue=store.queue, clock=clock, on_events=lambda: None)
        yield SubmissionSetup(
            submission=submission, sender=sender, store=store, transport=transport, clock=clock, path=path, woken=woken
        )
        await submission.drained()


def _configured(name: str, max_in_flight: int | None) -> ConfiguredProvider:
    account = Account(
        name=name, adapter=name, base_url=f"https://{name}.example", api_key=API_KEY, max_in_flight=max_in_flight
    )
    return ConfiguredProvider(adapter=ADAPTERS[name], account=account)
