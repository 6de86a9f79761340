"""How tasks, events and deliveries look to an outsider: the one shape that the API, events and the command line share.

Pure. Secrets, stored bodies and leases have no place here.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from receiver.records import Attempt, Delivery, Event, EventType, Task
from receiver.subscription import Subscription
from submitter.model import Output

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999, where RFC 3339 ends


def rfc3339(at_ms: int | None) -> str | None:
    """UTC with milliseconds; None stays None, times past the year 9999 stop there."""
    if at_ms is None:
        return None
    within_ms = max(0, min(at_ms, _LAST_MS))
    moment = _EPOCH + timedelta(milliseconds=within_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{within_ms % 1000:03d}Z"


def output_view(output: Output) -> dict[str, Any]:
    return {
        "type": output.type,
        "url": output.url,
        "expires_at": rfc3339(output.expires_at_ms),
        "needs_key": output.needs_key,
    }


def task_view(task: Task) -> dict[str, Any]:
    """JSON values only; times RFC 3339."""
    return {
        "id": task.id,
        "provider": task.provider,
        "task_id": task.task_id,
        "model": task.model,
        "state": task.state.value,
        "raw_state": task.raw_state,
        "progress": task.progress,
        "labels": dict(task.labels),
        "created_at": rfc3339(task.created_ms),
        "submitted_at": rfc3339(task.submitted_ms),
        "final_at": rfc3339(task.final_ms),
        "deadline_at": rfc3339(task.deadline_ms),
        "outputs": [output_view(output) for output in task.outputs],
        "error": None if task.error is None else {"code": task.error.code, "message": task.error.message},
        "supersedes": task.supersedes,
        "callback_expected": task.callback_expected,
        "polls": task.polls,
    }


def disabled_view(subscription: Subscription) -> dict[str, Any]:
    """What `subscription.disabled` tells. The address without query, which may hold what only its owner may know."""
    parts = urlsplit(subscription.url)
    return {
        "id": subscription.id,
        "url": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        "reason": subscription.disabled_reason,
        "disabled_at": rfc3339(subscription.disabled_ms),
    }


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


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_seq": delivery.event_seq,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type.value,
        "task": delivery.task,
        "subscription": delivery.subscription,
        "endpoint": delivery.endpoint,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "due_at": rfc3339(delivery.due_ms),
        "created_at": rfc3339(delivery.created_ms),
        "finished_at": rfc3339(delivery.finished_ms),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": rfc3339(attempt.at_ms),
        "latency_ms": attempt.latency_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response": attempt.response,
    }
