"""Two `web` and two `worker` processes on one Postgres, under the demo's orders and faults, one of each killed midway.

The demo's own parts order, subscribe, follow and count; only what they talk to is another: a balancer before two webs.
"""

import asyncio
import io
import random
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from rich.console import Console

from receiver.demo.audience import open_audience
from receiver.demo.examples import load_examples
from receiver.demo.progress import Result, Screen
from receiver.demo.running import Demo, Wish
from receiver.demo.scenario import make_orders
from receiver.demo.service import open_service
from receiver.demo.simulated import Simulated
from receiver.demo.submitting import Submitting
from receiver.demo.surroundings import Places, make_environment
from receiver.demo.tally import Way
from receiver.demo.world import World, _free_ports, _new_keys
from tests.postgres import Databases
from tests.system.balancer import Balancer, open_balancer

EACH = 16  # orders of each of five providers
SEED = 7
KILL_AT = 20  # ends told before the kill

NODES: Mapping[str, str] = {"web-1": "web", "web-2": "web", "worker-1": "worker", "worker-2": "worker"}
WEB, WORKER = "web-1", "worker-1"  # those that are killed

SETTLED_S = 0.02  # for a statement that was on its way
HELD = """SELECT (SELECT count(*) FROM tasks WHERE lease_owner LIKE %(owner)s)
    + (SELECT count(*) FROM deliveries WHERE lease_owner LIKE %(owner)s AND state = 'pending')"""


@dataclass(slots=True, kw_only=True, eq=False)
class Nodes(World):
    """The demo's world with four processes in the place of one. What it kills are a web and a worker, nothing else."""

    ports: Mapping[str, int]

    async def start_receiver(self) -> None:
        """Those that are not running."""
        for name, kind in NODES.items():
            if name not in self._children:
                options = ("--port", str(self.ports[name])) if name in self.ports else ()
                await self._start(name, kind, *options)
        for name, port in self.ports.items():
            await self._until_answering(name, f"http://127.0.0.1:{port}/healthz")

    async def kill_receiver(self) -> None:
        """The worker in the middle of something: while it stands still, the ledger says that it holds a lease."""
        await self._stop_holding_a_lease(self._children[WORKER])
        for name in (WEB, WORKER):
            killed = self._children.pop(name)
            killed.kill()
            await killed.wait()

    async def _stop_holding_a_lease(self, worker: Process) -> None:
        url = self.environment["WHENFINAL_DATABASE_URL"]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            while True:
                worker.send_signal(signal.SIGSTOP)
                await asyncio.sleep(SETTLED_S)
                row = await (await connection.execute(HELD, {"owner": f"%-{worker.pid}-%"})).fetchone()
                if row is not None and row[0] > 0:
                    return
                worker.send_signal(signal.SIGCONT)
                await asyncio.sleep(SETTLED_S)


@pytest.fixture
def ledger(databases: Databases) -> Iterator[str]:
    """A database on a real server."""
    url = databases.make()
    yield url
    databases.drop(url)


@asynccontextmanager
async def _nodes(ledger: str, folder: Path) -> AsyncIterator[tuple[Nodes, Balancer]]:
    """All started and answering; gone when it closes."""
    simulator, *webs = _free_ports(3)
    async with open_balancer(webs) as balancer:
        places = Places(
            directory=folder,
            simulator=f"http://127.0.0.1:{simulator}",
            receiver=f"http://127.0.0.1:{balancer.port}",
        )
        keys = _new_keys()
        environment = {**make_environment(places, keys), "WHENFINAL_DATABASE_URL": ledger}
        ports = dict(zip(NODES, webs, strict=False))
        nodes = Nodes(places=places, keys=keys, environment=environment, seed=SEED, ports=ports)
        try:
            await nodes.start_simulator()
            await nodes.start_receiver()
            yield nodes, balancer
        finally:
            try:
                await nodes.stop()
            finally:
                nodes.kill_rest()


async def _demonstrate(nodes: Nodes, screen: Screen) -> Result:
    """The whole demo, a kill midway."""
    orders = make_orders(load_examples(), each=EACH, shuffle=random.Random(SEED).shuffle)
    async with (
        open_audience(events=len(orders), notify_secret=nodes.keys.webhook) as audience,
        open_service(nodes.places.receiver, nodes.keys.api) as service,
        httpx.AsyncClient(base_url=nodes.places.simulator, trust_env=False, timeout=60) as control,
    ):
        await audience.subscribe(service)
        simulated, notify_url = Simulated(control), audience.subscribers[Way.NOTIFY].url
        demo = Demo(
            wish=Wish(orders=orders, seed=SEED, kill_at=KILL_AT),
            screen=screen,
            world=nodes,
            audience=audience,
            service=service,
            simulated=simulated,
            submitting=Submitting(world=nodes, service=service, simulated=simulated, notify_url=notify_url),
        )
        result = await demo.run()
    assert demo.killed
    return result


async def test_a_web_and_a_worker_killed_under_load_lose_nothing_and_double_nothing(
    ledger: str, tmp_path: Path
) -> None:
    said = io.StringIO()
    async with _nodes(ledger, tmp_path) as (nodes, balancer):
        result = await _demonstrate(nodes, Screen(Console(file=said, width=120), time.monotonic))
    assert result.is_good, (result, said.getvalue())
    rows = result.tally.rows
    assert [row.submitted for row in rows] == [EACH] * 5
    assert all(row.events == row.webhooks == row.streamed == EACH for row in rows)
    assert all(balancer.taken[port] > 0 for port in nodes.ports.values())
    _check_ledger(ledger, events=5 * EACH)


def _check_ledger(ledger: str, *, events: int) -> None:
    """What the tables themselves say: one event a task, no gap, and of each event one delivery to each subscription."""
    with closing(psycopg.connect(ledger)) as connection:
        told = connection.execute("SELECT seq, task FROM events ORDER BY seq").fetchall()
        assert [seq for seq, _ in told] == list(range(1, events + 1))
        assert len({task for _, task in told}) == events
        owed = connection.execute("SELECT subscription, event_id, state FROM deliveries").fetchall()
        assert len({(subscription, event) for subscription, event, _ in owed}) == len(owed)
        assert {state for *_, state in owed} == {"delivered"}
