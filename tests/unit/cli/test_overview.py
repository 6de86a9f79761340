"""`whenfinal --help` prints what typer would print, without typer."""

import io
import sys

import pytest
from typer import Context
from typer.main import get_command

from receiver.cli.overview import overview, print_overview
from receiver.cli.program import build


@pytest.mark.parametrize("columns", [20, 52, 60, 71, 80, 200])
def test_the_overview_is_typers_help(columns: int) -> None:
    command = get_command(build(["--help"]))
    width = max(min(columns, 80) - 2, 50)
    context = Context(command, info_name="whenfinal", terminal_width=width, **command.context_settings)
    assert overview(columns) == command.get_help(context) + "\n"


@pytest.mark.parametrize("columns", [52, 80])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    assert max(map(len, overview(columns).splitlines())) <= columns


def test_what_is_no_terminal_has_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_overview()
    assert capsys.readouterr().out == overview(80)


class _Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("output", [None, _Full()])
def test_an_output_that_takes_nothing_is_left_to_the_command_line(
    output: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", output)
    assert not print_overview()
