"""The HTTP server of a process: a socket first, then the application, then the server around it.

In this order, so that a taken port ends the start before any tick has run, and on a stop the requests in flight come to
their ends before the application closes what they use.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from receiver.runtime.services import Services

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

BACKLOG = 2048

KEEP_ALIVE_S = 75  # beyond the usual 60 s of proxies, so that they and not we end an idle connection

#: How long requests in flight may take on a stop; platforms kill 30 s after they have asked.
LAST_REQUESTS_S = 20

#: A client that takes nothing for so long during a stop is left, as it would hold up the stop for all of that time.
DEAF_S = 2.0

SPARE_FILES = 1000  # beside streams and waits: short requests, providers, subscribers, the ledger


class Server(uvicorn.Server):
    """Ends well when told to by a signal, and at once by a second one.

    `on_listening`: requests are taken now. Who only waits or listens is answered as soon as the stop begins.
    """

    def __init__(self, config: uvicorn.Config, *, state: Mapping[str, Any], on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._state = dict(state)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services: Services = self._state["services"]
        services.feed.close()
        cutting = asyncio.create_task(self._cut_deaf())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut_deaf(self) -> None:
        unread: dict[object, int] = {}
        while True:
            await asyncio.sleep(DEAF_S)
            connections = [each for each in self.server_state.connections if each.transport.get_write_buffer_size()]
            for each in connections:
                if unread.get(each) == each.transport.get_write_buffer_size():
                    each.transport.abort()
            unread = {each: each.transport.get_write_buffer_size() for each in connections}

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without uvicorn's own last step: it would raise the signal again and so end a clean stop as a death."""
        for number in STOP_SIGNALS:
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def allow_files(wanted: int) -> int:
    """Let this process open so many files, as far as the system does; returns how many it may open."""
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return wanted if soft == resource.RLIM_INFINITY else soft


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raise OSError when there is no having it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def address_of(listener: socket.socket) -> str:
    """The URL of a listener, as a person would call it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_config(app: Starlette) -> uvicorn.Config:
    """With uvloop and httptools where they are installed; the log and the start and end of the application are ours."""
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="error",  # its warnings are what strangers send, without an end
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=LAST_REQUESTS_S,
    )


async def serve(
    app: Starlette, listener: socket.socket, *, config: uvicorn.Config, on_listening: Callable[[], None]
) -> None:
    """Until a signal. What the application's start raises comes out as it is."""
    async with app.router.lifespan_context(app) as state:
        await Server(config, state=state or {}, on_listening=on_listening).serve(sockets=[listener])
