"""What is left of a request when it is kept to the limits of a key. Pure.

What lies outside is not there: nothing is found, and a thing of that id is unknown. Only what a caller would create or
change outside is refused in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from receiver.config.api_keys import Limits
from receiver.events.model.query import EventFilter
from receiver.tasks.model.request import TaskRequest
from receiver.web.problems import Kind, Problem
from receiver.webhooks.model.request import SubscriptionRequest
from submitter.providers.contract import ConfiguredProvider

#: Lets no event through, because each has a type.
NOTHING = EventFilter(types=frozenset({""}))


def kept_filter(wanted: EventFilter, limits: Limits) -> EventFilter:
    """The part of a filter that is within."""
    labels = {} if limits.label is None else dict([limits.label])
    return both(wanted, EventFilter(providers=limits.providers or frozenset(), labels=labels))


def both(one: EventFilter, other: EventFilter) -> EventFilter:
    """Lets through what each of the two does."""
    if NOTHING in (one, other):
        return NOTHING
    types, providers = _common(one.types, other.types), _common(one.providers, other.providers)
    models, labels = _common(one.models, other.models), {**one.labels, **other.labels}
    if types is None or providers is None or models is None or labels != {**other.labels, **one.labels}:
        return NOTHING
    return EventFilter(types=types, providers=providers, models=models, labels=labels)


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str] | None:
    """Of two conditions, of which an empty one lets everything through; None where they have nothing in common."""
    return (one & other or None) if one and other else one or other


def is_within(wanted: EventFilter, limits: Limits) -> bool:
    """Whether everything that the filter lets through is within."""
    return kept_filter(wanted, limits) == wanted


def kept_task(request: TaskRequest, limits: Limits) -> TaskRequest:
    """The request with the label of the limits. Raise a 403 problem for what lies outside."""
    check_provider(request.provider, limits)
    return replace(request, labels=_kept_labels(request.labels, limits))


def kept_subscription(request: SubscriptionRequest, limits: Limits) -> SubscriptionRequest:
    """The request with the conditions of the limits. Raise a 403 problem for what lies outside."""
    return replace(request, **_kept_conditions({"providers": request.providers, "labels": request.labels}, limits))


def kept_changes(changes: Mapping[str, Any], limits: Limits) -> Mapping[str, Any]:
    """The changes of a subscription, where what is emptied gets the conditions of the limits. Raise a 403 problem."""
    return {**changes, **_kept_conditions({name: changes[name] for name in _CONDITIONS if name in changes}, limits)}


_CONDITIONS = ("providers", "labels")


def _kept_conditions(given: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    kept = dict(given)
    if "providers" in given:
        kept["providers"] = _kept_providers(given["providers"] or (), limits)
    if "labels" in given:
        kept["labels"] = _kept_labels(given["labels"] or {}, limits)
    return kept


def _kept_providers(given: Sequence[str], limits: Limits) -> tuple[str, ...]:
    for name in given:
        check_provider(name, limits)
    return tuple(given) or tuple(sorted(limits.providers or ()))


def visible_providers(providers: Mapping[str, ConfiguredProvider], limits: Limits) -> Mapping[str, ConfiguredProvider]:
    """Those that are there for callers with these limits."""
    return {name: each for name, each in providers.items() if limits.providers is None or name in limits.providers}


def check_account(limits: Limits) -> None:
    """Raise a 403 problem where only some tasks of an account are within, and all of them are concerned."""
    if limits.label is not None:
        raise Problem(
            Kind.OUTSIDE_LIMITS, "This concerns every task of the provider, and the key is limited to a label."
        )


def check_ids(limits: Limits) -> None:
    """Raise a 403 problem where an id of the provider is named, which may be that of a task outside."""
    if limits.label is not None:
        detail = "The id may be that of any task of the provider's account, and the key is limited to a label."
        raise Problem(Kind.OUTSIDE_LIMITS, detail)


def check_provider(name: str, limits: Limits) -> None:
    """Raise a 403 problem for a provider that lies outside."""
    if limits.providers is not None and name not in limits.providers:
        raise Problem(Kind.OUTSIDE_LIMITS, f"The key is limited to {' and '.join(sorted(limits.providers))}.")


def _kept_labels(given: Mapping[str, str], limits: Limits) -> dict[str, str]:
    if limits.label is None:
        return dict(given)
    name, value = limits.label
    if given.get(name, value) != value:
        raise Problem(
            Kind.OUTSIDE_LIMITS, f"The key is limited to the label {name}={value}; leave it out, or send that."
        )
    return {**given, name: value}
