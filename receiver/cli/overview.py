"""`whenfinal --help`: the same text as typer's, without importing it."""

import os
import sys
import textwrap
from collections.abc import Iterable

from receiver.cli.command_list import COMMANDS, GROUPS, HELP, first_sentence
from receiver.cli.examples import example_lines

_OPTIONS = (
    ("--version", "Print the version."),
    ("--install-completion", "Install completion for the current shell."),
    ("--show-completion", "Show completion for the current shell, to copy it or customize the installation."),
    ("-h, --help", "Show this message and exit."),
)

_WIDEST, _NARROWEST = 80, 52  # columns, as typer has them


def print_overview() -> bool:
    """Whether it is written. Where standard output takes nothing, nothing is said about it here."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.write(overview(_columns()))
        sys.stdout.flush()
    except OSError:
        return False
    return True


def overview(columns: int) -> str:
    """The help of the top level for a terminal so wide: with each command and group, in their order."""
    width = max(min(columns, _WIDEST), _NARROWEST) - 2
    single = [(words, first_sentence(text)) for words, _, text in COMMANDS if " " not in words]
    parts = (
        "Usage: whenfinal [OPTIONS] COMMAND [ARGS]...",
        textwrap.fill(HELP, width, initial_indent="  ", subsequent_indent="  "),
        textwrap.indent(example_lines(""), "  "),
        "Options:\n" + _rows(_OPTIONS, width),
        "Commands:\n" + _rows([*single, *GROUPS.items()], width),
    )
    return "\n\n".join(parts) + "\n"


def _rows(rows: Iterable[tuple[str, str]], width: int) -> str:
    """Names in one column, texts in another, which is wrapped."""
    rows = list(rows)
    indent = max(len(name) for name, _ in rows) + 4
    lines = (
        textwrap.fill(text, width, initial_indent=f"  {name}".ljust(indent), subsequent_indent=" " * indent)
        for name, text in rows
    )
    return "\n".join(lines)


def _columns() -> int:
    """The width of the terminal, or 80 where there is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDEST
    except (OSError, ValueError):
        return _WIDEST
