"""A real Postgres for tests: the one that `TEST_POSTGRES_URL` names, or one that is started here and ends with them.

Programs are taken from the `pgserver` wheel or the system, whichever runs. Postgres refuses to run as root; then
another user of the machine runs it.
"""

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

_UNPRIVILEGED = ("postgres", "nobody")
_START_S = 30.0

#: No test pulls the plug, so nothing needs to reach a disk.
_FAST = ("fsync=off", "full_page_writes=off", "autovacuum=off", "max_connections=300", "log_min_messages=warning")

#: For measurements: what was committed is on the disk, as Postgres comes.
DURABLE = ("max_connections=300", "log_min_messages=warning")

#: The role `guarded` alone must show a password.
_ADMISSION = """host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class NoServer(Exception):
    """Says why none can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """Databases on a server, made and dropped as tests need them. `url` is of one that may make others."""

    url: str

    def make(self) -> str:
        """URL of a new one."""
        name = f"whenfinal_test_{secrets.token_hex(6)}"
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
        self.run(made.format(sql.Identifier(name), sql.Identifier("template0")))
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def drop(self, url: str) -> None:
        self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name_of(url))))

    def run(self, statement: sql.Composed | sql.SQL) -> None:
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            connection.execute(statement)


def name_of(url: str) -> str:
    """The database in a URL."""
    return urlsplit(url).path.removeprefix("/")


@dataclass(slots=True, kw_only=True)
class Server:
    """Postgres as a process of this one's. It may be stopped and started again; what is in it stays."""

    programs: Path
    folder: Path
    user: str | None
    port: int
    options: Sequence[str] = _FAST
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        options = [part for each in self.options for part in ("-c", each)]
        place = ["-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(
                [self.programs / "postgres", *place, *options], stdout=out, stderr=out, **as_user(self.user)
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                    words = (self.folder / "log").read_text(errors="replace")[-2000:]
                    raise NoServer(f"Postgres did not start: {error}\n{words}") from error
                time.sleep(0.02)
            else:
                return

    def stop(self, how: str = "immediate") -> None:
        """`immediate` is a crash, `fast` a shutdown that cuts connections."""
        if self._process is not None:
            self.control("stop", "-m", how)
            self._process.wait(_START_S)
            self._process = None

    def control(self, *arguments: str) -> None:
        """`pg_ctl` on this server."""
        command: list[str | Path] = [self.programs / "pg_ctl", "-D", self.folder / "data", "-w", *arguments]
        subprocess.run(command, check=True, capture_output=True, **as_user(self.user))

    def run(self, statement: str) -> None:
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            for each in statement.split(";"):  # settings can not be changed in a transaction of several
                connection.execute(each.encode())


@contextmanager
def databases() -> Iterator[Databases]:
    """Raise NoServer when there is no Postgres to be had."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield Databases(url=url)
        return
    with own_server() as server:
        yield Databases(url=server.url)


@contextmanager
def own_server(options: Sequence[str] = _FAST) -> Iterator[Server]:
    """A new, empty one that the caller may stop, start and spoil. Raise NoServer when there are no programs for it."""
    folder = Path(tempfile.mkdtemp(prefix="whenfinal-pg-"))
    server: Server | None = None
    try:
        user = unprivileged()
        server = Server(programs=_programs(folder, user), folder=folder, user=user, port=free_port(), options=options)
        folder.chmod(0o755)
        if user is not None:
            shutil.chown(folder, user)
        make: list[str | Path] = [server.programs / "initdb", "-D", folder / "data", "-U", "postgres", "-E", "UTF8"]
        make += ["--no-sync", "-A", "trust"]
        made = subprocess.run(make, check=False, capture_output=True, text=True, **as_user(user))
        if made.returncode:
            raise NoServer(f"initdb failed: {made.stderr[-1000:]}")
        (folder / "data" / "pg_hba.conf").write_text(_ADMISSION)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged() -> str | None:
    """Who runs the server; None is ourselves."""
    if os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - not on every system

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)


def as_user(user: str | None) -> dict[str, Any]:
    """Arguments of a subprocess; its folder is one that the user may enter."""
    return {"cwd": "/"} if user is None else {"cwd": "/", "user": user, "group": _group(user), "extra_groups": []}


def _group(user: str) -> int:
    import pwd  # noqa: PLC0415 - not on every system

    return pwd.getpwnam(user).pw_gid


def _programs(folder: Path, user: str | None) -> Path:
    for place in _places():
        if _runs(place, user):
            return place
        if user is not None and _runs(place, None):  # only out of that user's reach: below /root, say
            copy = folder / "postgres"
            shutil.copytree(place.parent, copy, symlinks=True)
            folder.chmod(0o755)
            if _runs(copy / place.name, user):
                return copy / place.name
    raise NoServer(
        "there is no Postgres: set TEST_POSTGRES_URL, or install one, or use a Python for which pgserver has a wheel"
    )


def _places() -> Iterator[Path]:
    wheel = importlib.util.find_spec("pgserver")
    if wheel is not None and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def program(name: str) -> Path:
    """A client program such as pg_dump, of the newest Postgres here. Raise NoServer without one."""
    for place in _places():
        if (place / name).exists():
            return place / name
    raise NoServer(f"there is no {name}")


def _runs(place: Path, user: str | None) -> bool:
    try:
        run = subprocess.run([place / "initdb", "--version"], check=False, capture_output=True, **as_user(user))
    except OSError:
        return False
    return run.returncode == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def no_server(error: NoServer) -> str:
    """The reason of a skip; in CI nothing is skipped silently."""
    if os.environ.get("CI"):
        sys.stderr.write(f"{error}\n")
        raise error
    return str(error)
