"""Read events in pages, and follow them."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from submitter.api import TASK_TYPES, AnyEvent, EventsPage
from submitter.api_keys import StreamToken
from submitter.client.conversation import NO_MOVE, Call, Give, Series, answered
from submitter.client.requests import api_path, as_params, get, post
from submitter.client.stream import EventFollower
from submitter.errors import ReceiverUnreachable
from submitter.http.messages import Headers


class EventConditions(TypedDict, total=False):
    """All conditions must hold; of the values of one, any; of labels, each. No `types` means those about tasks."""

    types: Sequence[str]
    providers: Sequence[str]
    models: Sequence[str]
    labels: Mapping[str, str]


def follow(*, after: int | None = None, **conditions: Unpack[EventConditions]) -> Series[AnyEvent]:
    """Give the events after a cursor as they happen, without end; None: from now on."""
    return EventFollower(params=_as_params(conditions), cursor=after).events()


def stored(*, after: int | None = None, **conditions: Unpack[EventConditions]) -> Series[AnyEvent]:
    """Give the events after a cursor that are stored, and end; None: from the oldest one on."""
    while True:
        page = yield from answered(list_events(after=after, **conditions))
        for event in page.events:
            yield Give(event)
        if not page.has_more:
            return
        if after is not None and page.next_after <= after:
            raise ReceiverUnreachable(NO_MOVE)
        after = page.next_after


def list_events(
    *, after: int | None = None, limit: int | None = None, **conditions: Unpack[EventConditions]
) -> Call[EventsPage]:
    """Return a page of events after a cursor; None: from the oldest stored event on. Raise CursorExpired."""
    return get(api_path("events"), EventsPage, {**_as_query(conditions), "after": after, "limit": limit})


def stream_token(*, ttl_s: int = 300, **conditions: Unpack[EventConditions]) -> Call[StreamToken]:
    """Return a token that opens the stream for a browser, which can send no key, for `ttl_s` seconds."""
    given = {name: value for name, value in conditions.items() if value}
    return post(api_path("stream-tokens"), StreamToken, {"ttl_s": ttl_s, "conditions": given}, may_be_repeated=True)


def _as_query(conditions: EventConditions) -> dict[str, object]:
    return {
        "type": conditions.get("types") or TASK_TYPES,
        "provider": conditions.get("providers"),
        "model": conditions.get("models"),
        "label": conditions.get("labels"),
    }


def _as_params(conditions: EventConditions) -> Headers:
    return as_params(_as_query(conditions))
