"""The demo from set-up to result.

The work is: submit, wait, settle, until nothing is open. Beside it run coroutines that never return: one fails when a
process dies, the others show the progress, follow the stream, rotate the secret and, with `kill_at`, kill the receiver.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from receiver.cli.demo.api import PAGE, Api, open_api
from receiver.cli.demo.display import Progress, Result, Screen
from receiver.cli.demo.processes import Processes, open_processes
from receiver.cli.demo.records import (
    Uncertain,
    faults_met,
    ledger_task,
    likely_mistake,
    paid_task,
    settle_arguments,
    settlements,
)
from receiver.cli.demo.scenario import LABEL, LEAST, DemoRequest, by_provider
from receiver.cli.demo.shown import remarks
from receiver.cli.demo.submitting import Submitting
from receiver.cli.demo.subscribers import REFUSED, Consumers, open_consumers
from receiver.cli.demo.tally import Channel, Evidence, LedgerTask, Paid, TaskKey, Wanted, last_part, tally, undelivered
from submitter import Client
from submitter.api import TASK_UNCERTAIN
from submitter.providers.registry import ADAPTERS

T = TypeVar("T")

Task = Mapping[str, Any]
"""A task as the API shows it."""

READ_EVERY_S = 0.3

LATE_S = 1.5  # after the last expected webhook, in which a surplus one would arrive

TIME_LIMIT_S = 58.0  # for a dozen requests a provider, so that the whole demo stays within a minute

MORE_TIME_S = 4.0  # for each further request: the simulated platforms run ten at once

DOWN_S = 1.0  # of a killed receiver

AFTER_KILL_S = 30.0  # more time where the receiver is killed, because leases and unanswered submits must time out

GUARD_S = 0.5

AT_ONCE = 8  # timelines read in parallel


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    requests: Sequence[DemoRequest]
    seed: int
    #: Kill and restart the receiver when the subscription to everything has received this many ends.
    kill_at: int | None = None

    @property
    def by_name(self) -> dict[str, DemoRequest]:
        return {request.name: request for request in self.requests}

    @property
    def time_limit_s(self) -> float:
        most = max(len(theirs) for theirs in by_provider(self.requests).values())
        kill_s = 0.0 if self.kill_at is None else AFTER_KILL_S
        return TIME_LIMIT_S + kill_s + MORE_TIME_S * max(0, most - LEAST)


@dataclass(slots=True, kw_only=True, eq=False)
class Demo:
    """Open it with `open_demo`; its processes run until that closes."""

    scenario: Scenario
    screen: Screen
    processes: Processes
    consumers: Consumers
    #: Of the receiver.
    api: Api
    #: Of the simulator.
    control: Api
    submitting: Submitting = field(init=False)
    is_killed: bool = False
    _intervening: asyncio.Lock = field(default_factory=asyncio.Lock)  # a rotation and a kill do not overlap
    _events: Counter[str] = field(default_factory=Counter)
    _ended: Counter[str] = field(default_factory=Counter)
    _seq: int = 0
    _named_only: set[int] = field(default_factory=set)
    _uncertain: int = 0
    _queued: int = 0
    _is_corrected: bool = False

    def __post_init__(self) -> None:
        url = self.consumers.subscribers[Channel.NOTIFY].url
        self.submitting = Submitting(processes=self.processes, api=self.api, control=self.control, notify_url=url)

    async def run(self) -> Result:
        """Raise ChildDied at once when a process of the demo ends by itself."""
        self.screen.restart_clock()
        with self.screen.live(self.progress):
            guards = (self.processes.watch(), self._observe(), self._follow(), self._rotate(), self._kill())
            in_time = await beside(self._work_in_time(), *guards)
            seconds = self.screen.elapsed_s
            evidence = await beside(self._collect(), self.processes.watch())
            faults = faults_met(await self._recorded())
        shown = replace(
            self.consumers.shown(), queued=self._queued, corrected=self._is_corrected, uncertain=self._uncertain
        )
        late = () if in_time else (f"time ran out after {self.scenario.time_limit_s:g} s",)
        wrong = (*late, *remarks(shown))
        return Result(tally=tally(evidence), seconds=seconds, faults=faults, shown=shown, remarks=wrong)

    def progress(self) -> list[Progress]:
        """By provider."""
        received = {each.event_id: each for each in self.consumers.everything.received}.values()
        webhooks = Counter(each.provider for each in received)
        return [
            Progress(
                provider=provider,
                wanted=len(theirs),
                submitted=sum(request.name in self.submitting.accepted for request in theirs),
                ended=self._ended[provider],
                events=self._events[provider],
                webhooks=webhooks[provider],
            )
            for provider, theirs in by_provider(self.scenario.requests).items()
        ]

    async def _work_in_time(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.scenario.time_limit_s):
                await self.submitting.submit_all(self.scenario.requests)
                await self._until_settled()
                await asyncio.sleep(LATE_S)
                return True
        return False

    async def _until_settled(self) -> None:
        while True:
            tasks, records = await self._tasks(), await self._records()
            if self._is_settled(tasks, records):
                return
            await self._settle(tasks, records)
            await asyncio.sleep(READ_EVERY_S)

    def _is_settled(self, tasks: Sequence[Task], records: Sequence[Paid]) -> bool:
        requests = self.scenario.by_name
        notified = {
            (task["provider"], last_part(task["task_id"] or ""))
            for task in tasks
            if requests[task["labels"][LABEL]].is_notified
        }
        return (
            len(self.submitting.accepted) == len(requests)
            and not any(task["final_at"] is None and task["state"] != "refused" for task in tasks)
            and not undelivered(records, self.consumers.received, notified=notified)
            and not any(each.awaits_contradiction for each in records)
            and (self.scenario.kill_at is None or self.is_killed)
        )

    async def _settle(self, tasks: Sequence[Task], records: Sequence[Paid]) -> None:
        """As an operator does: by what the provider's console shows, with the command."""
        # While a submit of a provider is not over, one of its records may be that submit's.
        unsettled = {task["provider"] for task in tasks if task["state"] in {"queued", "submitting"}}
        requests = {task["id"]: self.scenario.by_name[task["labels"][LABEL]] for task in tasks}
        uncertain = [
            Uncertain(
                task=task["id"],
                provider=task["provider"],
                created_ms=round(datetime.fromisoformat(task["created_at"]).timestamp() * 1000),
                prompt=requests[task["id"]].prompt,
            )
            for task in tasks
            if task["state"] == "uncertain"
            and task["provider"] not in unsettled
            and not _has_idempotency(task["provider"])
        ]
        known = {(task["provider"], last_part(task["task_id"])) for task in tasks if task["task_id"]}
        found = settlements(uncertain, records, known=known)
        mistake = None if self._is_corrected else likely_mistake(found, records)
        if mistake is not None:
            await self._settle_with(*mistake)
        wrong_first = sorted(found.items(), key=lambda each: mistake is not None and each[0] != mistake[0])
        for task_id, provider_task_id in wrong_first:
            is_settled = await self._settle_with(task_id, provider_task_id)
            if is_settled and mistake is not None and task_id == mistake[0]:
                self._is_corrected = True
                self.screen.say(f"operator: {task_id} had another task's id; it has its own now")
            if is_settled and provider_task_id is None:
                request = requests[task_id]
                del self.submitting.accepted[request.name]
                await self.submitting.submit_by_api([request])
        await self._finish_stuck(records, known={*known, *_adopted(found, tasks)})

    async def _settle_with(self, task_id: str, provider_task_id: str | None) -> bool:
        arguments = settle_arguments(task_id, provider_task_id)
        result = await self.processes.command(*arguments)
        self.screen.say(f"operator: whenfinal {' '.join(arguments)}")
        if result.returncode != 0:
            self.screen.say(f"operator: {result.stderr.strip()}")
        return result.returncode == 0

    async def _finish_stuck(self, records: Sequence[Paid], *, known: Collection[TaskKey]) -> None:
        """End the tasks that never end by themselves, once the ledger knows them."""
        for record in records:
            if record.is_stuck and not record.is_ended and record.key in known:
                await self.control.post(f"/_simulator/tasks/{record.provider_task_id}/finish", {})

    async def _observe(self) -> None:
        """Read the events by pages, as any consumer does, and show the progress."""
        while True:
            await self._read_events()
            await self._count_queued()
            self.screen.tick(self.progress())
            await asyncio.sleep(READ_EVERY_S)

    async def _follow(self) -> None:
        setup = self.processes.setup
        async with Client(setup.receiver, setup.api_key) as client:
            await self.consumers.follower.follow(client)

    async def _rotate(self) -> None:
        await self.consumers.until_received(self.consumers.rotate_at)
        async with self._intervening:
            await self.consumers.rotate_secret(self.api)
        self.screen.say("operator: rotated the secret of the subscription to everything")
        await asyncio.Event().wait()

    async def _kill(self) -> None:
        if self.scenario.kill_at is not None:
            await self.consumers.until_received(self.scenario.kill_at)
            async with self._intervening:
                await self.processes.kill_receiver()
                self.screen.say("killed the receiver")
                await asyncio.sleep(DOWN_S)
                await self.processes.start_receiver()
                self.screen.say("started it again on the same file")
                self.is_killed = True
        await asyncio.Event().wait()

    async def _count_queued(self) -> None:
        page = await self.api.get("/v1/tasks", state="queued", limit=PAGE)
        self._queued = max(self._queued, len(page["tasks"]))

    async def _read_events(self) -> None:
        while True:
            page = await self.api.get("/v1/events", after=self._seq, limit=PAGE)
            if not page["events"]:
                return
            events = page["events"]
            self._uncertain += sum(event["type"] == TASK_UNCERTAIN for event in events)
            # Those about no task, such as a provider that is paused, go to who names them as well.
            named_only = [event for event in events if event["type"] == TASK_UNCERTAIN or event["task"] is None]
            self._named_only.update(event["seq"] for event in named_only)
            others = [event for event in events if event["seq"] not in self._named_only and event["type"] != REFUSED]
            tasks = [event["task"] for event in others]
            self._events.update(task["provider"] for task in tasks)
            self._ended.update(task["provider"] for task in tasks if task["final_at"] is not None)
            self._seq = page["next_after"]

    async def _collect(self) -> Evidence:
        await self._read_events()
        tasks, records = await self._tasks(), await self._records()
        reading = asyncio.Semaphore(AT_ONCE)

        async def in_ledger(task: Task) -> LedgerTask:
            async with reading:
                return ledger_task(task, (await self.api.get(f"/v1/tasks/{task['id']}/timeline"))["timeline"])

        accepted = self.submitting.accepted
        return Evidence(
            wanted=[
                Wanted(
                    name=request.name,
                    provider=request.provider,
                    task=accepted.get(request.name),
                    is_notified=request.is_notified,
                )
                for request in self.scenario.requests
            ],
            paid=records,
            received=tuple(self.consumers.received),
            streamed=tuple(self.consumers.follower.seqs),
            ledger=await asyncio.gather(*(in_ledger(task) for task in tasks)),
            events=dict(self._events),
            named_only=frozenset(self._named_only),
        )

    async def _tasks(self) -> list[dict[str, Any]]:
        return await self.api.pages("/v1/tasks", "tasks")

    async def _records(self) -> list[Paid]:
        """Every task that the simulator created, oldest first."""
        return [paid_task(task) for task in (await self._recorded())["tasks"]]

    async def _recorded(self) -> Mapping[str, Any]:
        records: Mapping[str, Any] = await self.control.get("/_simulator/books")
        return records


@asynccontextmanager
async def open_demo(scenario: Scenario, screen: Screen) -> AsyncIterator[Demo]:
    """Everything started and answering."""
    async with (
        open_processes(seed=scenario.seed, say=screen.say) as processes,
        open_consumers(events=len(scenario.requests), notify_secret=processes.setup.notify_secret) as consumers,
        open_api(processes.setup.receiver, processes.setup.api_key) as api,
        open_api(processes.setup.simulator) as control,
    ):
        await consumers.subscribe(api)
        yield Demo(scenario=scenario, screen=screen, processes=processes, consumers=consumers, api=api, control=control)


async def beside(work: Coroutine[Any, Any, T], *guards: Coroutine[Any, Any, Any]) -> T:
    """The result of the work. A guard that raises cancels it, and its exception is raised. Guards never return."""
    working = asyncio.create_task(work)
    running: list[asyncio.Task[Any]] = [working, *(asyncio.create_task(guard) for guard in guards)]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if working.done() and working.exception() is not None:
            # It may have failed because a process died, which its guard is about to see.
            await asyncio.wait(running[1:], timeout=GUARD_S, return_when=asyncio.FIRST_COMPLETED)
        for task in (*running[1:], working):
            if task.done():
                task.result()
        return await working
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _has_idempotency(provider: str) -> bool:
    """With such a provider the receiver settles an uncertain submit by itself."""
    return ADAPTERS[provider].CAPABILITIES.idempotency_s is not None


def _adopted(found: Mapping[str, str | None], tasks: Sequence[Task]) -> Iterator[TaskKey]:
    """The provider's tasks that were just settled as ours."""
    for task in tasks:
        if (theirs := found.get(task["id"])) is not None:
            yield task["provider"], theirs
