"""Authentication, and what every answer has: keys and scopes, request ids, problems for unknown paths."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from receiver.store.errors import StoreError
from receiver.web.routes import ROUTES
from tests.support.service import KEYS, Served, a_callback_body, is_problem, served

CLOSED = [route for route in ROUTES if route.scope is not None]
KEY = KEYS["all"][1]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auth")


@pytest_asyncio.fixture(name="service", scope="module", loop_scope="module")
async def _service(folder: Path) -> AsyncIterator[Served]:
    """One for all tests, because none changes what another reads."""
    async with served(folder) as service:
        yield service


def _path(template: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "x", template)


async def test_everything_below_v1_wants_a_key() -> None:
    assert {route.path for route in ROUTES if route.path.startswith("/v1")} == {route.path for route in CLOSED}


async def test_a_request_without_a_key_is_answered_401_everywhere(service: Served) -> None:
    for route in CLOSED:
        reply = await service.http.request(route.method, _path(route.path))
        is_problem(reply, 401)
        assert reply.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer wrong",
        b"Bearer \xff\xfe\xe4",
        "Bearer 钥匙".encode(),
        f"Bearer {KEY} {KEY}".encode(),
        f"Bearer {KEY},{KEY}".encode(),
        f"Basic {KEY}".encode(),
        KEY.encode(),
        f"Bearer {KEY[:-1]}".encode(),
        f"Bearer {KEY}x".encode(),
        b"Bearer " + b"a" * 20_000,
    ],
)
async def test_what_is_no_key_of_ours_is_answered_401(service: Served, value: bytes) -> None:
    is_problem(await service.http.get("/v1/tasks", headers={b"authorization": value}), 401)


async def test_several_authorization_headers_are_answered_401(service: Served) -> None:
    headers = [("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {KEY}")]
    is_problem(await service.http.get("/v1/tasks", headers=headers), 401)


@pytest.mark.parametrize("value", [f"bearer {KEY}", f"BEARER   {KEY}"])
async def test_the_scheme_may_be_written_in_any_case(service: Served, value: str) -> None:
    assert (await service.http.get("/v1/tasks", headers={"Authorization": value})).status_code == 200


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.path}")
async def test_a_key_without_the_scope_is_answered_403_that_names_it(service: Served, route: Any) -> None:
    for name in {"submit", "read", "operate"} - {route.scope.value}:
        reply = await service.http.request(route.method, _path(route.path), headers=service.key(name))
        assert route.scope.value in is_problem(reply, 403)["detail"]
        assert f'scope="{route.scope.value}"' in reply.headers["www-authenticate"]
    key = service.key(route.scope.value)
    async with service.http.stream(route.method, _path(route.path), headers=key) as reply:  # one of them never ends
        assert reply.status_code not in {401, 403, 500}


async def test_a_refused_key_is_answered_without_waiting_for_the_body(service: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http.base_url.port)
    writer.write(b"POST /v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n{")
    assert b" 401 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_an_address_that_is_not_there_is_a_404_problem(service: Served) -> None:
    for path in ("/", "/v1", "/v1/tasks/", "/v1/tasks/a/b", "/docs/", "/v1/tasks%2Fx", "/callbacks/hiapi/a/b"):
        is_problem(await service.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/tasks", "GET, HEAD, POST"),
        ("PUT", "/v1/tasks/x", "GET, HEAD"),
        ("GET", "/callbacks/hiapi/token", "POST"),
        ("OPTIONS", "/v1/events", "GET, HEAD"),
        ("PATCH", "/healthz", "GET, HEAD"),
    ],
)
async def test_another_method_is_a_405_problem_with_all_that_are_allowed(
    service: Served, method: str, path: str, allow: str
) -> None:
    reply = await service.http.request(method, path)
    is_problem(reply, 405)
    assert reply.headers["allow"] == allow


async def test_a_given_request_id_is_echoed_and_logged(service: Served) -> None:
    with capture_logs() as lines:
        reply = await service.get("/v1/tasks", headers={"X-Request-Id": "their-id-1"})
    assert reply.headers["x-request-id"] == "their-id-1"
    line = next(line for line in lines if line["event"] == "request")
    assert (line["route"], line["status"], line["key"]) == ("/v1/tasks", 200, "all")


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"\xff", "编号".encode()])
async def test_an_unfit_request_id_is_replaced(service: Served, given: bytes) -> None:
    reply = await service.http.get("/healthz", headers={b"x-request-id": given})
    assert re.fullmatch(r"req_[0-9a-f]{24}", reply.headers["x-request-id"])


async def test_several_request_ids_are_replaced(service: Served) -> None:
    reply = await service.http.get("/healthz", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert reply.headers["x-request-id"].startswith("req_")


async def test_a_bug_is_a_500_problem_without_details_and_logged_with_its_request_id(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("the inside of ours")

    monkeypatch.setattr(type(service.services.store.task_search), "page", broken)
    with capture_logs() as lines:
        reply = await service.get("/v1/tasks")
    assert "inside" not in reply.text + str(is_problem(reply, 500))
    assert any(line["event"] == "request_failed" for line in lines)
    assert (await service.get("/v1/events")).status_code == 200


async def test_a_damaged_ledger_is_answered_503_as_one_that_is_away(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object, **__: object) -> NoReturn:
        raise StoreError("database disk image is malformed")

    monkeypatch.setattr(type(service.services.store.ledger), "record", damaged)
    await service.has("tsk_damaged", "p-damaged")
    reply = await service.calls_back(
        service.callback_path("tsk_damaged"), json=a_callback_body(provider_task_id="p-damaged")
    )
    is_problem(reply, 503)
    assert int(reply.headers["retry-after"]) >= 1


async def test_a_ledger_that_cannot_be_written_is_not_ready_and_yet_alive(service: Served, folder: Path) -> None:
    @asynccontextmanager
    async def locked() -> AsyncIterator[None]:
        blocker = sqlite3.connect(folder / "ledger.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        yield
        blocker.close()

    async with locked():
        ready, alive = await asyncio.gather(service.http.get("/readyz"), service.http.get("/healthz"))
        refused = await service.post("/v1/tasks", {"provider": "hiapi", "raw": {"body": {"model": "m"}}})
    for reply in (ready, refused):
        is_problem(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1
    assert alive.status_code == 200


async def test_no_answer_may_be_stored_by_a_cache(service: Served) -> None:
    replies = [await service.get("/v1/tasks"), await service.http.get("/v1/tasks"), await service.http.get("/none")]
    assert {reply.headers["cache-control"] for reply in replies} == {"no-store"}
