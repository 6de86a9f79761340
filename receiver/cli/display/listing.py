"""Tables and sheets for a terminal, and the cells in them: made from values, without I/O.

Everything that a provider or caller wrote passes `escape_control` first. rich is imported where it draws: it takes
longer than most listings, and what goes to a pipe or a file seldom needs it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from receiver.runtime.printable import escape_control

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

#: By the words of tasks, deliveries and subscriptions; their enums are not imported for it.
STATE_STYLES: Mapping[str, str] = {
    "queued": "blue",
    "submitting": "cyan",
    "submitted": "cyan",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "canceled": "yellow",
    "expired": "yellow",
    "refused": "red",
    "uncertain": "bold magenta",
    "pending": "cyan",
    "delivered": "green",
    "dead": "bold red",
    "active": "green",
    "finished": "green",
    "stopped": "yellow",
    "disabled": "yellow",
}


class Styled(NamedTuple):
    """A word of ours in a style of rich."""

    text: str
    style: str


def cell(value: object) -> "Text":
    """Plain text; None is an empty cell. A Text stays as it is."""
    from rich.text import Text

    if isinstance(value, Text):
        return value
    if isinstance(value, Styled):
        return Text(value.text, style=value.style)
    return Text(_text(value))


def _text(value: object) -> str:
    return "" if value is None else escape_control(str(value))


def state_cell(state: str) -> Styled:
    return Styled(state, STATE_STYLES.get(state, ""))


#: Columns that may wrap, between words. The others are short, or are copied into the next command.
_FOLDING = frozenset(
    {
        "labels",
        "error",
        "endpoint",
        "last answer",
        "state, answer",
        "answer",
        "poll",
        "its state",
        "problem",
        "filter",
        "alarm",
        "result",
        "resolutions",
        "ratios",
        "kinds",
        "description",
    }
)

FOLDED = 12  # columns of the terminal; a narrower wrapped text can not be read

#: An id of ours within a text. A column that wraps is as wide as those in it, so none is broken.
_OWN_ID = re.compile(r"\b[a-z]{3}_[0-9a-z]{26}\b")

GAP = 3  # columns between two columns of a table


PIPED_WIDTH = 240  # columns where no terminal sets them: a row stays one line for grep


#: Every column is drawn, however wide the terminal is.
is_wide: ContextVar[bool] = ContextVar("is_wide", default=False)


class Listing:
    """A table, most important columns first. On a narrow terminal the last ones are left out and named below."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self._names, self.rows = columns, rows

    def plain(self) -> list[str] | None:
        """The lines that rich would draw without a terminal. None where only rich can say how wide a text is."""
        texts = [[each.text if isinstance(each, Styled) else _text(each) for each in row] for row in self.rows]
        if not all(text.isascii() and text.isprintable() for row in texts for text in row):
            return None
        widths = [max(map(len, column)) for column in zip(self._names, *texts, strict=True)]
        rule = "\u2500" * (sum(widths) + GAP * (len(widths) - 1))
        if len(rule) > PIPED_WIDTH and not is_wide.get():
            return None
        padded = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in (self._names, *texts)]
        names, *lines = ((" " * GAP).join(row) for row in padded)
        return [names, rule, *lines]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        rows = [[cell(value) for value in row] for row in self.rows]
        widths = self._widths(rows, None if is_wide.get() else options.max_width)
        yield _drawn(self._names, [row[: len(widths)] for row in rows], widths)
        if len(widths) < len(self._names):
            yield cell(f"too narrow for: {', '.join(self._names[len(widths) :])}; -o wide shows all")

    def _widths(self, rows: Sequence[Sequence["Text"]], width: int | None) -> list[int]:
        """Of the columns that fit, at least of one. What is left over goes to the first that wraps."""
        full = [max([len(name), *(row[at].cell_len for row in rows)]) for at, name in enumerate(self._names)]
        if width is None:
            return full
        left, widths = width + GAP, list[int]()
        for at, name in enumerate(self._names):
            least = full[at] if name not in _FOLDING else min(full[at], max(len(name), *_least(rows, at)))
            left -= GAP + least
            if left < 0 and widths:
                left += GAP + least
                break
            widths.append(least)
        for at, least in enumerate(widths):
            more = min(max(left, 0), full[at] - least)
            widths[at] += more
            left -= more
        return widths


def _least(rows: Sequence[Sequence["Text"]], column: int) -> list[int]:
    """The columns of the terminal that a wrapped text takes: as many as an id in it."""
    ids = (found for row in rows for found in _OWN_ID.findall(row[column].plain))
    return [FOLDED, *map(len, ids)]


def _drawn(names: Sequence[str], rows: Iterable[Sequence["Text"]], widths: Sequence[int]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name, width in zip(names, widths, strict=False):
        drawn.add_column(name, overflow="fold", no_wrap=name not in _FOLDING, width=width)
    for row in rows:
        drawn.add_row(*row)
    return drawn


def table(*columns: str, rows: Iterable[Iterable[object]]) -> Listing:
    """Each value of a row becomes a `cell`."""
    return Listing(columns, [list(row) for row in rows])


def plain_lines(parts: Iterable[object]) -> list[str] | None:
    """Texts and listings as lines, as rich would print them without a terminal. None where rich has to do it."""
    lines: list[str] = []
    for part in parts:
        found = part.plain() if isinstance(part, Listing) else None
        if isinstance(part, str) and part.replace("\n", "").isprintable():
            found = part.split("\n")
        if found is None:
            return None
        lines += found
    return lines


def sheet(lines: Iterable[tuple[str, object]]) -> "Table":
    """A line for each name and value. A value that is None or empty is left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")  # because a URL that is cut can not be copied
    for name, value in lines:
        if value is not None and str(value) != "":
            grid.add_row(Text(name, style="bold"), cell(value))
    return grid


def format_labels(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())
