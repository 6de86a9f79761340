"""Writing events and what is owed for them, inside somebody else's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from receiver.fanout import endpoints_for
from receiver.ids import IdMaker
from receiver.records import Event, EventType, Task
from receiver.store.engine import Tx, Value
from receiver.views import event_body, task_view


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event without its number; `task` as it is after the change."""

    id: str
    task: Task
    type: EventType


async def emit(tx: Tx, drafts: Sequence[EventDraft], *, new_id: IdMaker, now_ms: int) -> list[Event]:
    """Number the drafts in their order, without a gap, and owe each to whom it concerns.

    The numbers come from a counter row in this transaction, so that they follow the order of commits: a reader that
    has seen number n will never later find a smaller one.
    """
    if not drafts:
        return []
    row = await tx.fetch_one("take_seqs", count=len(drafts))
    first = (row or {})["value"] - len(drafts) + 1
    events = [_event(draft, seq, now_ms) for seq, draft in enumerate(drafts, first)]
    await tx.execute_many("insert_event", [_event_row(event) for event in events])
    owed = [
        _delivery_row(new_id("dlv", now_ms), event, endpoint, now_ms)
        for draft, event in zip(drafts, events, strict=True)
        for endpoint in endpoints_for(draft.task)
    ]
    await tx.execute_many("insert_delivery", owed)
    return events


def _event(draft: EventDraft, seq: int, now_ms: int) -> Event:
    view = task_view(draft.task)
    return Event(
        seq=seq,
        id=draft.id,
        task=draft.task.id,
        type=draft.type,
        at_ms=now_ms,
        supersedes=draft.task.supersedes,
        body=event_body(view, seq=seq, event_id=draft.id, event_type=draft.type, at_ms=now_ms),
    )


def _event_row(event: Event) -> dict[str, Value]:
    return {
        "seq": event.seq,
        "id": event.id,
        "task": event.task,
        "type": event.type.value,
        "at_ms": event.at_ms,
        "supersedes": event.supersedes,
        "body": event.body,
    }


def _delivery_row(name: str, event: Event, endpoint: str, now_ms: int) -> dict[str, Value]:
    return {
        "id": name,
        "event_seq": event.seq,
        "event_id": event.id,
        "event_type": event.type.value,
        "task": event.task,
        "endpoint": endpoint,
        "due_ms": now_ms,
    }
