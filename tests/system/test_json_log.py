"""With a log of JSON every line of a process is JSON, also one that tells why it did not start."""

import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.cli import Cli, Ended

LEDGER = "whenfinal.db"

FREE_PORT = {"serve": ("serve", "--port", "0"), "web": ("web", "--port", "0"), "worker": ("worker",)}


def _is_as_it_was(_folder: Path) -> None:
    pass


def _is_a_folder(folder: Path) -> None:
    (folder / LEDGER).mkdir()


def _is_no_ledger(folder: Path) -> None:
    (folder / LEDGER).write_bytes(b"no ledger at all " * 100)


def _is_of_a_later_version(folder: Path) -> None:
    """One that renamed a table."""
    assert Cli(folder=folder).run("migrate").status == 0
    with closing(sqlite3.connect(folder / LEDGER)) as ledger, ledger:
        ledger.execute("ALTER TABLE numbers RENAME TO figures")


def _sets_the_form_in_a_file_that_cannot_be_read_as_a_whole(folder: Path) -> None:
    (folder / ".env").write_text("WHENFINAL_LOG_FORMAT=json\nWHENFINAL_LEASE_S='30\n")


FAULTS: dict[str, tuple[Callable[[Path], None], dict[str, str], int, str]] = {
    "wrong setting": (_is_as_it_was, {"WHENFINAL_LEASE_S": "long"}, 2, "WHENFINAL_LEASE_S"),
    "unknown setting": (_is_as_it_was, {"WHENFINAL_LEESE_S": "30"}, 2, "did you mean WHENFINAL_LEASE_S?"),
    "missing key": (_is_as_it_was, {"WHENFINAL_PROVIDERS": "hiapi"}, 2, "HIAPI_API_KEY"),
    "unreadable file": (_sets_the_form_in_a_file_that_cannot_be_read_as_a_whole, {}, 2, ".env"),
    "folder": (_is_a_folder, {}, 1, "unable to open database file"),
    "no ledger": (_is_no_ledger, {}, 1, "file is not a database"),
    "later version": (_is_of_a_later_version, {}, 1, "no such table"),
}


def _told(ended: Ended) -> list[str]:
    """What each line of the error says; every line of stderr must be JSON."""
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert lines
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines), lines
    assert "Traceback" not in ended.err
    return [line["error"] for line in lines if line["event"] == "process_failed" and line["level"] == "critical"]


@contextmanager
def _port_taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield str(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("command", "fault"),
    [("serve", each) for each in FAULTS]
    + [("web", "wrong setting"), ("worker", "wrong setting"), ("worker", "folder")],
)
def test_what_keeps_a_process_from_starting_is_told_in_json(cli: Cli, command: str, fault: str) -> None:
    make, settings, status, part = FAULTS[fault]
    make(cli.folder)
    form = {} if (cli.folder / ".env").exists() else {"WHENFINAL_LOG_FORMAT": "JSON"}
    ended = cli.with_settings(**form, **settings).run(*FREE_PORT[command])
    assert ended.status == status, ended.err
    assert any(part in line for line in _told(ended)), ended.err


@pytest.mark.parametrize("command", ["serve", "web", "worker"])
def test_a_taken_port_is_told_in_json(cli: Cli, command: str) -> None:
    with _port_taken() as port:
        given = ("--port", port) if command != "worker" else ()
        set_for_worker = {"WHENFINAL_METRICS_PORT": port} if command == "worker" else {}
        ended = cli.with_settings(WHENFINAL_LOG_FORMAT="json", **set_for_worker).run(command, *given)
    (told,) = _told(ended)
    assert (ended.status, "it is in use" in told) == (1, True)
    assert cli.files() == set()


def test_a_ledger_that_another_program_holds_is_told_in_json(cli: Cli) -> None:
    assert cli.run("migrate").status == 0
    with closing(sqlite3.connect(cli.folder / LEDGER, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ended = cli.with_settings(WHENFINAL_LOG_FORMAT="json").run(*FREE_PORT["serve"])
        other.execute("ROLLBACK")
    assert ended.status == 1
    assert any("locked" in line for line in _told(ended)), ended.err
