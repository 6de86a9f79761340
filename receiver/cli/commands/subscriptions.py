"""`whenfinal subscriptions`: who is told of what, how, and how well that goes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import USAGE, WRONG, CommandFailed, confirm, emit, note, show
from receiver.cli.display.durations import parse_duration_s
from receiver.cli.display.subscription_tables import probe_line, subscription_sheet, subscriptions_table
from receiver.cli.options import (
    FilterOptions,
    Json,
    Limit,
    SecretFile,
    conditions_of,
    one_of,
    read_secret,
    taking,
    told,
)
from receiver.cli.runner import with_services
from receiver.runtime.services import Services
from receiver.webhooks.model.delivery import Attempt, Backlog
from receiver.webhooks.model.request import SubscriptionRequest
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from receiver.webhooks.model.views import probe_result, subscription_view
from submitter import api_webhooks

Name = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id, sub_….")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

State = Annotated[SubscriptionState | None, one_of(SubscriptionState, "--state", "Only in this state")]

Rate = Annotated[float | None, typer.Option("--rate", metavar="N", help="Webhooks a second at most.")]

AtOnce = Annotated[int | None, typer.Option("--max-in-flight", metavar="N", help="Webhooks under way at once at most.")]

Asymmetric = Annotated[
    bool | None, typer.Option("--asymmetric/--no-asymmetric", help="Sign with ed25519 as well; anybody may verify.")
]

CloudEvents = Annotated[
    bool | None, typer.Option("--cloudevents/--no-cloudevents", help="Add the attributes of CloudEvents as headers.")
]

Handshake = Annotated[
    bool | None, typer.Option("--handshake/--no-handshake", help="Ask the address for leave as CloudEvents has it.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(FilterOptions):
    """What may be said of a subscription at any time; None where nothing was."""

    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="A line for people.")] = None
    asymmetric: Asymmetric = None
    cloudevents: CloudEvents = None
    handshake: Handshake = None
    rate_per_s: Rate = None
    max_in_flight: AtOnce = None


class Clearable(StrEnum):
    """By the words of the options."""

    DESCRIPTION = "description"
    TYPES = "types"
    PROVIDERS = "providers"
    MODELS = "models"
    LABELS = "labels"
    RATE = "rate"
    MAX_IN_FLIGHT = "max-in-flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions(Options):
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Send to this address from now on.")] = None
    clear: Annotated[
        list[Clearable] | None, one_of(Clearable, "--clear", "Take this condition or limit away; may be repeated")
    ] = None


_PLAIN = ("url", "description", "asymmetric", "cloudevents", "handshake", "rate_per_s", "max_in_flight")

#: Options whose field has another name.
_FIELDS: Mapping[Clearable, str] = {Clearable.RATE: "rate_per_s", Clearable.MAX_IN_FLIGHT: "max_in_flight"}


@taking(Options)
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the webhooks go.")],
    *,
    given: Options,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Subscribe an address to events; without conditions, to every event about a task."""
    order = SubscriptionRequest(url=url, secret=read_secret(secret_file), **_said(given))

    async def work(services: Services) -> tuple[SubscriptionStatus, int]:
        made = await services.subscriptions.create(order, actor=ACTOR)
        return SubscriptionStatus(subscription=made, endpoint=None), services.clock()

    seen, now_ms = with_services(work, making=True)
    _show_with_secret(seen, now_ms, made=secret_file is None, as_json=as_json)


def list_subscriptions(*, state: State = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List subscriptions, the newest first, with what is wrong with each."""

    async def work(services: Services) -> tuple[tuple[SubscriptionStatus, ...], bool, int]:
        page = await services.store.subscriptions.page(limit=limit, cursor=None, state=state)
        return page.items, page.next_cursor is not None, services.clock()

    found, has_more, now_ms = with_services(work)
    if as_json:
        for each in found:
            emit(subscription_view(each.subscription, each.endpoint, now_ms=now_ms).json_values())
    else:
        show(subscriptions_table(found, now_ms) if found else _none(state))
    if has_more:
        note(f"only the newest {limit}; see more with --limit")


def _none(state: SubscriptionState | None) -> str:
    return "there is no subscription" if state is None else f"no subscription is {state}"


def show_subscription(name: Name, *, as_json: Json = False) -> None:
    """Show one subscription and what it is owed: all but its secret."""

    async def work(services: Services) -> tuple[SubscriptionStatus, Backlog, int]:
        seen, now_ms = await _seen(services, name)
        return seen, await services.store.deliveries.backlog(name), now_ms

    seen, backlog, now_ms = with_services(work)
    own, endpoint = seen.subscription, seen.endpoint
    if as_json:
        view = subscription_view(own, endpoint, now_ms=now_ms)
        deliveries = api_webhooks.Backlog.model_validate(backlog)
        emit(api_webhooks.SubscriptionWithBacklog(**dict(view), deliveries=deliveries).json_values())
    else:
        show(subscription_sheet(own, endpoint, now_ms, backlog))


@taking(ChangeOptions)
def change(name: Name, *, given: ChangeOptions, as_json: Json = False) -> None:
    """Change what is said and nothing else; a condition that is said takes the place of the old one."""
    said = _said(given)
    cleared = dict.fromkeys(_FIELDS.get(word, word.value) for word in given.clear or ())
    if said.keys() & cleared.keys():
        raise CommandFailed("--clear: what is said anew can not be cleared as well", status=USAGE)
    if not said and not cleared:
        raise CommandFailed("say what to change; see `whenfinal subscriptions change --help`", status=USAGE)
    seen, now_ms = _changed(name, {**said, **cleared})
    _show(seen, now_ms, as_json=as_json)


def disable(name: Name, *, as_json: Json = False) -> None:
    """Disable a subscription: it is owed nothing new, and what it is owed waits."""
    seen, now_ms = _changed(name, {"enabled": False})
    _show(seen, now_ms, as_json=as_json)


def enable(name: Name, *, as_json: Json = False) -> None:
    """Enable a subscription, and forget how its endpoint failed. A running worker sends what was held."""
    seen, now_ms = _changed(name, {"enabled": True})
    _show(seen, now_ms, as_json=as_json)


def delete(name: Name, *, yes: Yes = False, as_json: Json = False) -> None:
    """Delete a subscription; what it is still owed becomes dead letters."""
    seen, _ = with_services(lambda services: _seen(services, name))
    confirm(f"Delete {name}, which sends to {seen.subscription.url}?", yes=yes)

    async def work(services: Services) -> bool:
        return await services.subscriptions.delete(name, actor=ACTOR)

    if not with_services(work):
        raise missing(name)
    if as_json:
        emit({"id": name, "deleted": True})
    else:
        show(f"{name} is deleted")


def rotate_secret(
    name: Name,
    *,
    overlap: Annotated[
        float,
        typer.Option(
            "--overlap",
            metavar="SPAN",
            parser=told(parse_duration_s),
            help="How long the old secret signs along: 30m, 24h, 7d; 0s ends it at once.",
        ),
    ] = "24h",  # type: ignore[assignment]  # typer reads a default as it reads an option
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Give a subscription a new secret; for a while the old one signs along."""
    secret = read_secret(secret_file)

    async def rotate(services: Services) -> Subscription | None:
        return await services.subscriptions.rotate(name, secret=secret, overlap_s=overlap, actor=ACTOR)

    seen, now_ms = with_services(lambda services: _after(services, name, rotate))
    _show_with_secret(seen, now_ms, made=secret_file is None, as_json=as_json)


def probe(name: Name, *, as_json: Json = False) -> None:
    """Send a signed test now, once, and say what was answered. Exit 1 when it was not delivered."""

    async def work(services: Services) -> Attempt | None:
        return await services.subscriptions.test(name, actor=ACTOR)

    attempt = with_services(work)
    if attempt is None:
        raise missing(name)
    if as_json:
        emit(probe_result(attempt).json_values())
    else:
        show(probe_line(attempt))
    if not attempt.is_success:
        raise typer.Exit(WRONG)


def _said(given: Options) -> dict[str, Any]:
    """Only what was said, by the names of an order."""
    plain = {name: getattr(given, name, None) for name in _PLAIN}
    return {name: value for name, value in plain.items() if value is not None} | conditions_of(given)


def _changed(name: str, changes: Mapping[str, Any]) -> tuple[SubscriptionStatus, int]:
    async def work(services: Services) -> Subscription | None:
        return await services.subscriptions.change(name, changes, actor=ACTOR)

    return with_services(lambda services: _after(services, name, work))


async def _after(
    services: Services, name: str, work: Callable[[Services], Awaitable[Subscription | None]]
) -> tuple[SubscriptionStatus, int]:
    """As the subscription is after a change of it. Raise CommandFailed when there is none."""
    changed = await work(services)
    if changed is None:
        raise missing(name)
    seen = await services.store.subscriptions.find(name)
    return SubscriptionStatus(subscription=changed, endpoint=seen.endpoint if seen else None), services.clock()


async def _seen(services: Services, name: str) -> tuple[SubscriptionStatus, int]:
    seen = await services.store.subscriptions.find(name)
    if seen is None:
        raise missing(name)
    return seen, services.clock()


def _show(seen: SubscriptionStatus, now_ms: int, *, as_json: bool) -> None:
    if as_json:
        emit(subscription_view(seen.subscription, seen.endpoint, now_ms=now_ms).json_values())
    else:
        show(subscription_sheet(seen.subscription, seen.endpoint, now_ms))


def _show_with_secret(seen: SubscriptionStatus, now_ms: int, *, made: bool, as_json: bool) -> None:
    """A secret that came from a file is known already; programs get it all the same, as from the API."""
    own = seen.subscription
    if as_json:
        view = subscription_view(own, seen.endpoint, now_ms=now_ms)
        emit(api_webhooks.SubscriptionWithSecret(**dict(view), secret=own.secret).json_values())
        return
    secrets = [f"signing secret, shown only now: {own.secret}"] if made else []
    show(subscription_sheet(own, seen.endpoint, now_ms), *secrets)


def missing(name: str) -> CommandFailed:
    return CommandFailed(f"there is no subscription {name}; see `whenfinal subscriptions list`")
