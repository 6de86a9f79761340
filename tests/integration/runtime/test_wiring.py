"""From environment variables to running services: keys made once, real sockets, and a stop that loses nothing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.runtime.background import working
from receiver.runtime.environment import load_settings
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.store.errors import SchemaBehind
from receiver.tasks.model.request import TaskRequest
from receiver.tasks.model.submit_result import Submitted
from receiver.web.app import create_app
from submitter.model import TaskState
from submitter.request import RawRequest, VideoRequest
from submitter.simulator import SimulatorConfig, running
from submitter.simulator.server import Simulator

SPEED = 600.0


def env_of(path: Path, **more: str) -> dict[str, str]:
    return {"WHENFINAL_DATABASE_URL": f"sqlite:///{path / 'ledger.db'}"} | more


def settings_for(path: Path, sim: Simulator, **more: str) -> Settings:
    """Every platform of the simulator under its own key, at its speed."""
    given = env_of(path, WHENFINAL_PROVIDER_SPEED=str(int(SPEED)), WHENFINAL_LOG_LEVEL="error") | more
    for name in ("hiapi", "dashscope", "modellix", "modelstream", "tokenbay"):
        given |= {f"{name.upper()}_API_KEY": sim.key(name), f"{name.upper()}_BASE_URL": sim.base_url(name)}
    return Settings.from_mapping(given)


@pytest.fixture(name="sim")
async def _sim() -> AsyncIterator[Simulator]:
    async with running(SimulatorConfig(speed=SPEED)) as sim:
        yield sim


def test_the_real_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("WHENFINAL_LOG_LEVEL=debug\nWHENFINAL_LOG_FORMAT=json\nWHENFINAL_LEASE_S=\n")
    settings = load_settings({"WHENFINAL_LOG_LEVEL": "error", "WHENFINAL_LOG_FORMAT": " "}, file)
    assert (settings.log.level, settings.log.format, settings.lease_s) == ("error", "json", 60)


def test_without_a_file_the_environment_is_enough(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path / ".env") == load_settings({}, None)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_settings({}, tmp_path / ".env")


async def test_keys_are_made_at_the_first_start_and_stored(tmp_path: Path) -> None:
    settings, shown = Settings.from_mapping(env_of(tmp_path)), list[str]()
    async with open_services(settings, show_key=shown.append) as first:
        pass
    async with open_services(settings, show_key=shown.append) as second:
        pass
    assert (first.secret_keys, first.keyring.keys) == (second.secret_keys, second.keyring.keys)
    assert [hashlib.sha256(key.encode()).digest() for key in shown] == [key.sha256 for key in first.keyring.keys]
    assert shown[0].startswith("wf_")


async def test_processes_that_start_together_agree_on_their_keys(tmp_path: Path) -> None:
    settings, shown = Settings.from_mapping(env_of(tmp_path)), list[str]()

    async def keys() -> object:
        async with open_services(settings, show_key=shown.append) as services:
            return services.secret_keys, services.keyring.keys

    one, two = await asyncio.gather(keys(), keys())
    assert one == two
    assert len(shown) == 1


async def test_a_process_that_can_show_no_key_makes_none(tmp_path: Path) -> None:
    async with open_services(Settings.from_mapping(env_of(tmp_path))) as services:
        assert services.keyring.keys == ()


async def test_keys_that_are_set_are_used_and_none_is_made(tmp_path: Path) -> None:
    given = env_of(tmp_path, WHENFINAL_API_KEYS="ci:read:0123456789abcdef", WHENFINAL_SECRET_KEYS="0123456789abcdef")
    async with open_services(Settings.from_mapping(given), show_key=pytest.fail) as services:
        assert services.secret_keys == ("0123456789abcdef",)
        assert [(key.name, key.scopes) for key in services.keyring.keys] == [("ci", frozenset({"read"}))]


async def test_a_process_that_may_not_migrate_says_that_the_schema_is_behind(tmp_path: Path) -> None:
    with pytest.raises(SchemaBehind):
        async with open_services(Settings.from_mapping(env_of(tmp_path)), migrating=False):
            pass


REQUESTS = [
    TaskRequest(provider="hiapi", video=VideoRequest(model="happyhorse-1.1/text-to-video", prompt="a horse")),
    TaskRequest(provider="dashscope", video=VideoRequest(model="happyhorse-1.1-t2v", prompt="a horse")),
    TaskRequest(
        provider="modellix",
        video=VideoRequest(
            model="happyhorse-1.1-r2v", prompt="[Image 1] runs", reference_images=("https://cdn.example/a.png",)
        ),
    ),
    TaskRequest(provider="modelstream", raw=RawRequest(body={"model": "happyhorse-1.1-t2v", "prompt": "a horse"})),
    TaskRequest(provider="tokenbay", raw=RawRequest(body={"model": "happyhorse-1.0-t2v", "prompt": "a horse"})),
]


@pytest.mark.parametrize("task_request", REQUESTS, ids=lambda each: each.provider)
async def test_a_task_reaches_its_end_at_every_platform(
    tmp_path: Path, sim: Simulator, task_request: TaskRequest
) -> None:
    async with open_services(settings_for(tmp_path, sim)) as services, working(services):
        task = await _submitted(services, task_request)
        assert task.task.state is TaskState.SUBMITTED
        await services.feed.wait_for_task(task.task.id, timeout_s=60)
        ended = await services.store.tasks.task(task.task.id)
        assert ended is not None
        assert (ended.state, len(ended.outputs), len(sim.records().tasks)) == (TaskState.SUCCEEDED, 1, 1)


@pytest.mark.parametrize("fault", ["reply_lost", "reply_truncated", "reply_html", "submit_503"])
async def test_a_submit_with_a_fault_is_paid_once(tmp_path: Path, sim: Simulator, fault: str) -> None:
    sim.plan("hiapi", [[fault]])
    async with open_services(settings_for(tmp_path, sim)) as services:
        task = await _submitted(services, REQUESTS[0])
        (paid,) = sim.records().of("hiapi")
        assert (task.task.state, task.task.provider_task_id) == (TaskState.SUBMITTED, paid.task_id)


async def test_a_throttled_submit_waits_in_the_queue_and_is_paid_once(tmp_path: Path, sim: Simulator) -> None:
    sim.plan("hiapi", [["submit_429"]])
    async with open_services(settings_for(tmp_path, sim)) as services, working(services):
        submitted = await _submitted(services, REQUESTS[0])
        assert submitted.task.state is TaskState.QUEUED
        await services.feed.wait_for_task(submitted.task.id, timeout_s=60)
        ended = await services.store.tasks.task(submitted.task.id)
        assert ended is not None
        assert (ended.state, len(sim.records().of("hiapi"))) == (TaskState.SUCCEEDED, 1)


@pytest.mark.parametrize("fault", ["reply_lost", "reply_truncated", "reply_html"])
async def test_a_lost_reply_at_a_platform_without_keys_is_never_paid_twice(
    tmp_path: Path, sim: Simulator, fault: str
) -> None:
    sim.plan("dashscope", [[fault]])
    async with open_services(settings_for(tmp_path, sim)) as services:
        task = await _submitted(services, REQUESTS[1])
        assert task.task.state is TaskState.UNCERTAIN
        assert len(sim.records().of("dashscope")) == 1


async def test_a_stop_waits_for_the_submit_in_flight(tmp_path: Path, sim: Simulator) -> None:
    settings = settings_for(tmp_path, sim)
    async with open_services(settings) as services:
        caller = asyncio.create_task(services.submission.submit(REQUESTS[1]))
        while not await services.store.tasks.counts():
            await asyncio.sleep(0)
        caller.cancel()
    async with open_services(settings) as services:
        assert await services.store.tasks.counts() == {("dashscope", TaskState.SUBMITTED): 1}


async def _submitted(services: Services, task_request: TaskRequest) -> Submitted:
    result = await services.submission.submit(task_request)
    assert isinstance(result, Submitted), result
    return result


async def test_an_application_opens_nothing_before_its_lifespan_and_shows_its_first_key(
    tmp_path: Path,
) -> None:
    shown: list[str] = []
    app = create_app(Settings.from_mapping(env_of(tmp_path)), with_worker=True, show_key=shown.append)
    assert list(tmp_path.iterdir()) == []
    async with app.router.lifespan_context(app):
        (key,) = shown
        assert key.startswith("wf_")
