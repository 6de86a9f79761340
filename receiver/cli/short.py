"""Commands that are called by their words alone: typer, which takes longer than they do, has nothing to read there."""

from collections.abc import Callable, Sequence
from importlib import import_module

from receiver.cli.command_list import SHORT


def run_short(arguments: Sequence[str]) -> bool:
    """Run such a command. False where nothing was done, and typer has to read the command line."""
    place = SHORT.get(" ".join(arguments))
    if place is None:
        return False
    from receiver.store.errors import Unsuited

    try:
        load(place)()
    except Unsuited:
        return False
    return True


def load(place: str) -> Callable[..., None]:
    """The command at `module:function`, below `receiver.cli`."""
    module, _, name = place.partition(":")
    command: Callable[..., None] = getattr(import_module(f"receiver.cli.{module}"), name)
    return command
