"""What both clients do, each method against the real receiver: the one with `async` and the one without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from receiver.runtime.services import Services
from receiver.web.app import build_app
from submitter import Client, Notify, Raw, SyncClient, Video
from submitter.client import conversation, stream
from submitter.client.calls import tasks
from submitter.errors import CursorExpired, NotEnded, ReceiverRefused, ReceiverUnreachable
from submitter.model import TaskState
from submitter.simulator import Simulator
from submitter.simulator.task import TaskEndedError
from tests.support.both_clients import Either, Kind, either
from tests.support.builders import T0, a_report
from tests.support.raw_server import hanging, reply, replying, serving
from tests.support.service import KEYS, VIDEO, Served, served_with_simulator
from tests.support.stream_bytes import (
    PATIENCE_S,
    STREAM,
    blocks,
    one_after_another,
    problem,
    replying_with,
    resetting_after,
    staying_open_after,
)

KEY = KEYS["all"][1]


@pytest.fixture(params=["async", "sync"], name="kind")
def _kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(name="client")
async def _client(kind: Kind, service: Served) -> AsyncIterator[Either]:
    async with either(kind, service.url, KEY) as client:
        yield client


@pytest.fixture(name="simulated")
async def _simulated(tmp_path: Path) -> AsyncIterator[tuple[Served, Simulator]]:
    async with served_with_simulator(tmp_path) as both:
        yield both


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "RETRY_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(stream, "FIRST_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(stream, "RETRY_S", 0.01)
    monkeypatch.setattr(stream, "LONGEST_PAUSE_S", 0.02)


async def _ends(service: Served, *numbers: int) -> None:
    for number in numbers:
        await service.has(f"tsk_{number}", f"p{number}")
    await service.services.store.ledger.record([a_report(provider_task_id=f"p{number}") for number in numbers], T0)
    service.services.commit_notifier.notify()


async def test_a_typed_request_is_submitted_waited_for_and_shown(
    kind: Kind, simulated: tuple[Served, Simulator]
) -> None:
    service, sim = simulated
    video = Video(model=VIDEO["model"], prompt="a horse", duration=5)
    notify = Notify(url="http://127.0.0.1:9/hook")
    async with either(kind, service.url, KEY) as client:
        task = await client.do("tasks.submit", provider="hiapi", video=video, labels={"film": "1"}, notify=notify)
        with suppress(TaskEndedError):  # a slow machine may come after its own end
            sim.finish(task.provider_task_id or "")
        ended = await client.do("tasks.wait", task.id, timeout_s=PATIENCE_S)
        shown = await client.do("tasks.get", task.id)
        entries = await client.do("tasks.timeline", task.id)
    assert (ended.state, ended.labels, task.notify_secret[:6]) == (TaskState.SUCCEEDED, {"film": "1"}, "whsec_")
    assert (shown.request["video"]["duration"], entries.task) == (5, task.id)


async def test_a_raw_request_is_taken_as_a_value(kind: Kind, simulated: tuple[Served, Simulator]) -> None:
    raw = Raw(body={"model": VIDEO["model"], "input": {"prompt": "a horse"}})
    async with either(kind, simulated[0].url, KEY) as client:
        assert (await client.do("submit", provider="hiapi", raw=raw)).state is TaskState.SUBMITTED


async def test_a_submit_that_waits_returns_the_end(kind: Kind, simulated: tuple[Served, Simulator]) -> None:
    async with either(kind, simulated[0].url, KEY) as client:
        submitting = asyncio.create_task(client.do("submit", provider="hiapi", video=VIDEO, wait_s=PATIENCE_S))
        ended = await submitting
    assert ended.is_ended


async def test_a_wait_that_is_over_says_what_it_last_saw(client: Either, service: Served) -> None:
    await service.has()
    with pytest.raises(NotEnded, match="tsk_1 is still running"):
        await client.do("wait", "tsk_1", timeout_s=0.1)


async def test_tasks_are_listed_by_page_and_all_of_them(client: Either, service: Served) -> None:
    for number in range(5):
        await service.has(f"tsk_{number}", f"p{number}", labels={"film": str(number % 2)})
    page = await client.do("tasks.list", limit=2)
    rest = await client.do("tasks.list", cursor=page.next_cursor, provider="hiapi")
    assert [task.id for task in (*page.tasks, *rest.tasks)] == ["tsk_4", "tsk_3", "tsk_2", "tsk_1", "tsk_0"]
    found = await client.items("tasks.all", labels={"film": "1"}, state="running")
    assert [task.id for task in found] == ["tsk_3", "tsk_1"]


async def test_an_operator_polls_and_settles(client: Either, service: Served) -> None:
    await service.has()
    await service.has("tsk_2", None)
    one = await client.do("tasks.reconcile", "tsk_1", dry_run=True)
    many = await client.do("reconcile", provider="hiapi", dry_run=True)
    settled = await client.do("tasks.settle", "tsk_2", refused=True)
    assert (one.tasks[0].task, many.asked, settled.state) == ("tsk_1", 0, TaskState.REFUSED)
    with pytest.raises(ReceiverRefused, match="exactly one"):
        await client.do("tasks.settle", "tsk_2")


async def test_stored_events_come_in_pages_and_as_one_series(client: Either, service: Served) -> None:
    await _ends(service, *range(1, 8))
    page = await client.do("events.list", after=1, limit=2)
    assert ([event.seq for event in page.events], page.has_more) == ([2, 3], True)
    assert [event.seq for event in await client.items("events.stored", after=4)] == [5, 6, 7]
    assert [event.seq for event in await client.items("events", follow=False)] == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(CursorExpired):
        await client.items("events.stored", after=99)


async def test_following_gives_events_as_they_come(client: Either, service: Served) -> None:
    await _ends(service, 1)
    following = asyncio.create_task(client.items("events.follow", after=0, first=2))
    await asyncio.sleep(0.1)
    await _ends(service, 2)
    assert [event.seq for event in await asyncio.wait_for(following, PATIENCE_S)] == [1, 2]


async def test_a_cut_stream_is_made_again_and_no_event_missed_or_doubled(kind: Kind) -> None:
    script = one_after_another(
        replying_with(STREAM, blocks(1, 2), b"id: 3\nda"),
        resetting_after(b"HTTP/1.1 200"),
        replying_with(problem(503, "stopping")),
        staying_open_after(STREAM, blocks(2, 3, 4)),
    )
    async with serving(script) as server, either(kind, server.url.removesuffix("/a"), KEY) as client:
        found = await asyncio.wait_for(client.items("events", after=0, first=4), PATIENCE_S)
        assert [event.seq for event in found] == [1, 2, 3, 4]
        async with asyncio.timeout(PATIENCE_S):
            await server.peers[-1].gone.wait()  # who leaves closes the connection


async def test_a_silent_stream_is_taken_for_dead(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 0.2)
    script = one_after_another(hanging, staying_open_after(STREAM, blocks(1)))
    async with serving(script) as server, either(kind, server.url.removesuffix("/a"), KEY) as client:
        found = await asyncio.wait_for(client.items("events", after=0, first=1), PATIENCE_S)
    assert [event.seq for event in found] == [1]


async def test_a_subscription_lives_its_whole_life(client: Either, service: Served) -> None:
    await _ends(service, 1)
    async with serving(replying(reply())) as hook:
        made = await client.do("subscriptions.create", hook.url, types=["task.failed"], description="one")
        changed = await client.do("subscriptions.change", made.id, types=None, rate_per_s=5.0)
        tried = await client.do("subscriptions.test", made.id)
        rotated = await client.do("subscriptions.rotate_secret", made.id, overlap_s=0)
        replayed = await client.do("subscriptions.replay", made.id, first_seq=1)
        shown = await client.do("subscriptions.get", made.id)
    assert (changed.rate_per_s, tried.delivered, rotated.secret != made.secret) == (5.0, True, True)
    assert (replayed.made_due, shown.deliveries.pending) == (1, 1)
    assert (await client.do("subscriptions.disable", made.id)).state == "disabled"
    assert [each.id for each in await client.items("subscriptions.all", state="disabled")] == [made.id]
    assert (await client.do("subscriptions.enable", made.id)).state == "active"
    assert (await client.do("subscriptions.resume", made.id)).was_disabled is False
    assert await client.do("subscriptions.delete", made.id) is None
    assert (await client.do("subscriptions.list")).subscriptions == ()
    with pytest.raises(ReceiverRefused, match="404"):
        await client.do("subscriptions.get", made.id)


async def test_a_delivery_is_listed_shown_and_sent_again(client: Either, service: Served) -> None:
    async with serving(replying(reply())) as hook:
        made = await client.do("subscriptions.create", hook.url)
        await _ends(service, 1, 2)
        await service.services.deliverer.deliver_once(limit=10)
    listed = await client.items("deliveries.all", state="delivered", subscription=made.id)
    shown = await client.do("deliveries.get", listed[0].id)
    again = await client.do("deliveries.redeliver", listed[0].id)
    assert (len(listed), shown.tries[0].status, again.state) == (2, 200, "pending")
    assert [each.id for each in (await client.do("deliveries.list", state="pending")).deliveries] == [again.id]


async def test_hosts_of_notify_are_listed_and_resumed(client: Either, service: Served) -> None:
    await service.has(notify_url="http://127.0.0.1:9/hook", notify_secret="whsec_" + "A" * 32)
    await service.calls_back()
    assert [each.pending for each in await client.items("endpoints.all")] == [1]
    page = await client.do("endpoints.list", which="failing", limit=1)
    resumed = await client.do("endpoints.resume", "http://127.0.0.1:9", dead_letters=True)
    assert (page.endpoints, resumed.endpoint, resumed.was_failing) == ((), "http://127.0.0.1:9", False)


async def test_providers_are_listed_shown_and_resumed(client: Either) -> None:
    assert {each.name for each in (await client.do("providers.list")).providers} == {"hiapi", "signed", "dashscope"}
    assert (await client.do("providers.get", "hiapi")).callback_miss_rate >= 0
    assert (await client.do("providers.resume", "hiapi")).ended is False
    address = await client.do("providers.callback_address", "dashscope")
    assert (address.provider, "/callbacks/dashscope/" in address.address, len(address.steps) > 0) == (
        "dashscope",
        True,
        True,
    )
    with pytest.raises(ReceiverRefused, match="404"):
        await client.do("providers.get", "nobody")


async def test_a_key_is_created_used_and_revoked(client: Either, kind: Kind, service: Served) -> None:
    made = await client.do("keys.create", "render", scopes=["read"], providers=["hiapi"], label={"film": "x=1"})
    assert (made.label, made.providers, made.key not in repr(made)) == ("film=x=1", ("hiapi",), True)
    plain = await client.do("keys.create", "reader", scopes=["read"])
    async with either(kind, service.url, plain.key) as reader:
        assert (await reader.do("tasks.list")).tasks == ()
    assert made.id in [key.id for key in await client.items("keys.all")]
    assert (await client.do("keys.list", name="render")).keys[0].id == made.id
    assert (await client.do("keys.get", made.id)).revoked_at is None
    assert (await client.do("keys.revoke", made.id)).revoked_at is not None
    with pytest.raises(ValueError, match="one label"):
        await client.do("keys.create", "two", scopes=["read"], label={"a": "1", "b": "2"})


async def test_probes_answer(client: Either) -> None:
    assert (await client.do("health")).status == "alive"
    ready = await client.do("readiness")
    assert (ready.status, ready.accounts) == ("ready", ())  # who has no key gets no accounts, not even none


async def test_a_call_is_a_value_that_either_client_runs(client: Either, service: Served) -> None:
    await service.has()
    call = tasks.get_task("tsk_1")
    assert [(await client.do("run", call)).id for _ in range(2)] == ["tsk_1", "tsk_1"]


async def test_a_wrong_key_is_refused_without_being_shown(kind: Kind, service: Served) -> None:
    async with either(kind, service.url, "a-wrong-key-of-somebody") as client:
        with pytest.raises(ReceiverRefused, match="401") as caught:
            await client.do("tasks.list")
        assert "a-wrong-key" not in str(caught.value) + repr(client.client)


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>hi"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"
BAD_SERVERS: dict[str, tuple[bytes, type[Exception], str]] = {
    "an HTML page": (HTML, ReceiverUnreachable, "cannot be read"),
    "members are missing": (JSON + b'Content-Length: 12\r\n\r\n{"id":"tsk"}', ReceiverUnreachable, "another version"),
    "a route is missing": (problem(404, "not-found", title="There is no such thing here"), ReceiverRefused, "404"),
    "a 404 of a proxy": (
        b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
        ReceiverUnreachable,
        "that is not whenfinal",
    ),
    "a 502 of a proxy": (b"HTTP/1.1 502 Bad\r\nContent-Length: 2\r\n\r\nno", ReceiverUnreachable, "status 502"),
    "a redirect": (REDIRECT, ReceiverUnreachable, "302"),
    "a cut answer": (JSON + b'Content-Length: 99\r\n\r\n{"id":"tsk"', ReceiverUnreachable, "ended before the answer"),
    "cut JSON": (JSON + b'Content-Length: 11\r\n\r\n{"id":"tsk"', ReceiverUnreachable, "cannot be read"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9\r\n\r\n", ReceiverUnreachable, "ended before the answer"),
    "a problem of odd types": (problem(422, "x", title=3, detail=[1], errors={}, task=3), ReceiverRefused, "422"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
async def test_what_is_no_receiver_of_this_version_is_an_error_of_the_client(kind: Kind, name: str) -> None:
    raw, raised, words = BAD_SERVERS[name]
    async with serving(replying_with(raw)) as server, either(kind, server.url.removesuffix("/a"), KEY) as client:
        with pytest.raises(raised, match=words):
            await asyncio.wait_for(client.do("tasks.get", "tsk_1"), PATIENCE_S)


async def test_members_of_a_later_version_are_ignored(kind: Kind, service: Served) -> None:
    await service.has()
    document: dict[str, Any] = (await service.get("/v1/tasks/tsk_1")).json()
    answer = httpx.Response(200, json=document | {"later": {"x": 1}})
    async with (
        serving(replying(reply(answer.content))) as server,
        either(kind, server.url.removesuffix("/a"), KEY) as client,
    ):
        assert (await client.do("tasks.get", "tsk_1")).id == "tsk_1"


async def test_the_async_client_runs_on_an_application_without_a_socket(service: Served) -> None:
    await service.has()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        yield service.services

    app = build_app(opened)
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(app=with_state)
        async with Client("http://in-this-process", KEY, transport=transport) as client:
            assert (await client.tasks.get("tsk_1")).id == "tsk_1"
            with pytest.raises(ReceiverRefused, match="404"):
                await client.tasks.get("tsk_2")


def test_the_plain_client_takes_a_transport() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"status": "alive"}))
    with SyncClient("http://in-this-process", "key", transport=transport) as client:
        assert client.health().status == "alive"
