"""Two `web` and two `worker` processes on one Postgres, with the demo's requests and faults, one of each killed midway.

The demo's own parts submit, subscribe, follow and count. They talk to a balancer in front of two `web` processes.
"""

import asyncio
import io
import random
import signal
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from receiver.cli.demo.api import open_api
from receiver.cli.demo.display import Result, Screen
from receiver.cli.demo.examples import load_examples
from receiver.cli.demo.processes import Processes, Setup, free_ports
from receiver.cli.demo.runner import Demo, Scenario
from receiver.cli.demo.scenario import BURST, BURST_PROVIDER, LABEL, count_of, make_requests
from receiver.cli.demo.subscribers import open_consumers
from tests.support.balancer import Balancer, open_balancer
from tests.support.postgres import Databases

EACH = 16  # requests of a provider, or fewer
SEED = 7
KILL_AT = 20  # ends received before the kill

NODES: Mapping[str, str] = {"web-1": "web", "web-2": "web", "worker-1": "worker", "worker-2": "worker"}
WEB, WORKER = "web-1", "worker-1"  # those that are killed

UNCERTAIN, REFUSED = "task.uncertain", "task.refused"

SETTLED_S = 0.02  # for a statement in flight
HELD = """SELECT (SELECT count(*) FROM tasks WHERE lease_owner LIKE %(owner)s)
    + (SELECT count(*) FROM deliveries WHERE lease_owner LIKE %(owner)s AND state = 'pending')"""


@dataclass(slots=True, kw_only=True, eq=False)
class Nodes(Processes):
    """The demo's processes with four in the place of the receiver. It kills one web and one worker."""

    ports: Mapping[str, int]

    async def start_receiver(self) -> None:
        """Start those that are not running."""
        for name, kind in NODES.items():
            if name not in self._children:
                options = ("--port", str(self.ports[name])) if name in self.ports else ()
                await self._start(name, kind, *options)
        for name, port in self.ports.items():
            await self._until_answering(name, f"http://127.0.0.1:{port}/healthz")

    async def kill_receiver(self) -> None:
        """The worker is killed while it holds a lease, which the ledger shows as soon as it is stopped."""
        await self._stop_holding_a_lease(self._children[WORKER])
        for name in (WEB, WORKER):
            killed = self._children.pop(name)
            killed.kill()
            await killed.wait()

    async def _stop_holding_a_lease(self, worker: Process) -> None:
        url = self.setup.database_url
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
    simulator, *webs = free_ports(3)
    async with open_balancer(webs) as balancer:
        origins = {"simulator": f"http://127.0.0.1:{simulator}", "receiver": f"http://127.0.0.1:{balancer.port}"}
        setup = Setup(directory=folder, database_url=ledger, **origins)
        nodes = Nodes(setup=setup, seed=SEED, ports=dict(zip(NODES, webs, strict=False)))
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
    requests = make_requests(load_examples(), each=EACH, shuffle=random.Random(SEED).shuffle)
    setup = nodes.setup
    async with (
        open_consumers(events=len(requests), notify_secret=setup.notify_secret) as consumers,
        open_api(setup.receiver, setup.api_key) as api,
        open_api(setup.simulator) as control,
    ):
        await consumers.subscribe(api)
        demo = Demo(
            scenario=Scenario(requests=requests, seed=SEED, kill_at=KILL_AT),
            screen=screen,
            processes=nodes,
            consumers=consumers,
            api=api,
            control=control,
        )
        result = await demo.run()
    assert demo.is_killed
    return result


async def test_a_web_and_a_worker_killed_under_load_lose_nothing_and_double_nothing(
    ledger: str, tmp_path: Path
) -> None:
    output = io.StringIO()
    async with _nodes(ledger, tmp_path) as (nodes, balancer):
        result = await _demonstrate(nodes, Screen(Console(file=output, width=120), time.monotonic))
    assert result.is_good, (result, output.getvalue())
    rows = result.tally.rows
    wanted = [count_of(row.provider, EACH) + BURST * (row.provider == BURST_PROVIDER) for row in rows]
    assert [row.submitted for row in rows] == wanted
    assert [(row.events, row.webhooks, row.streamed) for row in rows] == [(each,) * 3 for each in wanted]
    assert all(balancer.taken[port] > 0 for port in nodes.ports.values())
    _check_ledger(ledger, events=sum(wanted))


def _check_ledger(ledger: str, *, events: int) -> None:
    """The tables have one end of each request, no gap, and of each event one delivery to each subscription."""
    with closing(psycopg.connect(ledger)) as connection:
        found = connection.execute("SELECT seq, task, type FROM events ORDER BY seq").fetchall()
        assert [seq for seq, *_ in found] == list(range(1, len(found) + 1))
        tasks = connection.execute("SELECT id, state, labels::json ->> %s FROM tasks", (LABEL,)).fetchall()
        # Of a lost reply it is said first that it is uncertain; its end comes later.
        lost = [task for _, task, name in found if name == UNCERTAIN]
        assert len(set(lost)) == len(lost)
        ended = sorted((task, name) for _, task, name in found if task and name not in (UNCERTAIN, REFUSED))
        assert len(ended) == events
        assert ended == sorted((task, f"task.{state}") for task, state, _ in tasks if state != "refused")
        # A request whose task was refused is sent again as another task. Of a refusal there is an event where the
        # submitter was not told by the answer.
        refused = {task for task, state, _ in tasks if state == "refused"}
        told = [task for _, task, name in found if name == REFUSED]
        assert len(set(told)) == len(told)
        assert set(told) <= refused
        assert set(lost) <= refused | {task for task, _ in ended}
        requests = Counter(label for _, state, label in tasks if state != "refused")
        assert (len(requests), set(requests.values())) == (events, {1})
        assert {label for _, state, label in tasks if state == "refused"} <= set(requests)
        deliveries = connection.execute("SELECT subscription, event_id, state FROM deliveries").fetchall()
        assert len({(subscription, event) for subscription, event, _ in deliveries}) == len(deliveries)
        assert {state for *_, state in deliveries} == {"delivered"}
