"""A reconciler over a real ledger whose providers answer by script; only wire, clock and dice are made up."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.reconcile.reconciler import ReconcileManners, Reconciler
from receiver.runtime.services import Store, open_store
from receiver.tasks.model.task import Task
from submitter.http.messages import HttpCall, HttpReply
from submitter.model import Receipt, SubmitOutcome, TaskId, TaskState, Uncertain
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from tests.support.builders import T0, a_task

Answer = HttpReply | Exception | Callable[[], Awaitable[HttpReply]]


def an_account(name: str, adapter: str | None = None) -> Account:
    return Account(name=name, adapter=adapter or name, base_url=f"https://{name}.example", api_key=f"key-of-{name}")


def a_provider(name: str) -> ConfiguredProvider:
    return ConfiguredProvider(adapter=ADAPTERS[name], account=an_account(name))


def json_reply(document: object, status: int = 200, **headers: str) -> HttpReply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpReply(status=status, headers=named, body=json.dumps(document).encode())


def hiapi(status: str, provider_task_id: str = "p1") -> HttpReply:
    """A task's detail as HiAPI documents it."""
    data: dict[str, Any] = {"taskId": provider_task_id, "status": status, "created": 1_790_000_000, "completed": 0}
    if status == "success":
        data["output"] = [{"url": "https://cdn.example/v.mp4", "type": "video", "expireAt": 1_790_604_930}]
    if status == "fail":
        data["error"] = {"code": "TASK_FAILED", "message": "the picture was refused"}
    return json_reply({"code": 200, "message": "success", "data": data})


def modellix(status: str, provider_task_id: str = "p1") -> HttpReply:
    """A task as Modellix documents it."""
    result = {"resources": [{"url": "https://cdn.example/v.mp4", "type": "video"}]}
    return json_reply(
        {"code": 0, "message": "success", "data": {"task_id": provider_task_id, "status": status, "result": result}}
    )


@dataclass(eq=False)
class Wire:
    """Answers each task's requests in the order of its script; the last answer is repeated."""

    scripts: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[str] = field(default_factory=list)

    def answer(self, provider_task_id: str, *answers: Answer) -> None:
        self.scripts[provider_task_id] = deque(answers)

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        provider_task_id = call.url.rpartition("/")[2]
        self.asked.append(provider_task_id)
        script = self.scripts[provider_task_id]
        answer = script.popleft() if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, HttpReply) else await answer()


@dataclass(eq=False)
class Keyed:
    """A submit flow whose provider remembers keys for as long as `outcome` is set, and then gives that outcome."""

    outcome: SubmitOutcome | None = None
    store: Store | None = None

    def is_repeatable(self, task: Task, now_ms: int) -> bool:
        return self.outcome is not None

    async def repeat(self, task: Task) -> SubmitOutcome:
        assert self.store is not None
        outcome = self.outcome
        if isinstance(outcome, Receipt):
            await self.store.submissions.store_receipt(task.id, outcome, next_poll_ms=T0, now_ms=T0)
        elif isinstance(outcome, Uncertain):
            await self.store.submissions.store_uncertain(task.id, outcome, next_poll_ms=T0, now_ms=T0)
        assert outcome is not None
        return outcome


@dataclass(eq=False)
class Scene:
    store: Store
    path: Path
    wire: Wire
    submits: Keyed
    reconciler: Reconciler
    now_ms: int = T0
    events: list[int] = field(default_factory=list)

    async def has(self, name: str = "tsk_1", provider_task_id: str | None = "p1", **changes: Any) -> None:
        """A task that is due now; with the provider's id it is running, without it its receipt is open."""
        values: dict[str, Any] = {
            "state": TaskState.SUBMITTING if provider_task_id is None else TaskState.RUNNING,
            "provider_task_id": provider_task_id,
            "submitted_ms": None if provider_task_id is None else T0 - 200_000,
            "next_poll_ms": T0,
        }
        await self.store.submissions.open_task(a_task(name, **(values | changes)), T0)

    async def task(self, name: str = "tsk_1") -> Task:
        task = await self.store.tasks.task(TaskId(name))
        assert task is not None
        return task

    async def waits(self, name: str = "tsk_1") -> float:
        """Seconds until the task's next look."""
        return ((await self.task(name)).next_poll_ms or 0) / 1000 - self.now_ms / 1000

    async def turn(self, *, after_s: float = 0, limit: int = 50) -> Any:
        self.now_ms += round(after_s * 1000)
        return await self.reconciler.reconcile_once(limit=limit)


@asynccontextmanager
async def a_scene(
    folder: Path, *, providers: dict[str, ConfiguredProvider] | None = None, concurrency: int = 32
) -> AsyncIterator[Scene]:
    path = folder / "ledger.db"
    async with open_store(f"sqlite:///{path}", clock=lambda: T0, migrating=True, busy_timeout_ms=50) as store:
        scene: Scene
        wire, submits = Wire(), Keyed(store=store)
        reconciler = Reconciler(
            store=store,
            providers=providers or {name: a_provider(name) for name in ("hiapi", "modellix")},
            submission=submits,
            transport=wire,
            clock=lambda: scene.now_ms,
            random=lambda: 0.5,
            on_events=lambda: scene.events.append(1),
            manners=ReconcileManners(owner="worker-1", concurrency=concurrency, timeout_s=30),
        )
        scene = Scene(store=store, path=path, wire=wire, submits=submits, reconciler=reconciler)
        yield scene


def held_until(release: asyncio.Event, reply: HttpReply) -> Callable[[], Awaitable[HttpReply]]:
    """An exchange that hangs until the test lets it go."""

    async def answer() -> HttpReply:
        await release.wait()
        return reply

    return answer
