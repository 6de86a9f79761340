"""Nodes over one Postgres: a commit of one wakes streams, waits and deliverers of the others, without a query."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.events import feed
from receiver.runtime import worker
from receiver.runtime.background import commit_listener, working
from receiver.runtime.wiring import open_services
from receiver.webhooks.model.delivery import DeliveryState
from tests.support.pgbouncer import NoPooler, pooled
from tests.support.postgres import Databases
from tests.support.raw_server import reply, replying
from tests.support.raw_server import serving as answering
from tests.support.service import Served, a_callback_body, served
from tests.support.stream_listener import open_stream
from tests.support.subscriptions_over_http import create_subscription

NEVER_S = 3600.0  # no test waits that long
PATIENCE_S = 30.0
NOBODY = "postgresql://127.0.0.1:9/ledger"


@pytest.fixture(name="url")
def _url(databases: Databases) -> Iterator[str]:
    url = databases.make()
    yield url
    databases.drop(url)


@pytest.fixture(name="ledger", params=["server", "pgbouncer"])
def _ledger(request: pytest.FixtureRequest, url: str) -> Iterator[Mapping[str, str]]:
    """Settings of every node: straight to the server, or through a pooler in transaction mode."""
    if request.param == "server":
        yield {"WHENFINAL_DATABASE_URL": url}
        return
    try:
        with pooled(url) as through:
            yield {"WHENFINAL_DATABASE_URL": through, "WHENFINAL_DATABASE_LISTEN_URL": url}
    except NoPooler as error:
        pytest.skip(str(error))


@asynccontextmanager
async def _node(folder: Path, ledger: Mapping[str, str]) -> AsyncIterator[Served]:
    """It serves, and is notified of the others' commits."""
    async with served(folder, None, **ledger) as node, commit_listener(node.services):
        async with asyncio.timeout(PATIENCE_S):
            while not node.services.feed.is_notified():
                await asyncio.sleep(0.005)
        yield node


@pytest.fixture(name="nodes")
async def _nodes(
    tmp_path: Path, ledger: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Served, Served]]:
    """Two that query the ledger only when they are notified."""
    for module, name in ((feed, "READ_EVERY_S"), (feed, "READ_EVERY_NOTIFIED_S"), (worker, "DELIVER_EVERY_S")):
        monkeypatch.setattr(module, name, NEVER_S)
    async with _node(tmp_path, ledger) as one, _node(tmp_path, ledger) as other:
        yield one, other


async def test_a_stream_sends_the_event_of_a_callback_that_another_node_took(nodes: tuple[Served, Served]) -> None:
    one, other = nodes
    await one.has()
    async with open_stream(other.http, "after=0") as listener:
        assert (await one.calls_back()).status_code == 204
        assert (await listener.data())["task"]["id"] == "tsk_1"
        await one.has("tsk_2", "p2")
        assert (
            await other.calls_back(other.callback_path("tsk_2"), json=a_callback_body(provider_task_id="p2"))
        ).status_code == 204
        assert (await listener.data())["task"]["id"] == "tsk_2"


async def test_a_wait_ends_with_a_callback_that_another_node_took(nodes: tuple[Served, Served]) -> None:
    one, other = nodes
    await one.has()
    waiting = asyncio.create_task(other.get("/v1/tasks/tsk_1", params={"wait": 45}))
    async with asyncio.timeout(PATIENCE_S):
        while not other.services.feed.taken:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)  # it has read the task by now
        assert (await one.calls_back()).status_code == 204
        assert (await waiting).json()["state"] == "succeeded"


async def test_a_worker_delivers_at_once_what_another_node_made_due(nodes: tuple[Served, Served]) -> None:
    one, other = nodes
    async with answering(replying(reply())) as endpoint, working(other.services), asyncio.timeout(PATIENCE_S):
        made = await create_subscription(one, url=endpoint.url)
        await one.has()
        assert (await one.calls_back()).status_code == 204
        await endpoint.until_requests(1)
        while not (found := (await _delivered(one, made["id"]))):
            await asyncio.sleep(0.01)
        assert (await one.post(f"/v1/deliveries/{found[0]}/redeliver")).status_code == 202
        await endpoint.until_requests(2)


async def test_without_notifications_events_of_others_are_found_by_polling_the_ledger(tmp_path: Path, url: str) -> None:
    ledger = {"WHENFINAL_DATABASE_URL": url}
    async with (
        served(tmp_path, None, **ledger) as one,
        served(tmp_path, None, **ledger, WHENFINAL_DATABASE_LISTEN_URL=NOBODY) as other,
        commit_listener(other.services),
    ):
        await one.has()
        async with open_stream(other.http) as listener:
            assert (await one.calls_back()).status_code == 204
            assert (await listener.data())["task"]["id"] == "tsk_1"
        assert not other.services.feed.is_notified()


async def test_a_file_has_nothing_to_listen_to(tmp_path: Path) -> None:
    async with served(tmp_path) as node, commit_listener(node.services):
        assert not node.services.feed.is_notified()


async def test_a_listening_url_that_postgres_does_not_understand_stops_the_start(url: str) -> None:
    given = {"WHENFINAL_DATABASE_URL": url, "WHENFINAL_DATABASE_LISTEN_URL": f"{url}?no_such_option=1"}
    with pytest.raises(ConfigError, match="WHENFINAL_DATABASE_LISTEN_URL"):
        async with open_services(Settings.from_mapping(given)) as services, commit_listener(services):
            pass


async def _delivered(node: Served, subscription: str) -> list[str]:
    asked = {"subscription": subscription, "state": DeliveryState.DELIVERED.value}
    return [each["id"] for each in (await node.get("/v1/deliveries", params=asked)).json()["deliveries"]]
