"""Progress bars of a command."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from receiver.cli.display.terminal import console


def progress(*columns: ProgressColumn) -> Progress:
    """Progress bars on stderr; hidden where stderr is no terminal. Without columns a bar counts items."""
    err = console(stderr=True)
    description = TextColumn("{task.description}")
    shown = columns or (SpinnerColumn(), description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*shown, console=err, transient=True, disable=not err.is_terminal)
