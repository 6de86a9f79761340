"""`whenfinal subscriptions`: which endpoint gets which events, and whether its webhooks arrive."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import USAGE, WRONG, CommandFailed, confirm, emit, note_more, show
from receiver.cli.display.repair_tables import resumed_lines
from receiver.cli.display.subscription_tables import probe_line, subscription_sheet, subscriptions_table
from receiver.cli.options import (
    FilterOptions,
    Json,
    Limit,
    SecretFile,
    enum_option,
    labels_of,
    options_from,
    parsed_option,
    read_secret,
)
from receiver.cli.runner import with_services
from receiver.runtime.clock import now_ms
from receiver.runtime.durations import parse_duration_s
from receiver.runtime.services import Services
from receiver.store.repository import Page
from receiver.webhooks.model.delivery import Backlog
from receiver.webhooks.model.endpoint_status import ResumedSubscription
from receiver.webhooks.model.request import USUAL_OVERLAP_S, SubscriptionRequest
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from receiver.webhooks.model.views import probe_result, resumed_subscription_view, subscription_view
from submitter import api_webhooks

SubscriptionId = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id, sub_….")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

State = Annotated[SubscriptionState | None, enum_option(SubscriptionState, "--state", "Only in this state")]

Rate = Annotated[float | None, typer.Option("--rate", metavar="N", help="At most this many webhooks a second.")]

MaxInFlight = Annotated[
    int | None, typer.Option("--max-in-flight", metavar="N", help="At most this many webhooks in flight.")
]

Asymmetric = Annotated[
    bool | None,
    typer.Option("--asymmetric/--no-asymmetric", help="Sign with ed25519 as well, so that the public key verifies."),
]

CloudEvents = Annotated[
    bool | None, typer.Option("--cloudevents/--no-cloudevents", help="Add the CloudEvents attributes as headers.")
]

Handshake = Annotated[
    bool | None,
    typer.Option(
        "--handshake/--no-handshake", help="Ask the endpoint for permission first, as CloudEvents defines it."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionOptions(FilterOptions):
    """What can be set at any time. None where the option was not given."""

    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="A line that describes it.")
    ] = None
    asymmetric: Asymmetric = None
    cloudevents: CloudEvents = None
    handshake: Handshake = None
    rate_per_s: Rate = None
    max_in_flight: MaxInFlight = None


class Clearable(StrEnum):
    """What `--clear` takes, by the names of the options."""

    DESCRIPTION = "description"
    TYPES = "types"
    PROVIDERS = "providers"
    MODELS = "models"
    LABELS = "labels"
    RATE = "rate"
    MAX_IN_FLIGHT = "max-in-flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions(SubscriptionOptions):
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Send to this URL from now on.")] = None
    clear: Annotated[
        list[Clearable] | None, enum_option(Clearable, "--clear", "Remove this condition or limit; may be repeated")
    ] = None


#: Options whose field has another name.
_FIELDS: Mapping[Clearable, str] = {Clearable.RATE: "rate_per_s", Clearable.MAX_IN_FLIGHT: "max_in_flight"}


@options_from(SubscriptionOptions)
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint that gets the webhooks.")],
    *,
    given: SubscriptionOptions,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    request = SubscriptionRequest(url=url, secret=read_secret(secret_file), **_given_fields(given))

    async def work(services: Services) -> SubscriptionStatus:
        return SubscriptionStatus(subscription=await services.subscriptions.create(request, actor=ACTOR), endpoint=None)

    _show_with_secret(with_services(work, creating=True), made=secret_file is None, as_json=as_json)


def list_subscriptions(*, state: State = None, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    async def work(services: Services) -> Page[SubscriptionStatus]:
        return await services.store.subscriptions.page(limit=limit, cursor=None, state=state)

    page = with_services(work)
    if as_json:
        for status in page.items:
            emit(_view(status).json_values())
    elif page.items:
        show(subscriptions_table(page.items, now_ms()))
    else:
        show("there is no subscription" if state is None else f"no subscription is {state}")
    note_more(page)


def show_subscription(subscription_id: SubscriptionId, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[SubscriptionStatus, Backlog]:
        return await _find(services, subscription_id), await services.store.deliveries.backlog(subscription_id)

    status, backlog = with_services(work)
    if as_json:
        deliveries = api_webhooks.Backlog.model_validate(backlog)
        emit(api_webhooks.SubscriptionWithBacklog(**dict(_view(status)), deliveries=deliveries).json_values())
    else:
        show(subscription_sheet(status, now_ms(), backlog))


@options_from(ChangeOptions)
def change(subscription_id: SubscriptionId, *, given: ChangeOptions, as_json: Json = False) -> None:
    changes = _given_fields(given) | ({} if given.url is None else {"url": given.url})
    cleared = dict.fromkeys(_FIELDS.get(word, word.value) for word in given.clear or ())
    if changes.keys() & cleared.keys():
        raise CommandFailed("--clear: an option that is given can not be cleared as well", status=USAGE)
    if not changes and not cleared:
        raise CommandFailed(
            "give at least one option to change; see whenfinal subscriptions change --help", status=USAGE
        )
    _change(subscription_id, {**changes, **cleared}, as_json=as_json)


def disable(subscription_id: SubscriptionId, *, as_json: Json = False) -> None:
    _change(subscription_id, {"enabled": False}, as_json=as_json)


def enable(subscription_id: SubscriptionId, *, as_json: Json = False) -> None:
    _change(subscription_id, {"enabled": True}, as_json=as_json)


def delete(subscription_id: SubscriptionId, *, yes: Yes = False, as_json: Json = False) -> None:
    status = with_services(lambda services: _find(services, subscription_id))
    confirm(f"Delete {subscription_id}, which sends to {status.subscription.url}?", yes=yes)
    if not with_services(lambda services: services.subscriptions.delete(subscription_id, actor=ACTOR)):
        raise missing(subscription_id)
    if as_json:
        emit({"id": subscription_id, "deleted": True})
    else:
        show(f"{subscription_id} is deleted")


def rotate_secret(
    subscription_id: SubscriptionId,
    *,
    overlap: Annotated[
        float | None,
        parsed_option(
            "--overlap",
            "SPAN",
            parse_duration_s,
            "How long webhooks are signed with the old secret as well: 30m, 7d; 0s ends it now. Without it 24h.",
        ),
    ] = None,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    secret = read_secret(secret_file)
    overlap_s = USUAL_OVERLAP_S if overlap is None else overlap

    async def work(services: Services) -> SubscriptionStatus:
        rotated = await services.subscriptions.rotate(subscription_id, secret=secret, overlap_s=overlap_s, actor=ACTOR)
        return await _with_endpoint(services, subscription_id, rotated)

    _show_with_secret(with_services(work), made=secret_file is None, as_json=as_json)


def probe(subscription_id: SubscriptionId, *, as_json: Json = False) -> None:
    tested = with_services(lambda services: services.subscriptions.test(subscription_id, actor=ACTOR))
    if tested is None:
        raise missing(subscription_id)
    if as_json:
        emit(probe_result(tested.attempt, tested.resumed).json_values())
    else:
        show(probe_line(tested.attempt), *resumed_lines(tested.resumed))
    if not tested.attempt.is_success:
        raise typer.Exit(WRONG)


def resume(subscription_id: SubscriptionId, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[ResumedSubscription, SubscriptionStatus]:
        resumed = await services.subscriptions.resume(subscription_id, actor=ACTOR)
        if resumed is None:
            raise missing(subscription_id)
        return resumed, await _find(services, subscription_id)

    resumed, status = with_services(work)
    if as_json:
        emit(resumed_subscription_view(_view(status), resumed).json_values())
        return
    lines = [f"{subscription_id} is enabled"] if resumed.was_disabled else []
    lines += resumed_lines(resumed.endpoint)
    show(*(lines or [f"{subscription_id} has no trouble; nothing was changed"]))


def _given_fields(given: SubscriptionOptions) -> dict[str, Any]:
    """The options that were given, by the names that a subscription's fields have in the API."""
    fields: dict[str, Any] = {
        "types": None if given.kinds is None else tuple(kind.value for kind in given.kinds),
        "providers": None if given.providers is None else tuple(given.providers),
        "models": None if given.models is None else tuple(given.models),
        "labels": None if given.labels is None else labels_of(given.labels),
        "description": given.description,
        "asymmetric": given.asymmetric,
        "cloudevents": given.cloudevents,
        "handshake": given.handshake,
        "rate_per_s": given.rate_per_s,
        "max_in_flight": given.max_in_flight,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _change(subscription_id: str, changes: Mapping[str, Any], *, as_json: bool) -> None:
    async def work(services: Services) -> SubscriptionStatus:
        changed = await services.subscriptions.change(subscription_id, changes, actor=ACTOR)
        return await _with_endpoint(services, subscription_id, changed)

    status = with_services(work)
    if as_json:
        emit(_view(status).json_values())
    else:
        show(subscription_sheet(status, now_ms()))


async def _with_endpoint(services: Services, subscription_id: str, changed: Subscription | None) -> SubscriptionStatus:
    """The result of a change, with its endpoint. Raise CommandFailed when there is no such subscription."""
    if changed is None:
        raise missing(subscription_id)
    found = await services.store.subscriptions.find(subscription_id)
    return SubscriptionStatus(subscription=changed, endpoint=found.endpoint if found else None)


async def _find(services: Services, subscription_id: str) -> SubscriptionStatus:
    found = await services.store.subscriptions.find(subscription_id)
    if found is None:
        raise missing(subscription_id)
    return found


def _view(status: SubscriptionStatus) -> api_webhooks.Subscription:
    return subscription_view(status.subscription, status.endpoint, now_ms=now_ms())


def _show_with_secret(status: SubscriptionStatus, *, made: bool, as_json: bool) -> None:
    """A secret from a file is not printed again. With --json it always is, as in the API."""
    secret = status.subscription.secret
    if as_json:
        emit(api_webhooks.SubscriptionWithSecret(**dict(_view(status)), secret=secret).json_values())
        return
    secrets = [f"signing secret, shown only now: {secret}"] if made else []
    show(subscription_sheet(status, now_ms()), *secrets)


def missing(subscription_id: str) -> CommandFailed:
    return CommandFailed(f"there is no subscription {subscription_id}; see `whenfinal subscriptions list`")
