"""A pgbouncer in transaction mode in front of a Postgres, as a process of this one's."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from tests.support.postgres import as_user, free_port, unprivileged

SERVERS = 3  # connections to Postgres that all clients share; fewer than any test has clients
_START_S = 20.0

_SETTINGS = """
[databases]
* = {target}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 500
query_wait_timeout = 20
"""


class NoPooler(Exception):
    """Says why none can be had."""


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """The same database through the pooler. Raise NoPooler where pgbouncer is not installed or does not start."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NoPooler("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    folder, port, user = Path(tempfile.mkdtemp(prefix="whenfinal-pgb-")), free_port(), unprivileged()
    process: subprocess.Popen[bytes] | None = None
    try:
        _write_settings(folder, url, port)
        folder.chmod(0o755)
        command = [program, str(folder / "ini")]
        with (folder / "log").open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, **as_user(user))
        there = urlsplit(url)._replace(netloc=f"{urlsplit(url).username or 'postgres'}@127.0.0.1:{port}").geturl()
        _wait_until_ready(process, there, folder)
        yield there
    finally:
        if process is not None:
            process.kill()
            process.wait(_START_S)
        shutil.rmtree(folder, ignore_errors=True)


def _write_settings(folder: Path, url: str, port: int) -> None:
    parts = urlsplit(url)
    user = parts.username or "postgres"
    target = {"host": parts.hostname or "127.0.0.1", "port": parts.port or 5432, "user": user}
    if parts.password:
        target["password"] = unquote(parts.password)
    words = " ".join(f"{name}={value}" for name, value in target.items())
    (folder / "ini").write_text(_SETTINGS.format(target=words, port=port, folder=folder, servers=SERVERS))
    (folder / "users").write_text(f'"{user}" ""\n')


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, folder: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline or process.poll() is not None:
                words = (folder / "log").read_text(errors="replace")[-2000:]
                raise NoPooler(f"pgbouncer did not start: {error}\n{words}") from error
            time.sleep(0.02)
        else:
            return
