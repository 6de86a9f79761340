"""Events about a provider, for operators who name their types: paused, key denied, callbacks missed.

Pure. Each is published once when it begins, in the transaction that stores it, and not again while it lasts.
"""

from collections.abc import Iterator, Mapping

from receiver.events.model.event import EventDraft, EventType
from receiver.store.accounts import AccountStatus
from receiver.store.ids import IdMaker
from submitter import api


def began(before: AccountStatus, after: AccountStatus, *, new_id: IdMaker, now_ms: int) -> Iterator[EventDraft]:
    """A draft for each pause and each denial that `after` has and `before` had not."""
    kinds = (
        ("polls", "paused_until_ms", "paused_reason", "alarm"),
        ("submits", "submits_paused_until_ms", "submits_paused_reason", "submits_alarm"),
    )
    for requests, until, reason, alarm in kinds:
        until_ms, alarm_text = getattr(after, until), getattr(after, alarm)
        about = {"name": after.provider, "requests": requests}
        if (until_ms or 0) > now_ms >= (getattr(before, until) or 0):
            paused = {**about, "reason": getattr(after, reason) or "", "until": until_ms}
            yield provider_draft(new_id("evt", now_ms), EventType.PROVIDER_PAUSED, paused)
        if alarm_text is not None and getattr(before, alarm) is None:
            denied = {**about, "reason": alarm_text, "until": until_ms}
            yield provider_draft(new_id("evt", now_ms), EventType.PROVIDER_DENIED, denied)


def missed_draft(event_id: str, provider: str, *, missed: int, of: int | None, minutes: int) -> EventDraft:
    """The callbacks of a provider do not come: these of so many, or all where `of` is None."""
    reason = (
        f"{missed} tasks that expect callbacks ended by polls within {minutes} minutes, and no callback was taken:"
        " the public URL or the signing key is wrong, or the URL cannot be reached"
        if of is None
        else f"{missed} of {of} tasks that expect callbacks ended within {minutes} minutes without one"
    )
    about = {"name": provider, "requests": "callbacks", "reason": reason, "until": None}
    return provider_draft(event_id, EventType.CALLBACKS_MISSED, about)


def provider_draft(event_id: str, event_type: EventType, about: Mapping[str, object]) -> EventDraft:
    """The event, without its number; it is about no task."""
    return EventDraft(
        id=event_id,
        type=event_type,
        subject=None,
        data={"supersedes": None, "task": None, "provider": api.ProviderNotice.model_validate(about)},
    )
