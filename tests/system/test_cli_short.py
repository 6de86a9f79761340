"""A listing by its words alone, read without typer, prints what it prints with an option that changes nothing."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.runtime.store import open_store
from receiver.webhooks.model.subscription import Subscription
from tests.support.builders import SECRET, T0, a_report
from tests.support.cli import Cli, Ended

LISTINGS = ["tasks list", "events", "deliveries list"]
LISTED = 52  # more than are shown


async def _fill(cli: Cli, count: int) -> None:
    async with open_store(f"sqlite:///{cli.folder}/whenfinal.db", clock=lambda: T0, migrating=True) as store:
        everything = Subscription(
            id="sub_1", url="https://hooks.example/all", secret=SECRET, created_ms=T0, changed_ms=T0
        )
        await store.subscriptions.add(everything, actor="test", now_ms=T0)
        reports = [
            a_report(provider_task_id=f"p{number}", allow_adoption=True, model="m [red]\x1b[2J")
            for number in range(count)
        ]
        await store.ledger.record(reports, T0)


def _both(cli: Cli, words: str) -> tuple[Ended, Ended]:
    return cli.run(*words.split()), cli.run(*words.split(), "--limit", "50")


def _without_ages(text: str) -> list[str]:
    """Ages may differ by what passes between two commands."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("words", LISTINGS)
@pytest.mark.parametrize("count", [0, 3, LISTED])
async def test_it_prints_what_it_prints_with_an_option(words: str, count: int, cli: Cli) -> None:
    await _fill(cli, count)
    short, whole = _both(cli, words)
    assert (short.status, short.err) == (whole.status, whole.err)
    assert short.status == 0
    assert _without_ages(short.out) == _without_ages(whole.out)
    shown = min(count, 50)
    assert len(short.out.splitlines()) == (shown + 2 if shown else 1)


@pytest.mark.parametrize("words", LISTINGS)
def test_its_help_and_a_wrong_option_are_those_of_the_command(words: str, cli: Cli) -> None:
    assert cli.run(*words.split(), "--help").out.startswith(f"Usage: whenfinal {words} [OPTIONS]")
    wrong = cli.run(*words.split(), "--limit", "0")
    assert (wrong.status, wrong.out) == (2, "")
    assert "--limit" in wrong.err


def _write_dotenv(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / ".env").write_text(text)


def _execute(statement: str) -> Callable[[Path], None]:
    def execute(folder: Path) -> None:
        connection = sqlite3.connect(folder / "whenfinal.db")
        connection.execute(statement)
        connection.commit()
        connection.close()

    return execute


#: What is done to the folder, and the status.
TROUBLES: dict[str, tuple[Callable[[Path], object], int]] = {
    "no ledger": (lambda folder: (folder / "whenfinal.db").unlink(), 1),
    "a file that is no ledger": (lambda folder: (folder / "whenfinal.db").write_text("words, and nothing else"), 1),
    "a schema that is behind": (_execute("DELETE FROM migrations WHERE name LIKE '0003%'"), 1),
    "a ledger of a newer version": (_execute("INSERT INTO migrations VALUES ('9999_later', 0)"), 1),
    "an address in .env": (_write_dotenv("WHENFINAL_DATABASE_URL=sqlite:///other.db"), 1),
    "an address in memory": (_write_dotenv("WHENFINAL_DATABASE_URL=sqlite:///:memory:"), 2),
    "an address that is none": (_write_dotenv("WHENFINAL_DATABASE_URL=mysql://a/b"), 2),
    "an address under a wrong name": (_write_dotenv("WHENFINAL_DATABSE_URL=sqlite:///other.db"), 2),
    "a line without a sign": (_write_dotenv("WHENFINAL_DATABASE_URL"), 2),
    "a quote that is open": (_write_dotenv("HIAPI_API_KEY='k"), 2),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_what_is_wrong_has_the_same_line_and_status(trouble: str, cli: Cli) -> None:
    await _fill(cli, 1)
    happens, status = TROUBLES[trouble]
    happens(cli.folder)
    short, whole = _both(cli, "tasks list")
    assert (short.status, short.err) == (whole.status, whole.err) == (status, short.err)
    assert len(short.err.splitlines()) == (0 if status == 0 else 1), short.err


async def test_the_address_in_the_environment_goes_before_the_one_in_the_file(cli: Cli) -> None:
    await _fill(cli, 2)
    _write_dotenv("WHENFINAL_DATABASE_URL=sqlite:///other.db\n")(cli.folder)
    listed = cli.with_settings(WHENFINAL_DATABASE_URL="sqlite:///whenfinal.db").run("tasks", "list")
    assert (listed.status, len(listed.out.splitlines())) == (0, 4)


async def test_a_file_of_settings_that_is_a_pipe_is_read_once(cli: Cli) -> None:
    await _fill(cli, 2)
    os.mkfifo(cli.folder / ".env")
    writer = threading.Thread(
        target=_write_dotenv("WHENFINAL_DATABASE_URL=sqlite:///whenfinal.db\n"), args=(cli.folder,)
    )
    writer.start()
    listed = cli.run("tasks", "list")
    writer.join()
    assert (listed.status, len(listed.out.splitlines())) == (0, 4)


async def test_a_setting_of_another_part_does_not_stand_in_the_way_of_a_listing(cli: Cli) -> None:
    """Only the address of the ledger is needed; `whenfinal doctor` and every start name the rest."""
    await _fill(cli, 2)
    wrong = cli.with_settings(WHENFINAL_DATABASE_URL="sqlite:///whenfinal.db", WHENFINAL_LEASE_S="soon")
    assert [wrong.run(*words).status for words in (("tasks", "list"), ("events",))] == [0, 0]
    assert wrong.run("worker").status == 2


async def test_a_listing_does_not_wait_for_who_writes(cli: Cli) -> None:
    await _fill(cli, 2)
    assert cli.run("deliveries", "list").status == 0  # makes those that the events lack
    other = sqlite3.connect(cli.folder / "whenfinal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    listed = [cli.run(*words.split()) for words in LISTINGS]
    other.execute("ROLLBACK")
    other.close()
    assert [(each.status, each.err) for each in listed] == [(0, "")] * 3


async def test_a_ledger_that_is_locked_as_a_whole_is_one_line(cli: Cli) -> None:
    await _fill(cli, 2)
    other = sqlite3.connect(cli.folder / "whenfinal.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    ended = cli.run("tasks", "list")
    other.execute("ROLLBACK")
    other.close()
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert "the ledger whenfinal.db: database is locked; `whenfinal doctor` shows how to fix it" in ended.err


@pytest.mark.parametrize("forced", [{"FORCE_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}, {}])
async def test_rich_draws_where_styles_or_other_characters_are_wanted(forced: dict[str, str], cli: Cli) -> None:
    await _fill(cli, 2)
    short, whole = _both(cli.with_settings(**forced), "events")
    assert (short.status, short.out) == (0, whole.out)
    assert ("\x1b[1m" in short.out) == ("FORCE_COLOR" in forced)
    assert short.out.isascii() == ("PYTHONIOENCODING" in forced)
