"""Backup and restore as the page on deploying describes them: what was in the backup is there and comes to its end."""

import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.docs.pages import DOCS, fences
from tests.support.cli import API_KEYS, OPERATOR, TIMEOUT_S, Cli, Process, read_settings, request_line
from tests.support.postgres import Databases, name_of, program

PAGE = (DOCS / "deploying.md").read_text(encoding="utf-8")
LINES = [line for fence in fences(PAGE, "sh") for line in fence.splitlines()]
#: What the killed or restored process had leased is taken over soon.
SHORT = dict.fromkeys(("WHENFINAL_LEASE_S", "WHENFINAL_PROVIDER_TIMEOUT_S", "WHENFINAL_WEBHOOK_TIMEOUT_S"), "5")
HEADERS = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}


@pytest.fixture
def simulated(cli: Cli, tmp_path: Path) -> Iterator[Cli]:
    """Tasks take seconds, so that some are in flight whenever a backup is made. All are polled."""
    (tmp_path / "simulator").mkdir()
    with Cli(folder=tmp_path / "simulator").running("simulate", "--port", "0", "--speed", "60") as simulator:
        settings = read_settings(simulator)
        del settings["WHENFINAL_PUBLIC_URL"]
        yield cli.with_settings(**settings, **SHORT, WHENFINAL_API_KEYS=API_KEYS)


@contextmanager
def _api(process: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.url, headers=HEADERS, timeout=TIMEOUT_S, trust_env=False) as client:
        yield client


@contextmanager
def _submitting(api: httpx.Client) -> Iterator[list[str]]:
    """Submit again and again until the end; the ids of the tasks that were answered 202."""
    ids: list[str] = []
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(0.05):
            answer = api.post("/v1/tasks", content=request_line(f"fox {len(ids)}", "tokenbay"))
            if answer.status_code == 202:
                ids.append(answer.json()["id"])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ids
    finally:
        is_over.set()
        thread.join()


def _until(is_so: Callable[[], bool]) -> None:
    last = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < last
        time.sleep(0.05)


def _events(api: httpx.Client) -> list[Any]:
    found: list[Any] = api.get("/v1/events", params={"limit": 1000}).json()["events"]
    return found


def _all_end(api: httpx.Client, tasks: Mapping[str, str]) -> None:
    """A submit that was under way when the backup was made is uncertain, because its reply is not in the backup."""
    for task, state in tasks.items():
        expected = "uncertain" if state == "submitting" else "succeeded"
        _until(lambda: api.get(f"/v1/tasks/{task}").json()["state"] == expected)  # noqa: B023 - called at once


def _run(script: str, folder: Path) -> None:
    done = subprocess.run(["sh", "-euc", script], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _used_until_the_backup(api: httpx.Client, back_up: Callable[[], None]) -> int:
    """Tasks are submitted before, during and after it. Return the newest event before the stop."""
    with _submitting(api) as ids:
        _until(lambda: len(ids) >= 5 and len(_events(api)) >= 2)
        back_up()
        number = len(ids)
        _until(lambda: len(ids) >= number + 3)
    _all_end(api, dict.fromkeys(ids, "submitted"))
    newest: int = _events(api)[-1]["seq"]
    return newest


def test_a_sqlite_ledger_is_restored_by_the_lines_of_the_page(simulated: Cli) -> None:
    folder = simulated.folder
    with simulated.running("serve", "--port", "0") as server, _api(server) as api:
        newest = _used_until_the_backup(api, partial(_copy, simulated))
        assert server.stop() == 0
    with closing(sqlite3.connect(folder / "monday.db")) as copy:
        tasks = dict(copy.execute("SELECT id, state FROM tasks").fetchall())
        events = copy.execute("SELECT seq, id FROM events ORDER BY seq").fetchall()
    assert 0 < len(events) < newest

    first = LINES.index("install -d -m 700 aside")
    lines = "\n".join(LINES[first : first + 3])
    assert lines.splitlines()[2].startswith("install -o whenfinal -g whenfinal -m 600 ../whenfinal-backups/monday.db")
    here = lines.replace("-o whenfinal -g whenfinal ", "").replace("../whenfinal-backups/", "")
    for name in ("whenfinal.db-wal", "whenfinal.db-shm"):
        (folder / name).touch()  # a stop takes them away; after a crash they are there
    _run(here, folder)

    with simulated.running("serve", "--port", "0") as server, _api(server) as api:
        server.line_with("ledger_stepped_back")
        _all_end(api, tasks)
        assert [(each["seq"], each["event_id"]) for each in _events(api)[: len(events)]] == events
        assert api.get("/v1/events", params={"after": newest}).status_code == 410
        assert _first_event_of_a_stream(api, newest) == "reset"
        assert server.stop() == 0
    assert "stepped back" in simulated.run("doctor", "--offline").out


def _copy(cli: Cli) -> None:
    ended = cli.run("backup", "monday.db")
    assert (ended.status, ended.out) == (0, ""), ended.err


def _first_event_of_a_stream(api: httpx.Client, after: int) -> str:
    with api.stream("GET", "/v1/events/stream", params={"after": after}) as stream:
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event" and value != "hello":
                return value
    raise AssertionError("the stream has ended")


def _lines_for_postgres(source: str, target: str) -> tuple[str, str]:
    """Those of the page that dump and that restore, for these databases."""
    dump, create, restore = (
        next(line for line in LINES if line.startswith(f"{name} ")) for name in ("pg_dump", "createdb", "pg_restore")
    )
    path = f"PATH={program('pg_dump').parent}:$PATH; "
    dump = dump.replace("postgresql://whenfinal@db.example/whenfinal", f"'{source}'")
    create = create.replace("whenfinal_restored", f"--maintenance-db='{source}' {name_of(target)}")
    restore = restore.replace("--dbname=whenfinal_restored", f"--dbname='{target}'")
    return path + dump, f"{path}{create}\n{restore}"


def test_a_ledger_on_postgres_is_restored_by_the_lines_of_the_page(simulated: Cli, databases: Databases) -> None:
    source = databases.make()
    target = urlsplit(source)._replace(path=f"/restored_{name_of(source)}").geturl()
    dump, restore = _lines_for_postgres(source, target)
    on_source = simulated.with_settings(WHENFINAL_DATABASE_URL=source)
    with on_source.running("serve", "--port", "0") as server, _api(server) as api:

        def back_up() -> None:
            _run(dump, simulated.folder)
            assert on_source.run("backup", "--made", "pg_dump whenfinal.dump").status == 0

        newest = _used_until_the_backup(api, back_up)
        assert server.stop() == 0
    _run(restore, simulated.folder)
    with closing(psycopg.connect(target)) as restored:
        tasks: dict[str, str] = dict(restored.execute("SELECT id, state FROM tasks").fetchall())
        events = restored.execute("SELECT seq, id FROM events ORDER BY seq").fetchall()
    assert 0 < len(events) < newest
    on_target = simulated.with_settings(WHENFINAL_DATABASE_URL=target)
    with on_target.running("serve", "--port", "0") as server, _api(server) as api:
        _all_end(api, tasks)
        assert [(each["seq"], each["event_id"]) for each in _events(api)[: len(events)]] == events
        assert server.stop() == 0
    for url in (source, target):
        databases.drop(url)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is not installed")
def test_a_target_that_is_full_leaves_no_file_and_the_ledger_unharmed(simulated: Cli) -> None:
    """The kernel refuses the copy to grow: what a full disk does, without filling one."""
    with simulated.running("serve", "--port", "0") as server, _api(server) as api:
        task = api.post("/v1/tasks", content=request_line("fox", "tokenbay")).json()["id"]
        full = simulated.with_prefix("prlimit", "--fsize=65536")
        ended = full.run("backup", "copy.db")
        assert (ended.status, ended.out, len(ended.err.splitlines())) == (1, "", 1), ended.err
        assert "copy.db was not written" in ended.err
        assert not [name for name in simulated.files() if name.startswith("copy.db")]
        _all_end(api, {task: "submitted"})
        assert server.stop() == 0
    with closing(sqlite3.connect(simulated.folder / "whenfinal.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT count(*) FROM metadata WHERE name = 'last_backup'").fetchone() == (0,)
    assert simulated.run("backup", "copy.db").status == 0
