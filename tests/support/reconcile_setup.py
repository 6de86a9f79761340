"""A reconciler over a real ledger and a real submission, with a scripted transport, a fake clock and a fixed random."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.config.sections import ProvidersSettings, ReconcileSettings
from receiver.reconcile.manual import ManualReconcile
from receiver.reconcile.model.decisions import PollDecision, PollResult
from receiver.reconcile.model.report import PollOutcome
from receiver.reconcile.poller import Poller
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.store import Store, open_store
from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.submission import Submission
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import TaskId, TaskState
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from tests.support.builders import T0, a_task
from tests.support.submission_setup import FakeClock, a_request, a_submission, durations_of, reply

Answer = HttpReply | Exception | Callable[[], Awaitable[HttpReply]]

TIMEOUT_S = 30.0
DEAD_SUBMIT_S = 40.0  # so long after its intent, a submit without an outcome is due to be polled


def an_account(name: str, adapter: str | None = None) -> Account:
    return Account(name=name, adapter=adapter or name, base_url=f"https://{name}.example", api_key=f"key-of-{name}")


def a_provider(name: str) -> ConfiguredProvider:
    return ConfiguredProvider(adapter=ADAPTERS[name], account=an_account(name))


def a_poll(task_id: str = "tsk_1", *, next_poll_ms: int | None, not_found: bool = False) -> PollOutcome:
    """A poll that ended, and sets a time for the next one."""
    task = a_task(task_id)
    result = PollResult.NOT_FOUND if not_found else PollResult.OBSERVED
    decision = PollDecision(result=result, next_poll_ms=next_poll_ms, not_found=not_found)
    return PollOutcome(task=task, decision=decision, stored=task)


def hiapi(status: str, provider_task_id: str = "p1") -> HttpReply:
    """A task's detail as HiAPI documents it."""
    data: dict[str, Any] = {"taskId": provider_task_id, "status": status, "created": 1_790_000_000, "completed": 0}
    if status == "success":
        data["output"] = [{"url": "https://cdn.example/v.mp4", "type": "video", "expireAt": 1_790_604_930}]
    if status == "fail":
        data["error"] = {"code": "TASK_FAILED", "message": "the picture was refused"}
    return reply({"code": 200, "message": "success", "data": data})


def modellix(status: str, provider_task_id: str = "p1") -> HttpReply:
    """A task as Modellix documents it."""
    result = {"resources": [{"url": "https://cdn.example/v.mp4", "type": "video"}]}
    return reply(
        {"code": 0, "message": "success", "data": {"task_id": provider_task_id, "status": status, "result": result}}
    )


class ProcessDied(Exception):
    """Raised by a scripted exchange in which the process dies: the submit is left at its intent."""


class ScriptedTransport(Transport):
    """Answers each task's status queries, and all submits, in the order of a script; the last answer is repeated."""

    def __init__(self) -> None:
        #: The provider's ids of the tasks that were queried, in order.
        self.queried: list[str] = []
        self.submits: list[HttpCall] = []
        self._queries: dict[str, deque[Answer]] = defaultdict(deque)
        self._submits: deque[Answer] = deque()

    def answer(self, provider_task_id: str, *answers: Answer) -> None:
        self._queries[provider_task_id] = deque(answers)

    def answer_submits(self, *answers: Answer) -> None:
        self._submits = deque(answers)

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        if call.method == "POST":
            self.submits.append(call)
            return await _next(self._submits)
        provider_task_id = call.url.rpartition("/")[2]
        self.queried.append(provider_task_id)
        return await _next(self._queries[provider_task_id])


async def _next(script: deque[Answer]) -> HttpReply:
    answer = script.popleft() if len(script) > 1 else script[0]
    if isinstance(answer, Exception):
        raise answer
    return answer if isinstance(answer, HttpReply) else await answer()


@dataclass(eq=False)
class ReconcileSetup:
    store: Store
    path: Path
    transport: ScriptedTransport
    submission: Submission
    reconciler: Reconciler
    manual: ManualReconcile
    clock: FakeClock
    #: One entry for each call of `on_events`.
    events: list[int]

    async def add_task(self, name: str = "tsk_1", provider_task_id: str | None = "p1", **changes: Any) -> None:
        """A task that is due now: running with the provider's id, or with an open submit without one."""
        values: dict[str, Any] = {
            "state": TaskState.SUBMITTING if provider_task_id is None else TaskState.RUNNING,
            "provider_task_id": provider_task_id,
            "submitted_ms": None if provider_task_id is None else T0 - 200_000,
            "next_poll_ms": T0,
        }
        await self.store.submissions.open_task(a_task(name, **(values | changes)), T0)

    async def submit(self) -> None:
        """Submit a task at HiAPI, which remembers idempotency keys."""
        await self.submission.submit(a_request("hiapi"))

    async def task(self, name: str = "tsk_1") -> Task:
        task = await self.store.tasks.task(TaskId(name))
        assert task is not None
        return task

    async def only_task(self) -> Task:
        (task,) = (await self.store.tasks.tasks(TaskFilter())).items
        return task

    async def wait_s(self, name: str = "tsk_1") -> float:
        """Seconds until the task's next poll."""
        return self.until_poll_s(await self.task(name))

    def until_poll_s(self, task: Task) -> float:
        return (task.next_poll_ms or 0) / 1000 - self.clock.now_ms / 1000

    async def run(self, *, after_s: float = 0, limit: int = 50) -> list[PollOutcome]:
        """One scheduled run, some seconds later."""
        self.clock.now_ms += round(after_s * 1000)
        return await self.reconciler.reconcile_once(limit=limit)


def a_poller(store: Store, submission: Submission, *, on_events: Callable[[], None] = lambda: None) -> Poller:
    """The real one, for the providers of a submission and with its clock and chance."""
    return Poller(
        providers=submission.providers,
        settings=submission.settings,
        transport=submission.transport,
        submission=submission,
        submissions=store.submissions,
        polls=store.polls,
        accounts=store.accounts,
        pauses=store.providers,
        durations=durations_of(store, submission.providers, submission.settings, submission.clock),
        lease_ms=60_000,
        clock=submission.clock,
        random=submission.random,
        on_events=on_events,
    )


@asynccontextmanager
async def open_reconcile_setup(folder: Path, *, concurrency: int = 32) -> AsyncIterator[ReconcileSetup]:
    path, transport, clock = folder / "ledger.db", ScriptedTransport(), FakeClock()
    providers = {name: a_provider(name) for name in ("hiapi", "modellix")}
    settings, events = ReconcileSettings(concurrency=concurrency), list[int]()
    async with open_store(f"sqlite:///{path}", clock=clock, migrating=True, busy_timeout_ms=500) as store:
        providers_settings = ProvidersSettings(submit_tries=1, timeout_s=TIMEOUT_S, queue_for_s=0)
        submission = a_submission(store, providers, transport, providers_settings, clock=clock, sleep=clock.sleep)
        poller = a_poller(store, submission, on_events=lambda: events.append(1))
        reconciler = Reconciler(poller=poller, polls=store.polls, settings=settings, owner="worker-1", clock=clock)
        manual = ManualReconcile(
            poller=poller,
            polls=store.polls,
            accounts=store.accounts,
            audit=store.audit,
            settings=settings,
            owner="worker-1",
            clock=clock,
        )
        yield ReconcileSetup(
            store=store,
            path=path,
            transport=transport,
            submission=submission,
            reconciler=reconciler,
            manual=manual,
            clock=clock,
            events=events,
        )
        await submission.drained()


def held_until(release: asyncio.Event, reply: HttpReply) -> Callable[[], Awaitable[HttpReply]]:
    """An exchange that hangs until the test releases it."""

    async def answer() -> HttpReply:
        await release.wait()
        return reply

    return answer
