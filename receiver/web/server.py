"""The HTTP server of a process: first the socket, then the application, then the server around it.

In this order, a port in use ends the start before any job has run, and on a stop the requests in flight end before the
application closes what they use.
"""

import asyncio
import gc
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
from receiver.web.protocol import Protocol

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

BACKLOG = 2048

KEEP_ALIVE_S = 75  # longer than the usual 60 s of proxies, so that they end an idle connection and not we

#: How long requests in flight may take on a stop; platforms kill a process 30 s after they asked it to stop.
LAST_REQUESTS_S = 20

#: During a stop, a connection whose client reads nothing for so long is aborted, because it would delay the stop.
STALLED_S = 2.0

#: So many more objects are alive before the collector looks for cycles. With Python's 700, the requests in flight alone
#: start it again and again, and it takes a fifteenth of the processor time of a callback.
COLLECT_AFTER = 20_000

SPARE_FILES = 1000  # beside streams and waits: for short requests, providers, subscribers and the ledger


class Server(uvicorn.Server):
    """Stops gracefully at the first signal and at once at the second.

    `on_listening` is called when requests are accepted. A stop ends waits and streams first.
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
        aborting = asyncio.create_task(self._abort_stalled())
        try:
            await super().shutdown(sockets)
        finally:
            aborting.cancel()

    async def _abort_stalled(self) -> None:
        unread: dict[object, int] = {}
        while True:
            await asyncio.sleep(STALLED_S)
            connections = [each for each in self.server_state.connections if each.transport.get_write_buffer_size()]
            for each in connections:
                if unread.get(each) == each.transport.get_write_buffer_size():
                    each.transport.abort()
            unread = {each: each.transport.get_write_buffer_size() for each in connections}

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave out uvicorn's last step, which raises the signal again, so that a clean stop has exit status 0."""
        for number in STOP_SIGNALS:
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)


class Unsignalled(uvicorn.Server):
    """Leaves the signals to the process around it, which sets `should_exit`. `state` is that of each request."""

    def __init__(self, config: uvicorn.Config, *, state: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._state = dict(state)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        await super().startup(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def allow_files(wanted: int) -> int:
    """Raise this process's limit of open files as far as the system allows; return the limit."""
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415 - Windows has no such module, so it is imported where it is used

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return wanted if soft == resource.RLIM_INFINITY else soft


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raise OSError when the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def address_of(listener: socket.socket) -> str:
    """Return the URL of a listener."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_config(app: Starlette) -> uvicorn.Config:
    """Return uvicorn's configuration. Logging and the application's lifespan are ours; see `serve`."""
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="error",  # anyone can cause its warnings, without limit
        access_log=False,
        server_header=False,
        lifespan="off",
        http=Protocol,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=LAST_REQUESTS_S,
    )


async def serve(
    app: Starlette, listener: socket.socket, *, config: uvicorn.Config, on_listening: Callable[[], None]
) -> None:
    """Serve until a signal. Raise whatever the start of the application raises."""
    async with app.router.lifespan_context(app) as state:
        gc.freeze()  # what the start has made stays, so the collector need not look at it again
        gc.set_threshold(COLLECT_AFTER)
        await Server(config, state=state or {}, on_listening=on_listening).serve(sockets=[listener])
