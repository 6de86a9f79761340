"""Polls of due tasks a second, beside the bare HTTP client that sends the same queries to the same simulator.

The reconciler is the real one over a real ledger (SQLite, every commit on the disk); the simulated platforms are a
process of their own. The account's rate budget is no limit here: its burst is larger than the number of tasks. Of the
tasks each third has ended, so that a poll in three makes an event and its delivery.
"""

import asyncio
import resource
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import cast

import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from receiver.config.sections import ProvidersSettings, ReconcileSettings
from receiver.reconcile.poller import Poller
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.store import Store
from receiver.runtime.worker import RECONCILE_LIMIT
from receiver.store.engine import Tx
from receiver.store.ids import id_maker
from receiver.tasks.drafting import TaskDrafter
from receiver.tasks.submission import Submission
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import Transport, TransportLimits, open_transport
from submitter.providers import hiapi
from submitter.providers.contract import Account, Budget, ConfiguredProvider, Provider
from submitter.simulator.config import BASE_PATHS, SimulatorConfig
from tests.bench.calling import provider_name_of
from tests.bench.case import Arm, BenchFailed, Case, Found, Options, Round
from tests.bench.checks import at_least, processor_time
from tests.bench.ledgers import filled, now_ms
from tests.bench.processes import cores, free_ports, pinned, python
from tests.bench.simulated import ENDED_EACH
from tests.support.submission_setup import durations_of

TARGET = 0.50
TASKS, QUICK_TASKS = 10_000, 2_400
ROUNDS, QUICK_ROUNDS = 5, 3


def measure(options: Options) -> Found:
    tasks, rounds = (QUICK_TASKS, QUICK_ROUNDS) if options.is_quick else (TASKS, ROUNDS)
    options.say("starting the simulator")
    on, port = cores(), free_ports(1)[0]
    with (
        TemporaryDirectory(prefix="whenfinal-bench-") as folder,
        python("tests.bench.simulated", str(port), str(tasks), on=on.load, port=port) as simulator,
        pinned(on.server),
    ):
        found = uvloop.run(_measure(options, Path(folder), simulator.url, tasks=tasks, rounds=rounds))
    return replace(found, left_out=on.left_out)


async def _measure(options: Options, folder: Path, origin: str, *, tasks: int, rounds: int) -> Found:
    """Each round polls its own part of the tasks, with both arms, the one that begins by turns."""
    bare, ours = Arm(name="bare client"), Arm(name="reconciler")
    size = tasks // rounds
    async with open_reconciler(folder, origin, tasks) as (store, reconciler), _client() as client:
        connections = reconciler.settings.concurrency
        for number in range(rounds):
            part = range(number * size, (number + 1) * size)
            options.say(f"round {number + 1} of {rounds}")
            arms: list[tuple[Arm, Callable[[], Awaitable[None]]]] = [
                (bare, partial(_get, client, origin, part, connections)),
                (ours, partial(_poll, store, reconciler, part)),
            ]
            for arm, work in arms if number % 2 == 0 else reversed(arms):
                if arm is ours:
                    await _make_due(store, part)
                arm.rounds.append(await _timed(work, size))
                options.on_round()
        await _check(store, tasks=size * rounds)
    checks = (at_least("polls / bare GETs", ours.ratio_to(bare), TARGET), *processor_time(ours, bare))
    return Found(arms=(bare, ours), checks=checks)


async def _timed(work: Callable[[], Awaitable[None]], items: int) -> Round:
    before_s, started_s = _cpu_s(), time.perf_counter()
    await work()
    return Round(items=items, wall_s=time.perf_counter() - started_s, cpu_s=_cpu_s() - before_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _get(client: httpx.AsyncClient, origin: str, part: Sequence[int], connections: int) -> None:
    """The queries of these tasks, as many at once as the reconciler may send."""
    base = origin + BASE_PATHS["hiapi"]
    headers = {"authorization": f"Bearer {SimulatorConfig().key('hiapi')}", "accept": "application/json"}
    numbers = iter(part)

    async def caller() -> None:
        for number in numbers:
            reply = await client.get(f"{base}/v1/tasks/{provider_name_of(number)}", headers=headers)
            if reply.status_code != 200:
                raise BenchFailed(f"the simulator answered {reply.status_code}")

    await asyncio.gather(*(caller() for _ in range(connections)))


async def _make_due(store: Store, part: Sequence[int]) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute_many("poll_now", [{"id": f"tsk_{number:022d}", "now_ms": now_ms() - 1} for number in part])

    await store.engine.write(work)


async def _poll(store: Store, reconciler: Reconciler, part: Sequence[int]) -> None:
    """Runs one after the other until all of these tasks have been polled."""
    polled = 0
    while polled < len(part):
        polled += len(await reconciler.reconcile_once(limit=RECONCILE_LIMIT))


async def _check(store: Store, *, tasks: int) -> None:
    """Each task that has ended has its event."""
    events = await store.events.last_seq()
    wanted = len(range(0, tasks, ENDED_EACH))
    if events != wanted:
        raise BenchFailed(f"{wanted} tasks have ended, and the ledger has {events} events")


@asynccontextmanager
async def open_reconciler(folder: Path, origin: str, tasks: int) -> AsyncIterator[tuple[Store, Reconciler]]:
    """The real one, over a ledger with so many submitted tasks, of which none is due."""
    account = Account(
        name="hiapi", adapter="hiapi", base_url=origin + BASE_PATHS["hiapi"], api_key=SimulatorConfig().key("hiapi")
    )
    providers = {"hiapi": ConfiguredProvider(adapter=_unlimited(tasks), account=account)}
    settings = ProvidersSettings()
    async with open_transport(TransportLimits()) as transport, filled(f"sqlite:///{folder / 'l.db'}", tasks) as store:
        submission = _submission(store, providers, transport, settings)
        poller = Poller(
            providers=providers,
            settings=settings,
            transport=transport,
            submission=submission,
            submissions=store.submissions,
            polls=store.polls,
            accounts=store.accounts,
            pauses=store.providers,
            durations=durations_of(store, providers, settings, now_ms),
            lease_ms=60_000,
            clock=now_ms,
            random=random,
            on_events=lambda: None,
        )
        yield (
            store,
            Reconciler(poller=poller, polls=store.polls, settings=ReconcileSettings(), owner="bench", clock=now_ms),
        )


def _unlimited(tasks: int) -> Provider:
    """HiAPI's adapter with a rate budget that all tasks together do not use up, and no second poll within a round."""
    budget = Budget(per_s=100_000.0, burst=10 * tasks, submits_count=False)
    poll = replace(hiapi.CAPABILITIES.poll, floor_s=600.0)
    capabilities = replace(hiapi.CAPABILITIES, budget=budget, poll=poll)
    functions = {name: value for name, value in vars(hiapi).items() if callable(value)}
    return cast("Provider", SimpleNamespace(**functions, CAPABILITIES=capabilities))


def _submission(
    store: Store, providers: dict[str, ConfiguredProvider], transport: Transport, settings: ProvidersSettings
) -> Submission:
    new_id = id_maker(secrets.token_bytes)
    drafts = TaskDrafter(
        providers=providers,
        settings=settings,
        guard=AddressGuard(),
        callback_url=None,
        clock=now_ms,
        random_bytes=secrets.token_bytes,
        new_id=new_id,
    )
    return Submission(
        submissions=store.submissions,
        queue=store.queue,
        accounts=store.accounts,
        drafts=drafts,
        providers=providers,
        transport=transport,
        settings=settings,
        clock=now_ms,
        random=random,
        sleep=asyncio.sleep,
        first_poll_ms=durations_of(store, providers, settings, now_ms).first_poll_ms,
        on_events=lambda: None,
        on_queued=lambda: None,
    )


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=AiohttpTransport(trust_env=False), trust_env=False) as client:
        yield client


CASE = Case(name="polling", title="polls of due tasks, beside the same queries by a bare client", measure=measure)
