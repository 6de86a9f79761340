"""The body of an event: what a webhook posts, byte for byte. Pure."""

from pydantic_core import to_json

from receiver.events.model.event import Event, EventDraft
from submitter.timestamps import rfc3339


def event_of_draft(draft: EventDraft, seq: int, at_ms: int) -> Event:
    """Return the event as it is stored, with its webhook body. `data.supersedes` names the event that it replaces."""
    body = {
        "type": draft.type.value,
        "timestamp": rfc3339(at_ms),
        "data": {"seq": seq, "event_id": draft.id, **draft.data},
    }
    return Event(
        seq=seq,
        id=draft.id,
        task_id=draft.subject,
        type=draft.type.value,
        at_ms=at_ms,
        supersedes=draft.data["supersedes"],
        body=to_json(body).decode(),
    )
