"""How a command listens until it is stopped: the signals, and a socket that can not be bound."""

import asyncio
import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from receiver.cli.console import CommandFailed
from receiver.web.server import STOP_SIGNALS


@contextmanager
def stopped_by_signal() -> Iterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets, inside a running loop. A second signal ends the process at once."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def cannot_listen(
    host: str, port: int, error: OSError, *, how: tuple[str, str] = ("--host", "--port")
) -> CommandFailed:
    """The error for a socket that can not be bound, with how to fix it. `how` chooses another host, another port."""
    by_host, by_port = how
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    hints = {
        errno.EADDRINUSE: f"it is in use: stop the other program, or choose another port with {by_port}",
        errno.EACCES: f"this user is not allowed to use it: choose a port above 1023 with {by_port}",
        errno.EADDRNOTAVAIL: f"this machine has no such address: choose another with {by_host}",
    }
    hint = hints.get(error.errno or 0, f"{error.strerror or error}: choose another with {by_host} and {by_port}")
    return CommandFailed(f"can not listen on {place}; {hint}")
