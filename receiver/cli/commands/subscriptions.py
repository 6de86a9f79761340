"""`whenfinal subscriptions`: which endpoint gets which events, and whether its webhooks arrive."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import USAGE, WRONG, CommandFailed, confirm, emit, show
from receiver.cli.display.subscription_tables import (
    probe_line,
    resumed_lines,
    resumed_subscription_lines,
    subscription_sheet,
    subscriptions_table,
)
from receiver.cli.each import do_each
from receiver.cli.ids import existing, read_ids
from receiver.cli.options import (
    FilterOptions,
    Json,
    Limit,
    SecretFile,
    Yes,
    enum_option,
    labels_of,
    options_from,
    parsed_option,
    read_secret,
)
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.runtime.clock import now_ms
from receiver.runtime.durations import parse_duration_s
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.api_webhooks import (
    ProbeResult,
    ResumedSubscription,
    Subscription,
    SubscriptionsPage,
    SubscriptionWithSecret,
)
from submitter.client.client import Client

SubscriptionId = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id, sub_….")]

SubscriptionIds = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of subscriptions, sub_…; - reads them from stdin, one a line.")
]

MISSING = "there is no subscription {}; see `whenfinal subscriptions list`"

State = Annotated[SubscriptionState | None, enum_option(SubscriptionState, "--state", "Only in this state")]


def parse_rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not math.isfinite(rate):
        message = f"{text!r} is not a number"
        raise ValueError(message)
    return rate


Rate = Annotated[float | None, parsed_option("--rate", "N", parse_rate, "At most this many webhooks a second.")]

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
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="Send to this URL from now on.")] = (
        None
    )
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
    fields, secret = _given_fields(given), read_secret(secret_file)

    async def work(client: Client) -> SubscriptionWithSecret:
        return await client.subscriptions.create(url, secret=secret, **fields)

    _show_with_secret(with_client(work, creating=True), made=secret_file is None, as_json=as_json)


def list_subscriptions(*, state: State = None, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    filters: dict[str, Any] = {} if state is None else {"state": state.value}

    async def work(client: Client) -> Listed[Subscription]:
        def page_after(most: int, cursor: str | None) -> Awaitable[SubscriptionsPage]:
            return client.subscriptions.list(limit=most, cursor=cursor, **filters)

        return await listed(page_after, lambda page: page.subscriptions, limit)

    found = with_client(work)
    if as_json:
        for each in found.rows:
            emit(each.json_values())
    elif found.rows:
        show(subscriptions_table(found.rows, now_ms()))
    else:
        show("there is no subscription" if state is None else f"no subscription is {state}")
    note_left_out(found)


def show_subscription(subscription_ids: SubscriptionIds, *, as_json: Json = False) -> None:
    _show_each(subscription_ids, lambda client: client.subscriptions.get, as_json=as_json)


@options_from(ChangeOptions)
def change(subscription_id: SubscriptionId, *, given: ChangeOptions, as_json: Json = False) -> None:
    changes = _given_fields(given) | ({} if given.endpoint is None else {"url": given.endpoint})
    cleared: dict[str, Any] = dict.fromkeys(_FIELDS.get(word, word.value) for word in given.clear or ())
    if changes.keys() & cleared.keys():
        raise CommandFailed("--clear: an option that is given can not be cleared as well", status=USAGE)
    if not changes and not cleared:
        raise CommandFailed(
            "give at least one option to change; see whenfinal subscriptions change --help", status=USAGE
        )

    _show_each(
        [subscription_id],
        lambda client: lambda name: client.subscriptions.change(name, **{**changes, **cleared}),
        as_json=as_json,
    )


def disable(subscription_ids: SubscriptionIds, *, as_json: Json = False) -> None:
    _show_each(subscription_ids, lambda client: client.subscriptions.disable, as_json=as_json)


def enable(subscription_ids: SubscriptionIds, *, as_json: Json = False) -> None:
    _show_each(subscription_ids, lambda client: client.subscriptions.enable, as_json=as_json)


def delete(subscription_id: SubscriptionId, *, yes: Yes = False, as_json: Json = False) -> None:
    async def work(client: Client) -> None:
        found = await existing(client.subscriptions.get, subscription_id, missing=MISSING)
        confirm(f"Delete {subscription_id}, which sends to {found.url}?", yes=yes)
        await existing(client.subscriptions.delete, subscription_id, missing=MISSING)

    with_client(work)
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

    async def work(client: Client) -> SubscriptionWithSecret:
        def rotating(name: str) -> Awaitable[SubscriptionWithSecret]:
            return client.subscriptions.rotate_secret(name, secret=secret, overlap_s=overlap)

        return await existing(rotating, subscription_id, missing=MISSING)

    _show_with_secret(with_client(work), made=secret_file is None, as_json=as_json)


def probe(subscription_ids: SubscriptionIds, *, as_json: Json = False) -> None:
    ids, found = read_ids(subscription_ids), list[tuple[str, ProbeResult]]()

    async def work(client: Client, name: str) -> tuple[str, ProbeResult]:
        return name, await existing(client.subscriptions.test, name, missing=MISSING)

    def printed(tested: Sequence[tuple[str, ProbeResult]]) -> None:
        found.extend(tested)
        for name, result in tested:
            _show_probe(name if len(ids) > 1 else None, result, as_json=as_json)

    do_each(ids, work, printed)
    if not all(result.delivered for _, result in found):
        raise typer.Exit(WRONG)


def _show_probe(name: str | None, result: ProbeResult, *, as_json: bool) -> None:
    """`name` is that of one among several."""
    if as_json:
        emit({**({} if name is None else {"subscription": name}), **result.json_values()})
        return
    lines = [probe_line(result), *resumed_lines(was_failing=result.was_failing, made_due=result.made_due)]
    show(*(line if name is None else f"{name}: {line}" for line in lines))


def resume(subscription_ids: SubscriptionIds, *, as_json: Json = False) -> None:
    ids = read_ids(subscription_ids)

    async def work(client: Client, name: str) -> ResumedSubscription:
        return await existing(client.subscriptions.resume, name, missing=MISSING)

    def printed(found: Sequence[ResumedSubscription]) -> None:
        for each in found:
            if as_json:
                emit(each.json_values())
            else:
                lines = resumed_subscription_lines(each)
                show(*(line if len(ids) == 1 or each.id in line else f"{each.id}: {line}" for line in lines))

    do_each(ids, work, printed)


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


def _show_each(
    given: Sequence[str], call: Callable[[Client], Callable[[str], Awaitable[Subscription]]], *, as_json: bool
) -> None:
    """Do the call of the client for each id, and print each subscription that it returns."""

    async def work(client: Client, name: str) -> Subscription:
        return await existing(call(client), name, missing=MISSING)

    def printed(found: Sequence[Subscription]) -> None:
        for at, each in enumerate(found):
            if as_json:
                emit(each.json_values())
            else:
                show(*([""] if at else []), subscription_sheet(each, now_ms()))

    do_each(read_ids(given), work, printed)


def _show_with_secret(subscription: SubscriptionWithSecret, *, made: bool, as_json: bool) -> None:
    """A secret from a file is not printed again. With --json it always is, as in the API."""
    if as_json:
        emit(subscription.json_values())
        return
    secrets = [f"signing secret, shown only now: {subscription.secret}"] if made else []
    show(subscription_sheet(subscription, now_ms()), *secrets)
