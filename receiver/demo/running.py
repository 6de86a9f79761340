"""The demo from set-up to result.

Flow: one line of work (submit, then wait and settle until nothing is open) beside guards that watch it: a child that
dies, the display, and, for the test of a power cut, the one that kills the receiver midway.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import httpx

from receiver.demo.operating import Uncertain, decide
from receiver.demo.progress import Result, Screen, Standing
from receiver.demo.scenario import LABEL, LEAST, Order, by_provider
from receiver.demo.service import Service, open_service
from receiver.demo.simulated import BookEntry, Simulated
from receiver.demo.submitting import Submitting
from receiver.demo.subscriber import Subscriber, subscribing
from receiver.demo.tally import Books, Intent, Story, tally
from receiver.demo.world import World, open_world
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
    """`kill_at`: kill the receiver and start it again once the subscriber was told of so many ends."""

    orders: Sequence[Order]
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
    subscriber: Subscriber
    service: Service
    simulated: Simulated
    submitting: Submitting
    killed: bool = False
    _events: Counter[str] = field(default_factory=Counter)
    _ended: Counter[str] = field(default_factory=Counter)
    _seq: int = 0

    async def run(self) -> Result:
        """Raise ChildDied at once when a process of the demo ends by itself."""
        self.screen.restart_clock()
        with self.screen.watching(self.standings):
            in_time = await beside(self._work_in_time(), self.world.watch(), self._observe(), self._kill())
            seconds = self.screen.elapsed_s
            books = await beside(self._collect(), self.world.watch())
            troubles = await self.simulated.troubles()
        remarks = tuple(self._remarks(in_time=in_time))
        return Result(tally=tally(books), seconds=seconds, troubles=troubles, remarks=remarks)

    async def keep(self) -> None:
        """Serve until cancelled."""
        await self.world.watch()

    def standings(self) -> list[Standing]:
        """How things stand, by provider."""
        told = {each.event_id: each for each in self.subscriber.books.told}.values()
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
        told = {(each.provider, each.task_id) for each in self.subscriber.books.told}
        is_open = any(task["final_at"] is None and task["state"] != "refused" for task in tasks)
        is_told = all((entry.paid.provider, entry.paid.task_id) in told for entry in books)
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
            elif settlement.task_id is None:
                name = next(task["labels"][LABEL] for task in doubtful if task["id"] == settlement.task)
                del self.submitting.accepted[name]
                await self.submitting.submit_by_api([orders[name]])

    async def _observe(self) -> None:
        """Follow the ledger's feed as any consumer would; return never."""
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
        books = self.subscriber.books
        while self.wish.kill_at is None or len(books.event_ids) < self.wish.kill_at:
            books.heard.clear()
            await books.heard.wait()
        await self.world.kill_receiver()
        self.screen.say("killed the receiver")
        await asyncio.sleep(DOWN_S)
        await self.world.start_receiver()
        self.screen.say("started it again on the same file")
        self.killed = True
        await asyncio.Event().wait()

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
                Intent(order=order.name, provider=order.provider, task=accepted.get(order.name))
                for order in self.wish.orders
            ],
            paid=[entry.paid for entry in entries],
            told=tuple(self.subscriber.books.told),
            stories=await asyncio.gather(*(story(task) for task in tasks)),
            events=dict(self._events),
        )

    def _remarks(self, *, in_time: bool) -> list[str]:
        books = self.subscriber.books
        found = {
            f"time ran out after {self.wish.time_limit_s:g} s": not in_time,
            f"{books.forged} webhooks were not rightly signed": bool(books.forged),
            "the webhook that was answered 500 was not sent again": not books.saw_a_retry,
        }
        return [remark for remark, is_so in found.items() if is_so]


@asynccontextmanager
async def open_demo(wish: Wish, screen: Screen) -> AsyncIterator[Demo]:
    """Everything started and answering."""
    async with (
        open_world(seed=wish.seed, say=screen.say) as world,
        subscribing(world.keys.webhook) as subscriber,
        open_service(world.places.receiver, world.keys.api) as service,
        httpx.AsyncClient(base_url=world.places.simulator, trust_env=False) as control,
    ):
        simulated = Simulated(control)
        submitting = Submitting(world=world, service=service, simulated=simulated, notify_url=subscriber.url)
        yield Demo(
            wish=wish,
            screen=screen,
            world=world,
            subscriber=subscriber,
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


def _as_uncertain(task: Mapping[str, Any], order: Order) -> Uncertain:
    created_ms = round(datetime.fromisoformat(task["created_at"]).timestamp() * 1000)
    return Uncertain(task=task["id"], provider=task["provider"], created_ms=created_ms, prompt=order.prompt)
