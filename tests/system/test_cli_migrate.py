"""`whenfinal migrate --from --to`: a running installation moves, with the real command."""

import os
import pty
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.cli import OPERATOR, TIMEOUT_S, WHENFINAL, Cli, Process, request_line
from tests.support.postgres import Databases

HEADERS = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
PASSWORD = "hidden-word-of-the-database"
FILE = "sqlite:///whenfinal.db"


@pytest.fixture
def server_url(databases: Databases) -> Iterator[str]:
    """An empty database; its URL has a password, which the server may not even ask for."""
    url = databases.make()
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    yield url if ":" in user else parts._replace(netloc=f"{user}:{PASSWORD}@{hosts}").geturl()
    databases.drop(url)


class _Endpoint(HTTPServer):
    """Takes webhooks once it is open."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.came = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - the server's own `self` is meant in here
                handler.rfile.read(int(handler.headers["content-length"]))
                self.ids.append(handler.headers["webhook-id"])
                handler.send_response(204)
                handler.end_headers()
                self.came.set()

            def log_message(handler, *_: object) -> None:  # noqa: N805 - the server's own `self` is meant in here
                pass

        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server_bind()

    @contextmanager
    def open(self) -> Iterator[None]:
        self.server_activate()
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()


@pytest.fixture
def endpoint() -> Iterator[_Endpoint]:
    found = _Endpoint()
    yield found
    found.server_close()


def _finished(server: Process, prompt: str, **more: Any) -> dict[str, Any]:
    """A task that was submitted and has ended."""
    with httpx.Client(base_url=server.url, headers=HEADERS, timeout=TIMEOUT_S, trust_env=False) as api:
        made = api.post("/v1/tasks", content=request_line(prompt, **more)).json()
        ended: dict[str, Any] = api.get(f"/v1/tasks/{made['id']}", params={"wait": 45}).json()
        return ended


def _furnished(cli: Cli, **more: Any) -> dict[str, Any]:
    with cli.running("serve", "--port", "0") as server:
        ended = _finished(server, "a fox", **more)
        assert server.stop() == 0
    return ended


def test_a_service_moves_to_postgres_and_goes_on_where_it_was(
    simulated: Cli, server_url: str, endpoint: _Endpoint
) -> None:
    old = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8", WHENFINAL_WEBHOOK_BACKOFF_S="1,1,1,1,1,1,1")
    hook = {"url": f"http://127.0.0.1:{endpoint.server_port}/hook"}
    first = _furnished(old, notify=hook)
    moved = old.run("migrate", "--from", FILE, "--to", server_url)
    assert (moved.status, "DIFFERS" in moved.out) == (0, False), moved.err
    assert "same" in moved.out
    assert "rows from whenfinal.db to database" in moved.out
    assert "never run on both" in moved.err
    new = old.with_settings(WHENFINAL_DATABASE_URL=server_url)
    with endpoint.open(), new.running("serve", "--port", "0") as server:
        assert endpoint.came.wait(TIMEOUT_S)
        _finished(server, "a crow")
        assert server.stop() == 0
    (before, after) = new.run("events", "--json").values
    assert (before["seq"], before["task"]["id"], after["seq"]) == (1, first["id"], 2)
    assert set(endpoint.ids) == {before["event_id"]}
    assert PASSWORD not in moved.out + moved.err + "".join(server.lines)


def test_json_tells_every_table_and_the_way_back_is_open(simulated: Cli, server_url: str) -> None:
    _furnished(simulated)
    there = simulated.run("migrate", "--to", server_url, "--json")
    back = simulated.with_settings(WHENFINAL_DATABASE_URL=server_url).run(
        "migrate", "--to", "sqlite:///back.db", "--json"
    )
    assert (there.status, back.status) == (0, 0), there.err + back.err
    (copied,), (again,) = there.values, back.values
    assert (copied["same"], copied["from"]) == (True, "whenfinal.db")
    assert copied["to"] == again["from"]
    assert copied["tables"] == again["tables"]
    tasks = next(each for each in copied["tables"] if each["table"] == "tasks")
    assert (tasks["rows"], tasks["copied_rows"], tasks["sha256"]) == (1, 1, tasks["copied_sha256"])
    assert PASSWORD not in there.out + there.err + back.out + back.err


def test_a_running_service_is_not_copied_from_under_itself(simulated: Cli) -> None:
    with simulated.running("serve", "--port", "0") as server:
        assert server.url
        refused = simulated.run("migrate", "--to", "sqlite:///new.db")
        assert (refused.status, refused.out) == (1, "")
        assert "the ledger whenfinal.db is in use; stop every `whenfinal serve`, `web` and `worker`" in refused.err
        assert server.stop() == 0
    assert simulated.run("migrate", "--to", "sqlite:///new.db").status == 0
    again = simulated.run("migrate", "--to", "sqlite:///new.db")
    assert (again.status, again.out) == (1, "")
    assert "new.db is not empty, it holds metadata (1 row)" in again.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--from", "mysql://ann:hidden-word@db/x"), 2, "--from is not a database that this version can open; use sql"),
        (("--to", "postgresql://ann:hidden-word@db"), 2, "--to is not a database that this version can open; use sql"),
        (("--json",), 2, "--json is for a copy: give --from, --to or both"),
        (("--from", FILE), 1, "whenfinal.db can not be copied onto itself"),
        (("--to", "sqlite:///new.db"), 1, "there is no ledger at "),
    ],
)
def test_wrong_ends_are_one_line_and_nothing_is_made(
    cli: Cli, arguments: tuple[str, ...], status: int, message: str
) -> None:
    ended = cli.run("migrate", *arguments)
    assert (ended.status, ended.out) == (status, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert "hidden-word" not in ended.err
    assert cli.files() == set()


def test_a_terminal_sees_a_bar_for_each_table_and_a_log_sees_one_line(cli: Cli) -> None:
    assert cli.run("migrate").status == 0
    logged = cli.run("migrate", "--to", "sqlite:///one.db")
    assert [line for line in logged.err.splitlines() if line.startswith("copying")] == [
        "copying the ledger; do not start serve, web or worker until it is done"
    ]
    shown = _on_a_terminal(cli.folder, "migrate", "--to", "sqlite:///two.db")
    assert "checked numbers" in shown
    assert "copying the ledger" not in shown


def _on_a_terminal(folder: Path, *arguments: str) -> str:
    """What the command writes to stderr there."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [WHENFINAL, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as running:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # how a terminal says that nobody writes any more
        assert running.wait(TIMEOUT_S) == 0
    os.close(ours)
    return shown.decode()
