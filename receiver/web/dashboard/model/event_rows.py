"""Events as the list and the page of one show them, whatever version stored them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.events.model.event import Event, EventType

_E = EventType

_KINDS: Mapping[str, str] = {
    _E.SUCCEEDED: "good",
    _E.FAILED: "bad",
    _E.EXPIRED: "bad",
    _E.REFUSED: "bad",
    _E.OVERDUE: "warn",
    _E.UNCERTAIN: "warn",
    _E.SUBSCRIPTION_DISABLED: "bad",
    _E.PROVIDER_PAUSED: "warn",
    _E.PROVIDER_DENIED: "bad",
    _E.CALLBACKS_MISSED: "warn",
}

_TYPES = frozenset(each.value for each in EventType)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event. All texts but `kind` may be words of others."""

    event: Event
    kind: str
    #: Only a newer version knows its type.
    is_newer: bool
    provider: str
    model: str
    labels: Mapping[str, str]
    #: What it is about where it is about no task: the id of a subscription, or why a provider is paused.
    about: str


def event_row(event: Event) -> EventRow:
    task, subscription, provider = (_part(event.body, name) for name in ("task", "subscription", "provider"))
    labels = task.get("labels")
    return EventRow(
        event=event,
        kind=_KINDS.get(event.type, "plain"),
        is_newer=event.type not in _TYPES,
        provider=str(task.get("provider") or provider.get("name") or ""),
        model=str(task.get("model") or ""),
        labels=labels if isinstance(labels, dict) else {},
        about=str(subscription.get("id") or provider.get("reason") or ""),
    )


def _part(body: str, name: str) -> Mapping[str, Any]:
    """A member of `data`; empty where there is none of that name."""
    try:
        data = json.loads(body)["data"]
        part = data[name]
    except (ValueError, RecursionError, LookupError, TypeError):
        return {}
    return part if isinstance(part, dict) else {}
