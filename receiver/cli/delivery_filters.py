"""The options that say which deliveries."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from receiver.cli.console import USAGE, CommandFailed
from receiver.cli.hosts import read_host
from receiver.cli.options import Since, Until, enum_option, parsed_option, time_of
from receiver.events.model.event import EventType
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.delivery_search import Answer


def _parse_subscription(text: str) -> str:
    """A deleted subscription is accepted, because its deliveries stay in the ledger."""
    return _with_prefix(text, "sub_", "a subscription")


def _parse_task(text: str) -> str:
    return _with_prefix(text, "tsk_", "a task")


def _with_prefix(text: str, prefix: str, what: str) -> str:
    if not text.startswith(prefix):
        message = f"{text!r} is not the id of {what}, {prefix}…"
        raise ValueError(message)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Which deliveries; all conditions must hold. None where the option was not given."""

    states: Annotated[
        list[DeliveryState] | None, enum_option(DeliveryState, "--state", "Only in this state; may be repeated")
    ] = None
    task: Annotated[str | None, parsed_option("--task", "ID", _parse_task, "Only of events of this task, tsk_….")] = (
        None
    )
    kind: Annotated[EventType | None, enum_option(EventType, "--type", "Only of events of this type")] = None
    subscription: Annotated[
        str | None, parsed_option("--subscription", "ID", _parse_subscription, "Only of this subscription, sub_….")
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", metavar="HOST", help="Only what this host of notify has not received: pending and dead."
        ),
    ] = None
    since: Since = None
    until: Until = None
    errors: Annotated[
        list[Answer] | None,
        enum_option(Answer, "--error", "Only with this last answer; may be repeated; none: no answer came"),
    ] = None


def delivery_filters(given: DeliveryOptions) -> dict[str, Any]:
    """What was given, by the names of the API. Raise CommandFailed for a host that is none."""
    host = None if given.endpoint is None else read_host(given.endpoint)
    if host is not None and (given.subscription or given.states == [DeliveryState.DELIVERED]):
        raise CommandFailed("--endpoint goes with --state pending or dead, and without --subscription", status=USAGE)
    filters = {
        "state": [each.value for each in given.states or ()],
        "task": given.task,
        "type": None if given.kind is None else given.kind.value,
        "subscription": given.subscription,
        "endpoint": host,
        "since": time_of(given.since),
        "until": time_of(given.until),
        "error": [each.value for each in given.errors or ()],
    }
    return {name: value for name, value in filters.items() if value}
