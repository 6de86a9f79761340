"""`whenfinal providers`: what is wrong with a provider's account, what was learned of it, and how its pauses end."""

from difflib import get_close_matches
from typing import Annotated

import typer

from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import USAGE, CommandFailed, emit, show
from receiver.cli.display.repair_tables import (
    durations_table,
    learned_lines,
    provider_troubles,
    providers_table,
    resumed_line,
    waiting_line,
)
from receiver.cli.options import Json
from receiver.cli.runner import with_services
from receiver.reconcile.model.duration_report import LearnedProvider, WaitingPolls
from receiver.reconcile.model.provider import ProviderStatus, Resumed
from receiver.reconcile.waiting import waiting_polls
from receiver.runtime.clock import now_ms
from receiver.runtime.services import Services
from submitter import api_operations
from submitter.providers.contract import ConfiguredProvider

Name = Annotated[str, typer.Argument(metavar="NAME", help="The provider's name in the settings.")]


def list_providers(*, as_json: Json = False) -> None:
    found = with_services(_statuses)
    if as_json:
        for each in found:
            emit(api_operations.ProviderStatus.model_validate(each).json_values())
    else:
        at_ms = now_ms()
        table = providers_table(found) if found else "no provider is configured; see whenfinal doctor"
        show(table, *provider_troubles(found, at_ms))


def show_provider(name: Name, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[ProviderStatus, LearnedProvider, WaitingPolls]:
        configured, speed = _configured(services, name), services.settings.providers.speed
        (status,) = await services.store.providers.statuses({name: configured}, speed=speed, now_ms=services.clock())
        await services.durations.refresh()
        waiting = await waiting_polls(services.store.polls, services.durations, status, services.clock())
        return status, services.durations.report(name), waiting

    status, learned, waiting = with_services(work)
    if as_json:
        view = api_operations.ProviderWithDurations.model_validate(
            {
                **dict(api_operations.ProviderStatus.model_validate(status)),
                "callback_miss_rate": learned.callback_miss_rate,
                "polls_waiting": waiting.count,
                "polls_waiting_since": waiting.since_ms,
                "poll_price_s": waiting.price_s,
                "durations": tuple(map(api_operations.LearnedDuration.model_validate, learned.durations)),
            }
        )
        emit(view.json_values())
    else:
        troubles, waits = provider_troubles([status], now_ms()), waiting_line(waiting, now_ms())
        show(providers_table([status]), *troubles, waits, durations_table(learned), *learned_lines(learned))


def resume(name: Name, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[Resumed, ProviderStatus]:
        configured, speed = _configured(services, name), services.settings.providers.speed
        store = services.store.providers
        resumed = await store.resume(configured, speed=speed, actor=ACTOR, now_ms=services.clock())
        (status,) = await store.statuses({name: configured}, speed=speed, now_ms=services.clock())
        return resumed, status

    resumed, status = with_services(work)
    if as_json:
        view = api_operations.ProviderStatus.model_validate(status)
        done = api_operations.ResumedProvider(**dict(view), ended=resumed.ended, made_due=resumed.made_due)
        emit(done.json_values())
    else:
        show(resumed_line(name, resumed))


async def _statuses(services: Services) -> list[ProviderStatus]:
    speed = services.settings.providers.speed
    return await services.store.providers.statuses(services.providers, speed=speed, now_ms=services.clock())


def _configured(services: Services, name: str) -> ConfiguredProvider:
    """Raise CommandFailed for a name that is not configured."""
    configured = services.providers.get(name)
    if configured is None:
        near = get_close_matches(name, services.providers, n=1)
        hint = f"did you mean {near[0]}?" if near else f"configured: {', '.join(services.providers) or 'none'}"
        raise CommandFailed(f"{name} is not configured; {hint}", status=USAGE)
    return configured
