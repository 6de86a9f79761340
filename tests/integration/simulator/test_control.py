"""Control over HTTP, the command line, and starting and stopping."""

import asyncio
import base64
import socket
import sys
from typing import Any

import httpx
import pytest

from submitter.simulator import MENU, PLATFORMS, SimulatorConfig, TaskEndedError, UnknownTaskError, create_app, running
from submitter.simulator.__main__ import _parser, config_of
from submitter.simulator.server import _bind
from tests.integration.simulator.calls import calling


async def test_the_front_page_names_base_urls_and_keys() -> None:
    async with calling() as caller:
        page = (await caller.http.get(caller.sim.origin + "/")).text
        assert all(caller.sim.base_url(platform) in page for platform in PLATFORMS)
        assert all(caller.sim.key(platform) in page for platform in PLATFORMS)


async def test_the_menu_is_served() -> None:
    async with calling() as caller:
        assert (await caller.http.get(caller.sim.origin + "/_simulator/faults")).json() == dict(MENU)


async def test_the_records_are_served_as_json() -> None:
    async with calling() as caller:
        task_id = await caller.submit("tokenbay", "a blue horse")
        await caller.send("tokenbay", duration=99)
        books = (await caller.http.get(caller.sim.origin + "/_simulator/books")).json()
    assert books["tasks"][0]["task_id"] == task_id
    assert b"a blue horse" in base64.b64decode(books["tasks"][0]["raw_body_base64"])
    assert (books["refused"][0]["reason"], books["throttled"], books["keys_leaked"]) == ("invalid", [], 0)


async def test_a_plan_can_be_posted() -> None:
    async with calling() as caller:
        plan = {"platform": "tokenbay", "faults": [["fail"], []]}
        answer = await caller.http.post(caller.sim.origin + "/_simulator/plan", json=plan)
        task_id = await caller.submit("tokenbay")
        assert (answer.status_code, caller.sim.records().task(task_id).faults) == (204, ("fail",))


@pytest.mark.parametrize(
    "plan",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"platform":"tokenbay"}',
        b'{"platform":"tokenbay","faults":["fail"]}',
        b'{"platform":"tokenbay","faults":[["nonsense"]]}',
        b'{"platform":"unknown","faults":[]}',
    ],
)
async def test_a_wrong_plan_is_refused(plan: bytes) -> None:
    async with calling() as caller:
        answer = await caller.http.post(caller.sim.origin + "/_simulator/plan", content=plan)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(("verb", "state"), [("finish", "succeeded"), ("fail", "failed"), ("cancel", "canceled")])
async def test_a_task_can_be_ended_over_http_once(verb: str, state: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit("dashscope")
        url = f"{caller.sim.origin}/_simulator/tasks/{task_id}/{verb}"
        statuses = [(await caller.http.post(url)).status_code for _ in range(2)]
        assert (statuses, caller.sim.records().task(task_id).state) == ([204, 409], state)


async def test_a_failure_over_http_takes_code_and_message() -> None:
    async with calling() as caller:
        task_id = await caller.submit("hiapi")
        url = f"{caller.sim.origin}/_simulator/tasks/{task_id}/fail"
        await caller.http.post(url, json={"code": "TASK_TIMEOUT", "message": "too long"})
        error = (await caller.query("hiapi", task_id)).json()["data"]["error"]
    assert error == {"code": "TASK_TIMEOUT", "message": "too long"}


async def test_ending_an_unknown_task_is_404_and_broken_json_400() -> None:
    async with calling() as caller:
        url = caller.sim.origin + "/_simulator/tasks/none/fail"
        assert (await caller.http.post(url)).status_code == 404
        assert (await caller.http.post(url, content=b"{")).status_code == 400


async def test_in_process_verbs_raise_for_what_they_cannot_end() -> None:
    async with calling() as caller:
        task_id = await caller.submit("hiapi")
        caller.sim.cancel(task_id)
        assert await caller.state("hiapi", task_id) == "fail"
        with pytest.raises(TaskEndedError):
            caller.sim.finish(task_id)
        with pytest.raises(UnknownTaskError):
            caller.sim.finish("none")
        with pytest.raises(KeyError):
            caller.sim.records().task("none")


async def test_a_taken_port_is_an_error_and_a_left_one_is_free_again() -> None:
    async with running(SimulatorConfig()) as first:
        port = int(first.origin.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=r"[Aa]ddress"):
            async with running(SimulatorConfig(), port=port):
                pass
    async with running(SimulatorConfig(), port=port) as second:
        assert second.origin == first.origin


def test_the_listening_socket_has_protocol_tcp_so_that_asyncio_sets_nodelay() -> None:
    with _bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


async def test_stopping_does_not_wait_for_answers_held_back() -> None:
    async with calling() as caller:
        slow = asyncio.create_task(caller.submit("tokenbay", "x #simulate:reply_slow"))
        while not caller.sim.records().tasks:
            await asyncio.sleep(0.01)
    await asyncio.wait([slow])


async def test_it_can_be_mounted_under_another_server() -> None:
    app = create_app(SimulatorConfig())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://any.example") as http:
        assert "http://any.example/hiapi" in (await http.get("/")).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 0},
        {"median_s": -1},
        {"failure_rate": 2},
        {"faults": {"fail": 1.5}},
        {"faults": {"nonsense": 0.1}},
        {"keys": {"unknown": "k"}},
        {"account_callback_urls": {"unknown": "http://127.0.0.1:9"}},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|no platform|no fault"):
        SimulatorConfig(**wrong)


def test_secrets_of_a_configuration_are_not_in_its_repr() -> None:
    shown = repr(SimulatorConfig(keys={"hiapi": "one"}, webhook_secrets={"hiapi": "two"}))
    assert "one" not in shown.replace("None", "")
    assert "two" not in shown


def test_the_command_line_becomes_a_configuration() -> None:
    line = "--speed 60 --seed 7 --fault callback_lost=0.1 --fault fail=1 --key hiapi=k --quota tokenbay=3 --no-limits"
    config = config_of(_parser().parse_args([*line.split(), "--unsigned", "--modellix-async-path", "plain"]))
    assert (config.speed, config.seed, dict(config.faults)) == (60, 7, {"callback_lost": 0.1, "fail": 1.0})
    assert (config.key("hiapi"), config.key("tokenbay")) == ("k", "sim-tokenbay-key")
    assert (config.quota["tokenbay"], config.webhook_secret("hiapi")) == (3, None)
    assert (config.limit("hiapi").requests, config.modellix_async_path) == (None, "plain")


@pytest.mark.parametrize("line", ["--speed 0", "--fault nonsense=1", "--fault fail=2", "--key other=k", "--key hiapi"])
def test_a_wrong_command_line_ends_with_status_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        _parser().parse_args(line.split())
    assert "error" in capsys.readouterr().err


async def test_the_module_serves_until_it_is_stopped() -> None:
    port = free_port()
    command = [sys.executable, "-m", "submitter.simulator", "--port", str(port), "--speed", "60"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert str(port).encode() in await process.stdout.readline()
    assert (await until_served(f"http://127.0.0.1:{port}/")).status_code == 200
    assert await submit_losing(port, "submit_reset") == "ReadError"
    assert await submit_losing(port, "reply_lost") == "RemoteProtocolError"
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert errors == b""


async def submit_losing(port: int, fault: str) -> str:
    """A submit that gets no answer; the name of the error it meets."""
    async with httpx.AsyncClient(verify=False, headers={"Authorization": "Bearer sim-tokenbay-key"}) as http:
        body = {"model": "happyhorse-1.0-t2v", "prompt": f"x #simulate:{fault}"}
        with pytest.raises(httpx.TransportError) as met:
            await http.post(f"http://127.0.0.1:{port}/tokenbay/v1/videos", json=body)
    return met.type.__name__


async def until_served(url: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as http:
        while True:
            try:
                return await http.get(url)
            except httpx.ConnectError:
                await asyncio.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
