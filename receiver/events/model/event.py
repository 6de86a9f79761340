"""What the ledger holds, as plain values. Times are unix milliseconds, made by the caller of a verb.

Pure. The store turns rows into these and back; every other room sees only these.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from submitter.timestamps import rfc3339


class EventType(StrEnum):
    SUCCEEDED = "task.succeeded"
    FAILED = "task.failed"
    CANCELED = "task.canceled"
    EXPIRED = "task.expired"
    OVERDUE = "task.overdue"
    SUBSCRIPTION_DISABLED = "subscription.disabled"


#: What a subscriber gets that names no types. The others are for operators, who ask for them by name.
TASK_EVENTS = frozenset(EventType) - {EventType.SUBSCRIPTION_DISABLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An immutable fact. `body` is the webhook body, JSON text, byte for byte what is signed.

    `task` is our id of the task that it is about, None for an event about a subscription.
    """

    seq: int
    id: str
    task: str | None
    type: EventType
    at_ms: int
    supersedes: str | None
    body: str


def event_body(
    task: Mapping[str, Any] | None,
    *,
    seq: int,
    event_id: str,
    event_type: EventType,
    at_ms: int,
    subscription: Mapping[str, Any] | None = None,
) -> str:
    """The webhook body of an event about a `task_view` or a `disabled_view`.

    `supersedes` names the event that this one replaces.
    """
    data = {"seq": seq, "event_id": event_id, "supersedes": task["supersedes"] if task else None, "task": task}
    if subscription is not None:
        data["subscription"] = subscription
    body = {"type": event_type.value, "timestamp": rfc3339(at_ms), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def event_view(event: Event) -> dict[str, Any]:
    """The same facts as the webhook's body, flat."""
    body = json.loads(event.body)
    about = {"subscription": body["data"]["subscription"]} if "subscription" in body["data"] else {}
    return {
        "seq": event.seq,
        "event_id": event.id,
        "type": event.type.value,
        "timestamp": body["timestamp"],
        "task": body["data"]["task"],
        "supersedes": event.supersedes,
        **about,
    }
