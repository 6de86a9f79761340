"""Tables and sheets for a terminal, and the cells in them: made from values, without I/O.

Everything that a provider or caller wrote passes `escape_control` first.
"""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from receiver.runtime.durations import format_when
from receiver.runtime.printable import escape_control
from submitter.timestamps import rfc3339

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
    "disabled": "yellow",
}


def cell(value: object) -> Text:
    """Plain text; None is an empty cell. A Text stays as it is."""
    if isinstance(value, Text):
        return value
    return Text("" if value is None else escape_control(str(value)))


def state_cell(state: str) -> Text:
    return Text(state, style=STATE_STYLES.get(state, ""))


#: Columns that may wrap. The others are short, or are copied into the next command.
_FOLDING = frozenset(
    {
        "provider's id",
        "model",
        "labels",
        "endpoint",
        "last answer",
        "answer",
        "poll",
        "its state",
        "problem",
        "filter",
        "alarm",
    }
)

FOLDED = 12  # columns of the terminal; a narrower wrapped text can not be read

GAP = 3  # columns between two columns of a table


class Listing(Table):
    """A table, most important columns first. On a narrow terminal the last ones are left out and named below."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        super().__init__(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        self._names, self._lines = columns, rows
        for column in columns:
            self.add_column(column, overflow="fold", no_wrap=column not in _FOLDING)
        for row in rows:
            self.add_row(*row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        count = self._fitting(options.max_width)
        if count == len(self._names):
            yield from super().__rich_console__(console, options)
            return
        yield Listing(self._names[:count], [row[:count] for row in self._lines])
        yield cell(f"too narrow for: {', '.join(self._names[count:])}; --json shows all")

    def _fitting(self, width: int) -> int:
        """How many columns fit; at least one."""
        left, count = width + GAP, 0
        for at, name in enumerate(self._names):
            longest = max([len(name), *(row[at].cell_len for row in self._lines)])
            left -= GAP + (min(FOLDED, longest) if name in _FOLDING else longest)
            if left < 0:
                break
            count += 1
        return max(1, count)


def table(*columns: str, rows: Iterable[Iterable[object]]) -> Table:
    """Each value of a row becomes a `cell`."""
    return Listing(columns, [[cell(value) for value in row] for row in rows])


def sheet(lines: Iterable[tuple[str, object]]) -> Table:
    """A line for each name and value. A value that is None or empty is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")  # because a URL that is cut can not be copied
    for name, value in lines:
        if value is not None and str(value) != "":
            grid.add_row(Text(name, style="bold"), cell(value))
    return grid


def format_labels(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())


def format_moment(at_ms: int | None, now_ms: int) -> str | None:
    return None if at_ms is None else f"{rfc3339(at_ms)} ({format_when(at_ms, now_ms)})"
