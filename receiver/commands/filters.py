"""Options that say which events, for the commands that subscribe to them and send them again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from receiver.commands.options import Pair, labels_of, one_of, parse_pair, told
from receiver.records import EventType
from receiver.subscription import EventFilter

Types = Annotated[list[EventType] | None, one_of(EventType, "--type", "Only this type; may be repeated")]
Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME", help="Only of this provider; may be repeated.")
]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="NAME", help="Only of this model; may be repeated.")
]
Labels = Annotated[
    list[Pair] | None,
    typer.Option(
        "--label",
        metavar="NAME=VALUE",
        parser=told(parse_pair),
        help="Only with this label; may be repeated, and each must be there.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """None where nothing was said."""

    kinds: Types = None
    providers: Providers = None
    models: Models = None
    labels: Labels = None


def conditions_of(given: FilterOptions) -> dict[str, Any]:
    """Only what was said, by the names that the API has for it."""
    return dict(_conditions(given))


def _conditions(given: FilterOptions) -> Iterator[tuple[str, Any]]:
    if given.kinds is not None:
        yield "types", tuple(kind.value for kind in given.kinds)
    if given.providers is not None:
        yield "providers", tuple(given.providers)
    if given.models is not None:
        yield "models", tuple(given.models)
    if given.labels is not None:
        yield "labels", labels_of(given.labels)


def filter_of(given: FilterOptions) -> EventFilter:
    return EventFilter(
        types=frozenset(given.kinds or ()),
        providers=frozenset(given.providers or ()),
        models=frozenset(given.models or ()),
        labels=labels_of(given.labels or ()),
    )
