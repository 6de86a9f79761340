"""The timeline of a task: rows of five tables in the order of time. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.store.codec import Row
from receiver.tasks.model.task import Verdict
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.timestamps import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of a task's timeline."""

    at_ms: int
    #: observation, event, delivery, attempt or audit.
    kind: str
    #: One sentence for a person.
    summary: str
    #: The public members of the row, as JSON values.
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEntry(TimelineEntry):
    """A delivery of one of the task's events, with what decides what happens to it next."""

    delivery_id: str
    #: None for the task's own `notify`.
    subscription: str | None
    endpoint: str
    state: DeliveryState
    #: When the next attempt is due; None unless pending.
    due_ms: int | None
    #: It is pending and is not attempted, because its subscription is disabled.
    is_held: bool


def build_timeline(rows: Mapping[str, Sequence[Row]]) -> list[TimelineEntry]:
    """The entries in the order of time. `rows` holds the rows of each kind, see `TaskRepository.timeline`."""
    entries = [make(row) for kind, make in _ENTRY_OF.items() for row in rows[kind]]
    return sorted(entries, key=lambda entry: entry.at_ms)


def _observation(row: Row) -> TimelineEntry:
    detail = json.loads(row["detail"])
    raw_state = f" ({row['raw_state']})" if row["raw_state"] and row["raw_state"] != row["state"] else ""
    missing = ", without its result" if detail.get("without_result") else ""
    summary = f"{row['source']} says {row['state']}{raw_state}{missing}: {row['verdict']}"
    members = {name: row[name] for name in ("source", "state", "raw_state", "verdict")}
    members["raw"] = row["raw"]
    if row["source"] == "submit":
        summary = f"submit: {row['state']}{_reason(detail)}"
    elif row["verdict"] == Verdict.UNUSABLE:
        summary = f"poll: no usable answer{_reason(detail)}"
    if row["source"] == "submit" or row["verdict"] == Verdict.UNUSABLE:
        del members["raw"]
        members |= {"reply": row["raw"]} if row["raw"] else {}
    return TimelineEntry(
        at_ms=row["at_ms"], kind="observation", summary=f"{summary}{_times(detail)}", detail={**members, **detail}
    )


def _times(detail: Mapping[str, Any]) -> str:
    """How often the same was answered, and how many other answers the line stands for."""
    times, left_out, last_at = detail.get("times", 1), detail.get("left_out", 0), detail.get("last_at")
    parts = [f"{times} times" if times > 1 else "", f"after {left_out} others that are not shown" if left_out else ""]
    said = ", ".join(part for part in parts if part)
    return f" ({said}, last {last_at})" if said else ""


def _reason(detail: Mapping[str, Any]) -> str:
    if "reason" in detail:
        return f", {detail['reason']}"
    if "error" in detail:
        return f", {detail['error']['code']}: {detail['error']['message']}"
    return f", provider's id {detail['task_id']}" if "task_id" in detail else ""


def _event(row: Row) -> TimelineEntry:
    detail = {"seq": row["seq"], "event_id": row["id"], "supersedes": row["supersedes"]}
    return TimelineEntry(at_ms=row["at_ms"], kind="event", summary=f"event {row['seq']}: {row['type']}", detail=detail)


def _delivery(row: Row) -> TimelineEntry:
    members = {name: row[name] for name in ("endpoint", "subscription", "state", "event_id", "attempts")}
    is_held = row["due_ms"] is not None and row["subscription_state"] == SubscriptionState.DISABLED
    owner = f" for {row['subscription']}" if row["subscription"] else ""
    return DeliveryEntry(
        at_ms=row["created_ms"],
        kind="delivery",
        summary=f"delivery of {row['event_type']}{owner} to {row['endpoint']}: {row['state']}",
        detail={"delivery": row["id"], **members, "due_at": rfc3339(row["due_ms"]), "held": is_held},
        delivery_id=row["id"],
        subscription=row["subscription"],
        endpoint=row["endpoint"],
        state=DeliveryState(row["state"]),
        due_ms=row["due_ms"],
        is_held=is_held,
    )


def _attempt(row: Row) -> TimelineEntry:
    result = row["error"] or f"answered {row['status']}"
    owner = f"for {row['subscription']}" if row["subscription"] else f"at {row['endpoint']}"
    detail = {"delivery": row["delivery"], "status": row["status"], "error": row["error"], "response": row["response"]}
    summary = f"attempt {owner} in {row['latency_ms']} ms: {result}"
    return TimelineEntry(at_ms=row["at_ms"], kind="attempt", summary=summary, detail=detail)


def _audit(row: Row) -> TimelineEntry:
    detail = json.loads(row["detail"])
    return TimelineEntry(at_ms=row["at_ms"], kind="audit", summary=f"{row['actor']}: {row['action']}", detail=detail)


#: In the order in which entries of the same millisecond happen.
_ENTRY_OF: Mapping[str, Callable[[Row], TimelineEntry]] = {
    "audit": _audit,
    "observation": _observation,
    "event": _event,
    "delivery": _delivery,
    "attempt": _attempt,
}
