"""The caller inside the process: the command runs the application without a socket, and needs no key there."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.store.audit import AuditSearch
from receiver.web.auth import CALLER, COMMAND_LINE
from tests.support.service import ORDER, Served, is_problem, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(name="service", scope="module", loop_scope="module")
async def _service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("caller")) as service:
        yield service


class _Inside:
    """The application as the command runs it, with members of the ASGI scope."""

    def __init__(self, app: ASGIApp, members: Mapping[str, Any]) -> None:
        self._app = app
        self._members = members

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, **self._members}, receive, send)


def _client(service: Served, members: Mapping[str, Any]) -> httpx.AsyncClient:
    state = {"state": {"services": service.services}}
    transport = httpx.ASGITransport(_Inside(service.app, {**state, **members}))
    return httpx.AsyncClient(transport=transport, base_url="http://inside")


async def test_the_caller_inside_the_process_needs_no_key_and_acts_as_the_command_line(service: Served) -> None:
    await service.has("tsk_inside", None)
    async with _client(service, {CALLER: COMMAND_LINE}) as inside:
        assert (await inside.get("/v1/tasks")).status_code == 200
        settled = await inside.post("/v1/tasks/tsk_inside/settle", json={"refused": True})
    assert settled.status_code == 200
    found = await service.services.store.audit.page(AuditSearch(task_id="tsk_inside"))
    assert [row.actor for row in found.rows] == ["command line"]


async def test_its_idempotency_keys_are_those_of_the_command_line_and_no_key_of_the_api(service: Served) -> None:
    key = {"Idempotency-Key": "the-same-for-both"}
    async with _client(service, {CALLER: COMMAND_LINE}) as inside:
        first = await inside.post("/v1/tasks", json=ORDER, headers=key)
    stored = await service.services.store.tasks.task(first.json()["task" if first.is_error else "id"])
    assert stored is not None
    assert stored.key_scope == "command line"
    other = await service.post("/v1/tasks", ORDER, headers=key)
    assert other.json()["task" if other.is_error else "id"] != stored.id


@pytest.mark.parametrize("value", [None, "command line", {"scopes": ["operate"]}])
async def test_nothing_but_a_caller_counts(service: Served, value: object) -> None:
    async with _client(service, {CALLER: value}) as inside:
        is_problem(await inside.get("/v1/tasks"), 401)


@pytest.mark.parametrize("name", [CALLER, "whenfinal-caller", "caller", "state", "x-whenfinal-caller"])
async def test_no_header_and_no_parameter_makes_a_caller_of_what_comes_over_a_socket(
    service: Served, name: str
) -> None:
    for value in ("command line", "Caller(name='', actor='command line', scopes=frozenset({'read'}))"):
        is_problem(await service.http.get("/v1/tasks", headers={name: value}), 401)
        is_problem(await service.http.get("/v1/tasks", params={name: value}), 401)
