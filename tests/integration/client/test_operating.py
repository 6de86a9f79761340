"""What an operator's script does with either client against the real receiver: batches, searches, runs, files."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.store.ids import id_floor
from submitter import Video
from submitter.client import conversation
from submitter.client.calls.results import OVERLAP
from submitter.errors import ReceiverRefused
from submitter.model import TaskState
from submitter.simulator import Simulator
from tests.support.both_clients import Either, Kind, either
from tests.support.file_server import MP4, answering
from tests.support.file_server import reply as file_reply
from tests.support.raw_server import reply, replying, serving
from tests.support.service import KEYS, VIDEO, Served, served_with_simulator
from tests.support.stream_bytes import PATIENCE_S

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


def _new_id(at_ms: int) -> str:
    """An id that sorts by its time, as filters by time expect it."""
    return id_floor("tsk", at_ms)


async def test_a_batch_has_an_outcome_for_each_task(kind: Kind, simulated: tuple[Served, Simulator]) -> None:
    good = {"provider": "hiapi", "video": Video(model=VIDEO["model"], prompt="a horse"), "idempotency_key": "one"}
    bad = {"provider": "hiapi", "video": Video(model="no-such-model", prompt="a horse")}
    async with either(kind, simulated[0].url, KEY) as client:
        first = await client.do("tasks.submit_many", [good, bad])
        again = await client.do("tasks.submit_many", [good])
    assert [outcome.status for outcome in first.outcomes] == [202, 422]
    assert first.outcomes[1].problem.errors[0].field == "tasks[1].video.model"
    assert (again.outcomes[0].task.id, again.outcomes[0].replayed) == (first.outcomes[0].task.id, True)


async def test_a_batch_that_is_too_long_is_refused_in_words(client: Either) -> None:
    with pytest.raises(ReceiverRefused, match="tasks"):
        await client.do("tasks.submit_many", [{"provider": "hiapi", "video": {}}] * 101)


async def test_a_task_is_found_by_any_id_and_explained(client: Either, service: Served) -> None:
    await service.has(labels={"film": "1"})
    for text, read_as in (("tsk_1", "task"), ("p1", "id_or_key"), ("film=1", "label")):
        found = await client.do("tasks.find", text)
        assert ([task.id for task in found.tasks], found.read_as) == (["tsk_1"], read_as)
    told = await client.do("tasks.explain", "tsk_1")
    assert (told.task.id, bool(told.next)) == ("tsk_1", True)


async def test_every_filter_of_tasks_is_taken(client: Either, service: Served) -> None:
    now_ms = service.services.clock()
    task_id = _new_id(now_ms)
    await service.has(task_id, labels={"film": "1"}, idempotency_key="k", created_ms=now_ms)
    wanted: dict[str, Any] = {
        "state": ["running", "uncertain"],
        "provider": "hiapi",
        "model": "happyhorse-1.1/reference-to-video",
        "labels": {"film": "1"},
        "key": "k",
        "task_id": "p1",
        "since": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00Z",
        "older_than_s": 0,
    }
    assert [task.id for task in await client.items("tasks.all", **wanted)] == [task_id]
    assert await client.items("tasks.all", **wanted | {"key": "other"}) == []
    assert await client.items("tasks.all", overdue=True) + await client.items("tasks.all", contradicted=True) == []
    assert await client.items("tasks.all", ended_by=["poll", "operator"]) == []


async def test_a_cancel_that_is_not_possible_says_why(client: Either, service: Served) -> None:
    await service.has()
    with pytest.raises(ReceiverRefused, match="409"):
        await client.do("tasks.cancel", "tsk_1")


async def test_a_look_compares_a_lost_submit_with_the_list(kind: Kind, simulated: tuple[Served, Simulator]) -> None:
    service, _ = simulated
    await service.has("tsk_1", None)
    async with either(kind, service.url, KEY) as client:
        seen = await client.do("tasks.look", "tsk_1")
    assert (seen.task, seen.candidates, bool(seen.why)) == ("tsk_1", (), True)


async def test_a_run_is_previewed_started_once_waited_for_and_listed(client: Either, service: Served) -> None:
    now_ms = service.services.clock() - 3_600_000
    names = [_new_id(now_ms + number) for number in (1, 2)]
    for name in names:
        await service.has(name, None, created_ms=now_ms)
    preview = await client.do("runs.preview", "settle", state="uncertain")
    run = await client.do("runs.refuse_tasks", state="uncertain", run_key="night-1")
    assert (await client.do("runs.refuse_tasks", state="uncertain", run_key="night-1")).id == run.id
    ended = await client.do("runs.wait", run.id, timeout_s=PATIENCE_S)
    assert (preview.count, ended.state, ended.done, ended.failed) == (2, "finished", 2, 0)
    assert (await client.do("tasks.get", names[0])).state is TaskState.REFUSED
    assert [each.id for each in await client.items("runs.all")] == [run.id]
    assert (await client.do("runs.get", run.id)).actor == "key all"
    assert (await client.do("runs.list", limit=1)).runs[0].id == run.id


async def test_dead_letters_are_sent_again_by_a_filter(client: Either, service: Served) -> None:
    async with serving(replying(reply())) as hook:
        made = await client.do("subscriptions.create", hook.url)
        await service.has()
        await service.calls_back()
        await service.services.deliverer.deliver_once(limit=10)
    wanted = {"state": "delivered", "subscription": made.id, "task": "tsk_1", "error": ["2xx"]}
    assert (await client.do("runs.preview_redeliver", **wanted)).count == 1
    run = await client.do("runs.redeliver", **wanted)
    assert (await client.do("runs.wait", run.id, timeout_s=PATIENCE_S)).done == 1
    assert len(await client.items("deliveries.all", state="pending")) == 1


async def test_an_act_without_a_condition_must_say_all(client: Either) -> None:
    with pytest.raises(ReceiverRefused, match="all"):
        await client.do("runs.cancel_tasks")
    run = await client.do("runs.cancel_tasks", all=True)
    assert (await client.do("runs.wait", run.id, timeout_s=PATIENCE_S)).done == 0


async def test_a_file_is_downloaded_through_the_service(client: Either, service: Served, tmp_path: Path) -> None:
    film = MP4 + bytes(range(256)) * 400

    def serve(head: bytes) -> bytes:
        wanted = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"range: bytes=")), None)
        if wanted is None:
            return file_reply(film, "video/mp4")
        start = int(wanted[13:].rstrip(b"-"))
        place = f"bytes {start}-{len(film) - 1}/{len(film)}"
        return file_reply(film[start:], "video/mp4", "206 Partial Content", Content_Range=place)

    async with answering(serve) as (url, heads):
        await service.has()
        output = [{"url": f"{url}/film.mp4", "type": "video"}]
        await service.calls_back(json=_ended(output))
        assert await client.do("results.download", "tsk_1", tmp_path) == tmp_path / "tsk_1-video.mp4"
        (tmp_path / "other.mp4.part").write_bytes(film[:50_000])
        await client.do("results.download", "tsk_1", tmp_path / "other.mp4", number=0)
        assert b"".join(await client.items("results.chunks", "tsk_1")) == film
        with pytest.raises(ReceiverRefused, match="404"):
            await client.do("results.download", "tsk_1", tmp_path / "none", number=1)
    assert (tmp_path / "tsk_1-video.mp4").read_bytes() == (tmp_path / "other.mp4").read_bytes() == film
    assert any(b"range: bytes=%d-" % (50_000 - OVERLAP) in head.lower() for head in heads)
    assert not (tmp_path / "none").exists()


def _ended(output: list[dict[str, str]]) -> dict[str, object]:
    return {"taskId": "p1", "status": "success", "created": 1, "completed": 2, "output": output}


async def test_models_counts_and_checks_are_read(client: Either, service: Served) -> None:
    await service.has("tsk_1", None)
    everything = await client.do("models")
    assert {each.provider for each in everything.models} == {"hiapi", "signed", "dashscope"}
    assert (await client.do("models", provider="hiapi")).models == (await client.do("providers.models", "hiapi")).models
    assert (await client.do("counts")).uncertain.number == 1
    found = await client.do("checks")
    assert found.ok is all(check.level != "fail" for check in found.checks)
    assert len(found.checks) > 3


async def test_a_stream_token_is_made_for_a_browser(client: Either, service: Served) -> None:
    made = await client.do("events.token", ttl_s=60, types=["task.failed"])
    async with service.http.stream("GET", "/v1/events/stream", params={"token": made.token}) as stream:
        assert stream.status_code == 200
    assert made.token not in repr(made)
