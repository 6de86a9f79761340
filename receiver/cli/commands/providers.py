"""`whenfinal providers`: what is wrong with a provider's account, what was learned of it, how its pauses end.

And `whenfinal callbacks`: where the callbacks of an account come.
"""

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Annotated, TypeVar

import typer

from receiver.cli.console import USAGE, CommandFailed, emit, show
from receiver.cli.display.provider_tables import (
    durations_table,
    learned_lines,
    models_table,
    provider_troubles,
    providers_table,
    resumed_line,
    waiting_line,
)
from receiver.cli.options import Json
from receiver.cli.remote import with_client
from receiver.runtime.clock import now_ms
from submitter.api_service import ModelsAnswer
from submitter.client.client import Client

T = TypeVar("T")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The provider's name in the settings.")]

MaybeName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only models of this provider.")]


def list_providers(*, as_json: Json = False) -> None:
    found = with_client(lambda client: client.providers.list()).providers
    if as_json:
        for each in found:
            emit(each.json_values())
    else:
        table = providers_table(found) if found else "no provider is configured; see whenfinal doctor"
        show(table, *provider_troubles(found, now_ms()))


def show_provider(name: Name, *, as_json: Json = False) -> None:
    provider = with_client(lambda client: _configured(client, name, client.providers.get))
    if as_json:
        emit(provider.json_values())
    else:
        troubles, waits = provider_troubles([provider], now_ms()), waiting_line(provider, now_ms())
        show(providers_table([provider]), *troubles, waits, durations_table(provider), *learned_lines(provider))


def resume(name: Name, *, as_json: Json = False) -> None:
    resumed = with_client(lambda client: _configured(client, name, client.providers.resume))
    if as_json:
        emit(resumed.json_values())
    else:
        show(resumed_line(resumed))


def callback_address(name: Name, *, as_json: Json = False) -> None:
    found = with_client(lambda client: _configured(client, name, client.providers.callback_address))
    if as_json:
        emit(found.json_values())
    else:
        show(found.address, *(f"{number}. {step}" for number, step in enumerate(found.steps, start=1)))


def list_models(name: MaybeName = None, *, as_json: Json = False) -> None:
    async def work(client: Client) -> ModelsAnswer:
        if name is None:
            return await client.models()
        return await _configured(client, name, client.providers.models)

    found = with_client(work).models
    if as_json:
        for each in found:
            emit(each.json_values())
    else:
        show(models_table(found) if found else "no model is known; other models are submitted as raw")


async def _configured(client: Client, name: str, work: Callable[[str], Awaitable[T]]) -> T:
    """What the work returns for a provider. Raise CommandFailed for a name that is not configured."""
    known = [each.name for each in (await client.providers.list()).providers]
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"configured: {', '.join(known) or 'none'}"
        raise CommandFailed(f"{name} is not configured; {hint}", status=USAGE)
    return await work(name)
