"""The timeline of a task: rows of five tables told as one story, in order of time. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.webhooks.model.subscription import SubscriptionState
from submitter.timestamps import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of a task's timeline, from whichever table: `kind` is observation, event, delivery, attempt or audit."""

    at_ms: int
    kind: str
    summary: str
    detail: Mapping[str, Any]


Row = Mapping[str, Any]


def _observation(row: Row) -> TimelineEntry:
    detail = json.loads(row["detail"])
    raw_state = f" ({row['raw_state']})" if row["raw_state"] and row["raw_state"] != row["state"] else ""
    summary = f"{row['source']} says {row['state']}{raw_state}: {row['verdict']}"
    if row["source"] == "submit":
        summary = f"submit: {row['state']}{_reason(detail)}"
    said = {name: row[name] for name in ("source", "state", "raw_state", "verdict", "raw")}
    return TimelineEntry(at_ms=row["at_ms"], kind="observation", summary=summary, detail={**said, **detail})


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
    said = {name: row[name] for name in ("endpoint", "subscription", "state", "event_id", "attempts")}
    is_held = row["due_ms"] is not None and row["subscription_state"] == SubscriptionState.DISABLED
    detail = {"delivery": row["id"], **said, "due_at": rfc3339(row["due_ms"]), "held": is_held}
    owner = f" for {row['subscription']}" if row["subscription"] else ""
    summary = f"delivery of {row['event_type']}{owner} to {row['endpoint']}: {row['state']}"
    return TimelineEntry(at_ms=row["created_ms"], kind="delivery", summary=summary, detail=detail)


def _attempt(row: Row) -> TimelineEntry:
    result = row["error"] or f"answered {row['status']}"
    owner = f"for {row['subscription']}" if row["subscription"] else f"at {row['endpoint']}"
    detail = {"delivery": row["delivery"], "status": row["status"], "error": row["error"], "response": row["response"]}
    summary = f"attempt {owner} in {row['latency_ms']} ms: {result}"
    return TimelineEntry(at_ms=row["at_ms"], kind="attempt", summary=summary, detail=detail)


def _audit(row: Row) -> TimelineEntry:
    detail = json.loads(row["detail"])
    return TimelineEntry(at_ms=row["at_ms"], kind="audit", summary=f"{row['actor']}: {row['action']}", detail=detail)


#: In the order in which things of the same millisecond happen.
_TELL: Mapping[str, Callable[[Row], TimelineEntry]] = {
    "audit": _audit,
    "observation": _observation,
    "event": _event,
    "delivery": _delivery,
    "attempt": _attempt,
}


def tell(rows: Mapping[str, Sequence[Row]]) -> list[TimelineEntry]:
    """`rows` by table, as the store's `timeline_rows` gives them."""
    notes = [make(row) for kind, make in _TELL.items() for row in rows[kind]]
    return sorted(notes, key=lambda note: note.at_ms)
