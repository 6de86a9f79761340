"""Where the output or the ledger can not be written, one line says so and the status is not 0."""

from pathlib import Path

import pytest

from tests.system.cli import Cli, order


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


@pytest.mark.parametrize("place", ["absent/whenfinal.db", "."])
def test_a_ledger_that_can_not_be_opened_is_named_with_the_way_to_its_cure(simulated: Cli, place: str) -> None:
    ended = simulated.with_settings(WHENFINAL_DATABASE_URL=f"sqlite:///{place}").run("submit", "-", stdin=order())
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended.err
    assert f"the ledger {Path(place)}: " in ended.err
    assert "whenfinal doctor" in ended.err
