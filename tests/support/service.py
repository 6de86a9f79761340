"""The real application on a real socket over a real ledger; providers are the simulator, or cannot be reached."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from receiver.callbacks.model import make_callback_token
from receiver.config.settings import Settings
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.tasks.model.task import Task
from receiver.web.app import build_app
from receiver.web.bodies import Bodies
from receiver.web.openapi import statuses
from receiver.web.routes import ROUTES
from receiver.web.server import server_config
from submitter.http.transport import tls_context
from submitter.model import TaskId, TaskState
from submitter.simulator import Simulator, SimulatorConfig, running
from tests.support.builders import T0, a_task

SECRET_KEY = "a-secret-key-of-the-tests-1"
HIAPI_SECRET = "sim-hiapi-webhook-secret"
KEYS = {
    "all": ("submit+read+operate", "key-with-every-scope-0001"),
    "submit": ("submit", "key-that-may-submit-0001"),
    "read": ("read", "key-that-may-read-000001"),
    "operate": ("operate", "key-that-may-operate-0001"),
}
_DESCRIBED = [(each.method, re.compile(re.sub("{[a-z]+}", "[^/]+", each.path)), statuses(each)) for each in ROUTES]
UNREACHABLE = "http://127.0.0.1:9"
VIDEO = {"model": "happyhorse-1.1/text-to-video", "prompt": "a horse at dawn"}
ORDER = {"provider": "hiapi", "video": VIDEO}


@dataclass(eq=False, kw_only=True)
class Served:
    url: str
    services: Services
    http: httpx.AsyncClient
    app: Starlette

    @property
    def bodies(self) -> Bodies:
        found = self.app.state.bodies
        assert isinstance(found, Bodies)
        return found

    def key(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEYS[name][1]}"}

    async def get(self, path: str, *, key: str = "all", headers: Any = None, **rest: Any) -> httpx.Response:
        return await self.http.get(path, headers={**self.key(key), **(headers or {})}, **rest)

    async def post(
        self, path: str, document: Any = None, *, key: str = "all", headers: Any = None, **rest: Any
    ) -> httpx.Response:
        body = rest if document is None else {"json": document} | rest
        return await self.http.post(path, headers={**self.key(key), **(headers or {})}, **body)

    async def has(self, name: str = "tsk_1", provider_task_id: str | None = "p1", **changes: Any) -> None:
        """A task in the ledger; with the provider's id it is running, without it uncertain."""
        values: dict[str, Any] = {
            "state": TaskState.UNCERTAIN if provider_task_id is None else TaskState.RUNNING,
            "provider_task_id": provider_task_id,
            "next_poll_ms": None,
        }
        await self.services.store.submissions.open_task(a_task(name, **(values | changes)), T0)

    async def task(self, name: str) -> Task:
        task = await self.services.store.tasks.task(TaskId(name))
        assert task is not None
        return task

    def callback_path(self, task_id: str | None = "tsk_1", provider: str = "hiapi", **changes: Any) -> str:
        now_s = int(time.time()) - changes.get("age_s", 0)
        named = None if task_id is None else TaskId(task_id)
        token = make_callback_token([changes.get("key", SECRET_KEY)], provider=provider, task_id=named, now_s=now_s)
        return f"/callbacks/{provider}/{token}"

    async def calls_back(self, path: str | None = None, **changes: Any) -> httpx.Response:
        return await self.http.post(path or self.callback_path(), **({"json": a_callback_body()} | changes))


def a_callback_body(status: str = "success", provider_task_id: str = "p1") -> dict[str, Any]:
    data: dict[str, Any] = {"taskId": provider_task_id, "status": status, "created": 1, "completed": 2}
    return data | ({"output": [{"url": "https://cdn.example/v.mp4", "type": "video"}]} if status == "success" else {})


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Starlette, listener: socket.socket) -> AsyncIterator[str]:
    """The application's URL, once it answers."""
    config = server_config(app)
    config.lifespan = "on"
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def served(folder: Path, sim: Simulator | None = None, **changes: str) -> AsyncIterator[Served]:
    """No jobs run: nothing happens that the test does not do."""
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio, unlike the loop of production, leaves it off here, and each answer with a body would take 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    settings = Settings.from_mapping(_environment(folder, listener.getsockname()[1], sim) | changes)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))

        @asynccontextmanager
        async def opened() -> AsyncIterator[Services]:
            yield services

        app = build_app(opened, has_dashboard=settings.dashboard.is_on)
        url = await stack.enter_async_context(serving(app, listener))
        hooks = {"response": [_is_described]}
        client = httpx.AsyncClient(base_url=url, verify=tls_context(), trust_env=False, timeout=90, event_hooks=hooks)
        http = await stack.enter_async_context(client)
        stack.callback(services.feed.close)
        yield Served(url=url, services=services, http=http, app=app)


async def _is_described(reply: httpx.Response) -> None:
    """Whatever a test asks, `/openapi.json` must name the status of the answer."""
    path = reply.request.url.raw_path.partition(b"?")[0].decode()
    for method, form, described in _DESCRIBED:
        if method == reply.request.method and form.fullmatch(path):
            assert reply.status_code in described, f"{method} {path}: {reply.status_code} is not described"


def _environment(folder: Path, port: int, sim: Simulator | None) -> dict[str, str]:
    given = {
        "WHENFINAL_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
        "WHENFINAL_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WHENFINAL_SECRET_KEYS": SECRET_KEY,
        "WHENFINAL_API_KEYS": ",".join(f"{name}:{scopes}:{key}" for name, (scopes, key) in KEYS.items()),
        "WHENFINAL_ALLOW_PRIVATE": "127.0.0.0/8",
        "WHENFINAL_PROVIDERS": "hiapi,signed=hiapi,dashscope",
        "SIGNED_WEBHOOK_SECRET": HIAPI_SECRET,
    }
    for name, platform in {"hiapi": "hiapi", "signed": "hiapi", "dashscope": "dashscope"}.items():
        given[f"{name.upper()}_API_KEY"] = f"sim-{platform}-key"
        given[f"{name.upper()}_BASE_URL"] = sim.base_url(platform) if sim else f"{UNREACHABLE}/{platform}"
    return given


@asynccontextmanager
async def served_with_simulator(folder: Path, **config: Any) -> AsyncIterator[tuple[Served, Simulator]]:
    """HiAPI's callbacks come unsigned, as for an account without a signing key."""
    wanted = replace(SimulatorConfig(speed=600.0, webhook_secrets={"hiapi": None}), **config)
    async with running(wanted) as sim, served(folder, sim) as service:
        yield service, sim


def is_problem(reply: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem of an answer; fail unless it is a full one."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(reply.content)
    assert problem["status"] == status
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert {"type", "title"} <= problem.keys()
    return problem
