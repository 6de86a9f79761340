"""The application of all platforms, and its server.

The server runs in the background of an event loop (`running`), or until a signal (`run`).
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from submitter.simulator import control, media
from submitter.simulator.config import BASE_PATHS, SimulatorConfig, check_platform
from submitter.simulator.platforms import (
    dashscope,
    fal,
    hiapi,
    kie,
    kling,
    minimax,
    minimax_v1,
    modellix,
    modelstream,
    replicate,
    runway,
    seedance,
    tokenbay,
    veo,
)
from submitter.simulator.records import Records
from submitter.simulator.task import DEFAULT_ERROR, Phase, TaskError
from submitter.simulator.world import Drop, World

_ROUTES = {
    "hiapi": hiapi.ROUTES,
    "dashscope": dashscope.ROUTES,
    "modellix": modellix.ROUTES,
    "modelstream": modelstream.ROUTES,
    "tokenbay": tokenbay.ROUTES,
    "seedance": seedance.ROUTES,
    "minimax": minimax.ROUTES,
    "minimax-v1": minimax_v1.ROUTES,
    "runway": runway.ROUTES,
    "veo": veo.ROUTES,
    "fal": fal.ROUTES,
    "replicate": replicate.ROUTES,
    "kling": kling.ROUTES,
    "kie": kie.ROUTES,
}

MODELLIX_AT_ORIGIN = "/api/v1"  # the vendor's own client takes no base URL with a path

STOP_AFTER_S = 2  # the longest that the simulator waits for unfinished answers when it stops

_NO_LINGER = struct.pack("ii", 1, 0)  # closing the socket then sends RST instead of FIN


def create_app(config: SimulatorConfig) -> Starlette:
    """Return the application. Only the servers of `running` and `run` can drop a connection without an answer."""
    platforms = [Mount(BASE_PATHS[name], routes=list(routes)) for name, routes in _ROUTES.items()]
    at_origin = Mount(MODELLIX_AT_ORIGIN, routes=list(modellix.ROUTES))
    app = Starlette(routes=[*control.ROUTES, *media.ROUTES, *platforms, at_origin], lifespan=_lifespan)
    app.state.world = World(config=config)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    yield
    await app.state.world.close()


class Simulator:
    """A running simulator, for a caller in the same process."""

    def __init__(self, world: World, origin: str) -> None:
        self._world = world
        self.origin = origin

    def base_url(self, platform: str) -> str:
        """Return the value for the platform's base URL setting."""
        return self.origin + BASE_PATHS[platform]

    def key(self, platform: str) -> str:
        """Return the bearer key that the platform accepts."""
        return self._world.config.key(platform)

    def plan(self, platform: str, faults: Iterable[Iterable[str]]) -> None:
        """Set the faults of the next submits at `platform`, in order of arrival; an idempotent replay uses up none."""
        self._world.plan(platform, faults)

    def call_account_back(self, platform: str, url: str) -> None:
        """Post the callbacks of the account at `platform` to this address, about tasks that are submitted from now."""
        self._world.account_callback_urls[check_platform(platform)] = url

    def records(self) -> Records:
        """Return a record of everything that happened so far."""
        return self._world.records()

    def finish(self, task_id: str) -> None:
        """End a task now, with success."""
        self._world.end(task_id, Phase.SUCCEEDED)

    def fail(self, task_id: str, *, code: str = "", message: str = DEFAULT_ERROR.message) -> None:
        """End a task now, failed; an empty code stands for the platform's usual one."""
        self._world.end(task_id, Phase.FAILED, TaskError(code=code, message=message))

    def cancel(self, task_id: str) -> None:
        """End a task now, canceled; platforms without such a state show it as failed."""
        self._world.end(task_id, Phase.CANCELED)


class _Server(uvicorn.Server):
    """A uvicorn server that reports when it listens, stops at once on `leave`, and installs no signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._leaving.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # a tick of zero renews the Date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if answering := set(self.server_state.tasks):
            _, late = await asyncio.wait(answering, timeout=STOP_AFTER_S)
            for answer in late:
                answer.cancel()
        await self.lifespan.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(config: SimulatorConfig, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Simulator]:
    """Run a simulator in this event loop. Port 0 takes a free port. Raise OSError when the port is in use."""
    app = create_app(config)
    world: World = app.state.world
    listener = _bind(host, port)
    server = _Server(_uvicorn_config(app))
    world.drop = _dropper(server)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.listening.wait()
    try:
        yield Simulator(world, _origin(host, listener.getsockname()[1]))
    finally:
        world.stopping.set()
        server.leave()
        await serving


def run(config: SimulatorConfig, host: str = "127.0.0.1", port: int = 9000) -> None:
    """Serve until SIGINT or SIGTERM."""
    app = create_app(config)
    server = uvicorn.Server(_uvicorn_config(app))
    app.state.world.drop = _dropper(server)
    listener = _bind(host, port)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has stopped
        server.run(sockets=[listener])


def _uvicorn_config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn's own type for applications does not know Starlette's
        log_config=None,  # logging belongs to the process
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=STOP_AFTER_S,
    )


def _origin(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets whose protocol is IPPROTO_TCP. The socket of create_server has protocol
    # 0, so every answer of two writes would wait 40 ms for the caller's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _dropper(server: uvicorn.Server) -> Drop:
    """Return the function that ends a request's connection.

    uvicorn offers none, so its protocol object of the connection is searched for.
    """

    def drop(request: Request, *, by_reset: bool) -> None:
        for protocol in server.server_state.connections:
            if request.client is not None and getattr(protocol, "client", None) == tuple(request.client):
                _end(protocol.transport, by_reset=by_reset)
                return

    return drop


def _end(transport: asyncio.Transport, *, by_reset: bool) -> None:
    if by_reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
