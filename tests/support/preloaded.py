"""Run `whenfinal` as a process that is forked from one in which its modules are imported already.

Most of the time of a short command is spent on imports, and the tests run more than a thousand of them. The fork gets
the arguments, the folder, the environment and the three streams of the call, and nothing else is shared. Commands that
are run through another program are started by their own executable, and so are servers, unless a test only needs one
to be there.
"""

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

#: What most commands import; what only a few do is imported in the fork.
_IMPORTED = (
    "receiver.cli.inside",
    "receiver.cli.program",
    "receiver.cli.common_options",
    "receiver.cli.each",
    "receiver.cli.commands.serve",
    "receiver.runtime.background",
    "receiver.web.app",
    "receiver.web.server",
    "rich.table",
)
_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    status: int
    out: bytes
    err: bytes


def run(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], stdin: bytes, timeout_s: float
) -> Done:
    """Run a command to its end. Raise TimeoutError, after it was killed, when it takes longer."""
    with _Streams.opened(stdin) as streams, _ordered(arguments, folder, environment, streams) as connection:
        connection.settimeout(timeout_s)
        status = int(connection.recv(64))
        return Done(status=status, out=streams.written(streams.out), err=streams.written(streams.err))


@contextmanager
def started(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], says: str, timeout_s: float
) -> Iterator[str]:
    """Give the line of standard error in which a server says this. It is killed at the end."""
    with _Streams.opened(b"") as streams, _ordered(arguments, folder, environment, streams) as connection:
        connection.settimeout(timeout_s)
        until_s = time.monotonic() + timeout_s
        while (line := _line_with(says, streams.written(streams.err).decode())) is None:
            is_over = select.select([connection], [], [], 0.02)[0]
            assert not is_over, streams.written(streams.err).decode()
            assert time.monotonic() < until_s, streams.written(streams.err).decode()
        try:
            yield line
        finally:
            connection.shutdown(socket.SHUT_WR)
            connection.recv(64)  # its status, when it has ended


def _line_with(words: str, text: str) -> str | None:
    return next((line for line in text.splitlines(keepends=True) if words in line and line.endswith("\n")), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    given: IO[bytes]
    out: IO[bytes]
    err: IO[bytes]

    @staticmethod
    @contextmanager
    def opened(stdin: bytes) -> Iterator["_Streams"]:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            yield _Streams(given=given, out=out, err=err)

    def written(self, stream: IO[bytes]) -> bytes:
        """All of it, without moving the place at which the command writes, which is shared."""
        return os.pread(stream.fileno(), os.fstat(stream.fileno()).st_size, 0)


@contextmanager
def _ordered(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: _Streams
) -> Iterator[socket.socket]:
    """A connection on which the status comes; when it is closed, the command is killed."""
    order = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
    text = json.dumps(order).encode()
    numbers = [stream.fileno() for stream in (streams.given, streams.out, streams.err)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(_server())
        socket.send_fds(connection, [_LENGTH.pack(len(text))], numbers)
        connection.sendall(text)
        yield connection


@cache
def _server() -> str:
    """The address of this test process's own server, which ends with it."""
    folder = tempfile.mkdtemp(prefix="whenfinal-preloaded-")
    address = f"{folder}/socket"
    command = [sys.executable, "-m", "tests.support.preloaded", address]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return address


# In the server.


def _serve(address: str) -> NoReturn:
    for name in _IMPORTED:
        __import__(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in readable:
            os._exit(0)  # whoever started it has ended
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _keep(connection)
        connection.close()


def _keep(connection: socket.socket) -> NoReturn:
    """Wait for one command, tell its status, and kill it when the caller has gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, streams = _received(connection)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(order, streams)
    for stream in streams:
        os.close(stream)
    threading.Thread(target=_kill_when_left, args=(connection, child), daemon=True).start()
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    (length,) = _LENGTH.unpack(head)
    text = b""
    while len(text) < length:
        text += connection.recv(length - len(text))
    return json.loads(text), streams


def _kill_when_left(connection: socket.socket, child: int) -> None:
    with suppress(OSError):
        connection.recv(1)  # nothing comes; it ends when the caller has closed it
        os.kill(child, signal.SIGKILL)


def _take_over(order: Mapping[str, Any], streams: Sequence[int]) -> None:
    """The streams, the folder, the environment, and signals as a new program has them."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115 - as long as the process
    sys.argv = ["whenfinal", *order["arguments"]]


def _become(order: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    _take_over(order, streams)
    from receiver.cli.main import main  # noqa: PLC0415 - in the fork, as the executable does

    status = 1
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = _status_of(ended.code)
    except BaseException:  # noqa: BLE001 - as the interpreter does at its end
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _status_of(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1


if __name__ == "__main__":
    _serve(sys.argv[1])
