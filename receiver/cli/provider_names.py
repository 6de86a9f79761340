"""The name of a provider, as an option of a listing takes it."""

from collections.abc import Iterable
from difflib import get_close_matches

from receiver.cli.console import USAGE, CommandFailed
from receiver.runtime.environment import load_settings
from receiver.tasks.repository import TaskRepository


def configured_names() -> list[str]:
    """Raise ConfigError for wrong settings."""
    return [each.name for each in load_settings().providers.accounts]


async def check_name(name: str, configured_names: Iterable[str], tasks: TaskRepository) -> None:
    """Raise CommandFailed for a provider that is neither configured nor in the ledger."""
    known = {*configured_names, *(provider for provider, _ in await tasks.counts())}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
        raise CommandFailed(f"no provider {name} is configured or in the ledger; {hint}", status=USAGE)
