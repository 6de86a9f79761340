"""The demo from set-up to result.

Flow: one line of work (submit, then wait and settle until nothing is open) beside guards that watch it: a child that
dies, the display, and, for the test of a power cut, the one that kills the receiver midway.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import httpx

from receiver.cli.demo.api import Service, open_service
from receiver.cli.demo.books import BookEntry, Simulated, Uncertain, decide
from receiver.cli.demo.display import Result, Screen, Standing
from receiver.cli.demo.processes import World, open_world
from receiver.cli.demo.scenario import LABEL, LEAST, TaskRequest, by_provider
from receiver.cli.demo.submitting import Submitting
from receiver.cli.demo.subscribers import Audience, open_audience
from receiver.cli.demo.tally import Books, Intent, Story, Way, remarks, silent, tally
from submitter import Client
from submitter.providers.registry import ADAPTERS

T = TypeVar("T")

LOOK_EVERY_S = 0.3

LATE_S = 1.5  # after the last expected webhook, for one too many to show itself

TIME_LIMIT_S = 58.0  # for a dozen orders a provider; the count follows it and the whole stays within a minute

MORE_TIME_S = 4.0  # for each further order: the simulated platforms take ten at once

DOWN_S = 1.0  # of a killed receiver

AFTER_KILL_S = 30.0  # more time where the receiver is killed: leases and unanswered submits run out first

GUARD_S = 0.5

AT_ONCE = 8  # timelines read at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`kill_at`: kill the receiver and start it again once the subscriber to everything was told of so many ends."""

    orders: Sequence[TaskRequest]
    seed: int
    kill_at: int | None = None

    @property
    def time_limit_s(self) -> float:
        most = max(len(theirs) for theirs in by_provider(self.orders).values())
        kill_s = 0.0 if self.kill_at is None else AFTER_KILL_S
        return TIME_LIMIT_S + kill_s + MORE_TIME_S * max(0, most - LEAST)


@dataclass(slots=True, kw_only=True, eq=False)
class Demo:
    """Open it with `open_demo`; it serves until that closes."""

    wish: Wish
    screen: Screen
    world: World
    audience: Audience
    service: Service
    simulated: Simulated
    submitting: Submitting
    killed: bool = False
    _hands: asyncio.Lock = field(default_factory=asyncio.Lock)  # one thing by hand at a time
    _events: Counter[str] = field(default_factory=Counter)
    _ended: Counter[str] = field(default_factory=Counter)
    _seq: int = 0

    async def run(self) -> Result:
        """Raise ChildDied at once when a process of the demo ends by itself."""
        self.screen.restart_clock()
        with self.screen.watching(self.standings):
            in_time = await beside(self._work_in_time(), self.world.watch(), *self._others())
            seconds = self.screen.elapsed_s
            books = await beside(self._collect(), self.world.watch())
            troubles = await self.simulated.troubles()
        shown = self.audience.shown()
        late = () if in_time else (f"time ran out after {self.wish.time_limit_s:g} s",)
        wrong = (*late, *remarks(shown))
        return Result(tally=tally(books), seconds=seconds, troubles=troubles, shown=shown, remarks=wrong)

    async def keep(self) -> None:
        """Serve until cancelled."""
        await self.world.watch()

    def standings(self) -> list[Standing]:
        """How things stand, by provider."""
        told = {each.event_id: each for each in self.audience.everything.told}.values()
        webhooks = Counter(each.provider for each in told)
        return [
            Standing(
                provider=provider,
                wanted=len(theirs),
                submitted=sum(order.name in self.submitting.accepted for order in theirs),
                ended=self._ended[provider],
                events=self._events[provider],
                webhooks=webhooks[provider],
            )
            for provider, theirs in by_provider(self.wish.orders).items()
        ]

    async def _work_in_time(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.wish.time_limit_s):
                await self.submitting.submit_all(self.wish.orders)
                await self._until_settled()
                await asyncio.sleep(LATE_S)
                return True
        return False

    async def _until_settled(self) -> None:
        while True:
            tasks, books = await self.service.tasks(), await self.simulated.books()
            if self._is_settled(tasks, books):
                return
            # While a submit is on its way, what it makes stands in the books and is not ours to give out.
            if not any(task["state"] == "submitting" for task in tasks):
                await self._settle(tasks, books)
            await asyncio.sleep(LOOK_EVERY_S)

    def _is_settled(self, tasks: Sequence[Mapping[str, Any]], books: Sequence[BookEntry]) -> bool:
        orders = {order.name: order for order in self.wish.orders}
        notified = {(task["provider"], task["task_id"]) for task in tasks if orders[task["labels"][LABEL]].is_notified}
        is_told = not silent((entry.paid for entry in books), self.audience.told, notified=notified)
        is_open = any(task["final_at"] is None and task["state"] != "refused" for task in tasks)
        is_contradicted = not any(entry.awaits_contradiction for entry in books)
        is_complete = len(self.submitting.accepted) == len(self.wish.orders)
        is_killed = self.wish.kill_at is None or self.killed
        return is_complete and not is_open and is_told and is_contradicted and is_killed

    async def _settle(self, tasks: Sequence[Mapping[str, Any]], books: Sequence[BookEntry]) -> None:
        orders = {order.name: order for order in self.wish.orders}
        doubtful = [task for task in tasks if task["state"] == "uncertain" and not _has_key(task["provider"])]
        uncertain = [_as_uncertain(task, orders[task["labels"][LABEL]]) for task in doubtful]
        known = {(task["provider"], task["task_id"]) for task in tasks if task["task_id"]}
        for settlement in decide(uncertain, books, known=known):
            result = await self.world.command(*settlement.arguments)
            self.screen.say(f"operator: whenfinal {' '.join(settlement.arguments)}")
            if result.status != 0:
                self.screen.say(f"operator: {result.stderr.strip()}")
            elif settlement.provider_task_id is None:
                name = next(task["labels"][LABEL] for task in doubtful if task["id"] == settlement.task)
                del self.submitting.accepted[name]
                await self.submitting.submit_by_api([orders[name]])

    def _others(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Who goes on beside the work."""
        yield self._observe()
        yield self._follow()
        yield self._rotate()
        yield self._kill()

    async def _follow(self) -> None:
        """Return never."""
        async with Client(self.world.places.receiver, self.world.keys.api) as client:
            await self.audience.follower.follow(client)

    async def _rotate(self) -> None:
        """Return never."""
        await self.audience.until_told(self.audience.rotate_at)
        async with self._hands:
            await self.audience.rotate(self.service)
        self.screen.say("operator: rotated the secret of the subscription to everything")
        await asyncio.Event().wait()

    async def _observe(self) -> None:
        """Page through the ledger's feed as any consumer would; return never."""
        while True:
            await self._read_events()
            self.screen.tick(self.standings())
            await asyncio.sleep(LOOK_EVERY_S)

    async def _read_events(self) -> None:
        while True:
            events, after = await self.service.events(self._seq)
            if not events:
                return
            self._events.update(event["task"]["provider"] for event in events)
            self._ended.update(event["task"]["provider"] for event in events if event["task"]["final_at"] is not None)
            self._seq = after

    async def _kill(self) -> None:
        """Return never."""
        if self.wish.kill_at is not None:
            await self.audience.until_told(self.wish.kill_at)
            async with self._hands:
                await self._restart()
        await asyncio.Event().wait()

    async def _restart(self) -> None:
        await self.world.kill_receiver()
        self.screen.say("killed the receiver")
        await asyncio.sleep(DOWN_S)
        await self.world.start_receiver()
        self.screen.say("started it again on the same file")
        self.killed = True

    async def _collect(self) -> Books:
        await self._read_events()
        tasks, entries = await self.service.tasks(), await self.simulated.books()
        room = asyncio.Semaphore(AT_ONCE)

        async def story(task: Mapping[str, Any]) -> Story:
            async with room:
                return await self.service.story(task)

        accepted = self.submitting.accepted
        return Books(
            intents=[
                Intent(
                    order=order.name,
                    provider=order.provider,
                    task=accepted.get(order.name),
                    is_notified=order.is_notified,
                )
                for order in self.wish.orders
            ],
            paid=[entry.paid for entry in entries],
            told=tuple(self.audience.told),
            streamed=tuple(self.audience.follower.seqs),
            stories=await asyncio.gather(*(story(task) for task in tasks)),
            events=dict(self._events),
        )


@asynccontextmanager
async def open_demo(wish: Wish, screen: Screen) -> AsyncIterator[Demo]:
    """Everything started and answering."""
    async with (
        open_world(seed=wish.seed, say=screen.say) as world,
        open_audience(events=len(wish.orders), notify_secret=world.keys.webhook) as audience,
        open_service(world.places.receiver, world.keys.api) as service,
        httpx.AsyncClient(base_url=world.places.simulator, trust_env=False) as control,
    ):
        simulated = Simulated(control)
        notify_url = audience.subscribers[Way.NOTIFY].url
        submitting = Submitting(world=world, service=service, simulated=simulated, notify_url=notify_url)
        await audience.subscribe(service)
        yield Demo(
            wish=wish,
            screen=screen,
            world=world,
            audience=audience,
            service=service,
            simulated=simulated,
            submitting=submitting,
        )


async def beside(work: Coroutine[Any, Any, T], *guards: Coroutine[Any, Any, Any]) -> T:
    """The result of the work; a guard that raises ends it and is heard. Guards return never."""
    working = asyncio.create_task(work)
    running: list[asyncio.Task[Any]] = [working, *(asyncio.create_task(guard) for guard in guards)]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if working.done() and working.exception() is not None:
            # It may have failed because a child died, which the guard is about to see.
            await asyncio.wait(running[1:], timeout=GUARD_S, return_when=asyncio.FIRST_COMPLETED)
        for task in (*running[1:], working):
            if task.done():
                task.result()
        return await working
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _has_key(provider: str) -> bool:
    """Where a provider knows our key, the receiver settles by itself."""
    return ADAPTERS[provider].CAPABILITIES.idempotency_s is not None


def _as_uncertain(task: Mapping[str, Any], order: TaskRequest) -> Uncertain:
    created_ms = round(datetime.fromisoformat(task["created_at"]).timestamp() * 1000)
    return Uncertain(task=task["id"], provider=task["provider"], created_ms=created_ms, prompt=order.prompt)
