"""Events: their types, drafts, stored form and view. Pure. Times are unix milliseconds."""

import json
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Self

from submitter.model import TaskId
from submitter.values import value


class EventType(StrEnum):
    SUCCEEDED = "task.succeeded"
    FAILED = "task.failed"
    CANCELED = "task.canceled"
    EXPIRED = "task.expired"
    REFUSED = "task.refused"
    OVERDUE = "task.overdue"
    UNCERTAIN = "task.uncertain"
    SUBSCRIPTION_DISABLED = "subscription.disabled"
    PROVIDER_PAUSED = "provider.paused"
    PROVIDER_DENIED = "provider.denied"
    CALLBACKS_MISSED = "callbacks.missed"


#: What a subscription without types receives, and a task's own `notify`. The other types are for those who name them.
TASK_EVENTS = frozenset(each for each in EventType if each.startswith("task.")) - {EventType.UNCERTAIN}


@value
class Event:
    """An immutable fact."""

    #: Its number in the log; numbers have no gaps.
    seq: int
    id: str
    #: The task that it is about; None for an event about a subscription or a provider.
    task_id: TaskId | None
    #: Also one that only a newer version knows, which stored the event.
    type: str
    at_ms: int
    #: The id of the event that this one replaces.
    supersedes: str | None
    #: The webhook's body: JSON text, byte for byte what is signed.
    body: str


@value
class EventFacts:
    """What filters match. An event about no task has a type, and a provider where it is about one."""

    type: str
    provider: str | None = None
    model: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_event(cls, event: Event) -> Self:
        """The facts at the time of the event, read from its body."""
        return cls.of_body(event.type, event.body)

    @classmethod
    def of_body(cls, event_type: str, body: str) -> Self:
        data = json.loads(body).get("data") or {}
        task, provider = data.get("task") or {}, (data.get("provider") or {}).get("name")
        return cls(
            type=event_type,
            provider=task.get("provider", provider),
            model=task.get("model"),
            labels=task.get("labels") or {},
        )


@value
class EventDraft:
    """An event without its number."""

    id: str
    type: EventType
    #: The task that it is about; None for an event about a subscription or a provider.
    subject: TaskId | None
    #: The members of the body's `data` beside number and id: JSON values and models of `submitter.api`.
    data: Mapping[str, Any]


def event_view(event: Event) -> dict[str, Any]:
    """Return the event as the API shows it: the values of its stored body, which an older version may have made."""
    body = json.loads(event.body)
    about = {name: body["data"][name] for name in ("subscription", "provider") if name in body["data"]}
    return {
        "seq": event.seq,
        "event_id": event.id,
        "type": event.type,
        "timestamp": body["timestamp"],
        "task": body["data"].get("task"),
        "supersedes": event.supersedes,
        **about,
    }
