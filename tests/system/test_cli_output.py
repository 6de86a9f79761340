"""Where the output or the ledger can not be written, one line says so and the status is not 0."""

import pytest

from tests.support.cli import BOUND_BY_MODES, Cli, request_line


def _redirected(cli: Cli, where: str) -> Cli:
    return cli.with_prefix("sh", "-c", f'"$0" "$@" {where}')


@pytest.mark.parametrize("arguments", [("version",), ("doctor", "--offline", "--json"), ("doctor", "--offline")])
@pytest.mark.parametrize(("where", "words"), [(">/dev/full", "No space left"), (">&-", "standard output is closed")])
def test_an_output_that_can_not_be_written_is_one_line(
    cli: Cli, arguments: tuple[str, ...], where: str, words: str
) -> None:
    ended = _redirected(cli, where).run(*arguments)
    assert (ended.status, ended.err.count("\n")) == (1, 1), ended.err
    assert words in ended.err


def test_without_a_standard_error_the_status_still_tells(cli: Cli) -> None:
    assert _redirected(cli, "2>&-").run("tasks", "list").status == 1


READ_STDIN = [
    ("submit", "-"),
    ("submit", "-", "--json"),
    ("subscriptions", "create", "https://a.example/", "--secret-file", "-"),
]


@pytest.mark.parametrize("where", ["<&-", "0>/dev/null"])
@pytest.mark.parametrize("arguments", READ_STDIN)
def test_an_input_that_is_closed_is_one_line(cli: Cli, arguments: tuple[str, ...], where: str) -> None:
    ended = _redirected(cli.with_settings(HIAPI_API_KEY="k" * 20), where).run(*arguments)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1), ended.err
    assert "standard input" in ended.err


@pytest.mark.parametrize("arguments", [("--help",), ("tasks", "--help"), ("submit", "--help"), ("tasks",)])
def test_a_help_that_can_not_be_written_is_one_line(cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = _redirected(cli, ">/dev/full").run(*arguments)
    assert (ended.status, ended.err.count("\n")) == (1, 1), ended.err
    assert "No space left" in ended.err


#: One of each kind: help, no ledger, a ledger that is not there, one that is made, and no command at all.
COMMANDS = [("--help",), ("doctor", "--offline"), ("tasks", "list"), ("migrate",), ("no-such-command",)]


@pytest.mark.parametrize("where", ["<&- >&- 2>&-", "2>/dev/full", "| head -c1"])
@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_missing_stream_brings_a_traceback(cli: Cli, arguments: tuple[str, ...], where: str) -> None:
    ended = _redirected(cli.with_settings(HIAPI_API_KEY="k" * 20), where).run(*arguments)
    assert ended.status in {0, 1, 2}
    assert "Traceback" not in ended.err
    assert "Exception ignored" not in ended.err


def test_nothing_is_done_whose_result_would_be_lost(simulated: Cli) -> None:
    simulated.run("migrate")
    ended = _redirected(simulated, ">&-").run("submit", "-", stdin=request_line())
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert simulated.run("tasks", "list", "--json").values == []
    assert _redirected(simulated, ">&-").run("events", "--follow").status == 1


def test_with_every_stream_closed_the_ledger_gets_no_strangers_bytes(simulated: Cli) -> None:
    assert _redirected(simulated, "<&- >&- 2>&-").run("migrate").status == 0
    assert simulated.run("tasks", "list", "--json").status == 0


UNOPENED = [
    ("submit", "-"),
    ("serve", "--port", "0"),
    ("web", "--port", "0"),
    ("worker",),
    ("migrate",),
]


@pytest.mark.parametrize("arguments", UNOPENED)
def test_a_ledger_that_can_not_be_opened_is_named_with_the_way_to_a_hint(
    simulated: Cli, arguments: tuple[str, ...]
) -> None:
    absent = simulated.with_settings(WHENFINAL_DATABASE_URL="sqlite:///absent/whenfinal.db")
    ended = absent.run(*arguments, stdin=request_line())
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended.err
    assert "the ledger absent/whenfinal.db: unable to open database file; " in ended.err
    assert "whenfinal doctor" in ended.err


@pytest.mark.parametrize("arguments", [("tasks", "list"), ("migrate",)])
def test_a_file_that_is_no_ledger_is_named_too(simulated: Cli, arguments: tuple[str, ...]) -> None:
    (simulated.folder / "notes.txt").write_text("this is no database, only words that stand in its place")
    ended = simulated.with_settings(WHENFINAL_DATABASE_URL="sqlite:///notes.txt").run(*arguments)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended.err
    assert "the ledger notes.txt: file is not a database; `whenfinal doctor`" in ended.err


#: One that reads, one that changes, one that serves.
READERS_OF_SETTINGS = [("tasks", "list"), ("migrate",), ("serve", "--port", "0")]


@pytest.mark.parametrize("arguments", READERS_OF_SETTINGS)
def test_a_dotenv_that_is_not_utf8_is_named_with_its_hint(cli: Cli, arguments: tuple[str, ...]) -> None:
    (cli.folder / ".env").write_bytes("HIAPI_API_KEY=schlüssel".encode("latin-1"))
    ended = cli.run(*arguments)
    message = f"whenfinal: {cli.folder}/.env is not UTF-8; save it as UTF-8, or take it away\n"
    assert (ended.status, ended.out, ended.err) == (2, "", message)


@pytest.mark.parametrize("arguments", READERS_OF_SETTINGS)
def test_a_dotenv_that_may_not_be_read_is_named_with_its_hint(cli: Cli, arguments: tuple[str, ...]) -> None:
    (cli.folder / ".env").touch(mode=0)
    ended = cli.with_prefix(*BOUND_BY_MODES).run(*arguments)
    message = f"{cli.folder}/.env can not be read: Permission denied; let this user read it, or take it away\n"
    assert (ended.status, ended.out, ended.err) == (2, "", f"whenfinal: {message}")


def test_the_doctor_names_a_dotenv_that_can_not_be_read(cli: Cli) -> None:
    (cli.folder / ".env").write_bytes(b"\xff")
    ended = cli.run("doctor", "--offline")
    assert (ended.status, ended.err) == (1, "")
    assert f"{cli.folder}/.env is not UTF-8" in ended.out
    assert "save it as UTF-8" in ended.out
