"""`whenfinal backup`: a copy of a ledger in use, noted where the dashboard shows it; wrong use leaves nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.cli import API_KEYS, Cli

NOTE = "SELECT value FROM metadata WHERE name = 'last_backup'"


def _cli(folder: Path) -> Cli:
    return Cli(folder=folder).with_settings(WHENFINAL_API_KEYS=API_KEYS)


def test_a_ledger_is_copied_while_it_is_served_and_the_copy_can_be_served(tmp_path: Path) -> None:
    cli = _cli(tmp_path)
    with cli.running("serve", "--port", "0") as server:
        server.line_with("serving ")
        ended = cli.run("backup", "copy.db")
        assert (ended.status, ended.out) == (0, "")
        assert "the copy was checked" in ended.err
        server.stop()
    with closing(sqlite3.connect(tmp_path / "whenfinal.db")) as file:
        assert str(tmp_path / "copy.db") in file.execute(NOTE).fetchone()[0]
    restored = cli.with_settings(WHENFINAL_DATABASE_URL="sqlite:///copy.db")
    assert restored.run("tasks", "list").status == 0


def test_a_backup_of_another_program_is_only_noted(tmp_path: Path) -> None:
    cli = _cli(tmp_path)
    assert cli.run("migrate").status == 0
    before = cli.files()
    assert cli.run("backup", "--made", "pg_dump to s3://backups/monday").status == 0
    assert cli.files() == before
    elsewhere = cli.with_settings(WHENFINAL_URL="http://127.0.0.1:9", WHENFINAL_API_KEY="k" * 40)
    noted = elsewhere.run("backup", "--made", "pg_dump to s3://backups/monday")
    assert (noted.status, "WHENFINAL_URL is not used" in noted.err) == (0, True)
    with closing(sqlite3.connect(tmp_path / "whenfinal.db")) as file:
        assert "s3://backups/monday" in file.execute(NOTE).fetchone()[0]


def test_wrong_use_and_a_target_that_cannot_be_written_are_said_in_words_and_leave_nothing(tmp_path: Path) -> None:
    cli = _cli(tmp_path)
    ended = cli.run("backup", "copy.db")
    assert ended.status == 1
    assert "there is no ledger" in ended.err
    assert cli.run("migrate").status == 0
    for arguments in ((), ("copy.db", "--made", "x"), ("--made", " "), ("--made", "x\ny")):
        assert cli.run("backup", *arguments).status == 2, arguments
    (tmp_path / "mine").write_text("mine")
    for target, words in (("mine", "is there already"), ("no-folder/copy.db", "cannot be created")):
        ended = cli.run("backup", target)
        assert ended.status == 1
        assert words in ended.err
        assert "Traceback" not in ended.err
    assert (tmp_path / "mine").read_text() == "mine"
    with closing(sqlite3.connect(tmp_path / "whenfinal.db")) as file:
        assert file.execute(NOTE).fetchone() is None


def test_a_ledger_on_a_server_is_left_to_its_own_tools(tmp_path: Path) -> None:
    cli = _cli(tmp_path).with_settings(WHENFINAL_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    ended = cli.run("backup", "copy.db")
    assert ended.status == 2
    assert "pg_dump" in ended.err
