"""Events by one cursor, in pages or as they come: whoever keeps it misses none and sees none twice."""

import re

from receiver.events.follower import Follower
from receiver.events.model.event import event_view
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, FutureCursor
from receiver.web.endpoint import Answer, RequestContext
from receiver.web.problems import Kind, Problem, ProblemError, invalid, streams_full
from receiver.web.schemas.tasks import LAST_SEQ, EventsQuery, NoBody, StreamQuery
from receiver.web.streaming import EventStream
from submitter.errors import Violation

LAST_EVENT_ID = "Last-Event-ID"

_DIGITS = re.compile(r"[0-9]{1,19}")


async def list_events(call: RequestContext[EventsQuery, NoBody]) -> Answer:
    wanted = _filter_of(call)
    found = await call.services.store.events.slice(call.query.after, wanted, limit=call.query.limit)
    match found:
        case EventSlice():
            events = [event_view(event) for event in found.events]
            return Answer(body={"events": events, "next_after": found.next_after, "has_more": found.has_more})
        case ExpiredCursor():
            detail = f"Events after {call.query.after} are no longer kept; those that are come after the oldest_after."
            raise ProblemError(Problem(Kind.CURSOR_EXPIRED, detail, extra={"oldest_after": found.oldest_after}))
        case FutureCursor():
            raise _in_the_future("after", found.last_seq)


async def stream_events(call: RequestContext[StreamQuery, NoBody]) -> EventStream:
    """Without a cursor, from now on. One that is older than what is kept is answered within the stream."""
    services = call.services
    wanted = _filter_of(call)
    field, cursor = _cursor_of(call)
    last_seq = await services.store.events.last_seq()
    if cursor is not None and cursor > last_seq:
        raise _in_the_future(field, last_seq)
    if not services.feed.has_capacity:
        raise streams_full()
    follower = Follower(
        feed=services.feed,
        event_log=services.store.events,
        wanted=wanted,
        cursor=last_seq if cursor is None else cursor,
        keepalive_s=services.settings.streams.keepalive_s,
    )
    return EventStream(feed=services.feed, follower=follower)


def _filter_of(call: RequestContext[EventsQuery, NoBody] | RequestContext[StreamQuery, NoBody]) -> EventFilter:
    """Raise a 400 problem for providers that nobody set up, and for two values of one label."""
    query, known = call.query, call.services.providers
    unknown = [
        Violation(field=f"provider.{place}", rule="is not a provider of this receiver", accepted=", ".join(known))
        for place, name in enumerate(query.provider)
        if name not in known
    ]
    pairs = [(name, value) for name, _, value in (label.partition("=") for label in query.label)]
    if len({name for name, _ in pairs}) < len(pairs):
        unknown.append(Violation(field="label", rule="names a label twice", accepted="one value for each name"))
    if unknown:
        raise invalid(Kind.MALFORMED, *unknown)
    return EventFilter(
        types=frozenset(query.type),
        providers=frozenset(query.provider),
        models=frozenset(query.model),
        labels=dict(pairs),
    )


def _cursor_of(call: RequestContext[StreamQuery, NoBody]) -> tuple[str, int | None]:
    """Where it was given and what it is: what a client that connects again has seen beats what it asked for first."""
    given = call.request.headers.getlist(LAST_EVENT_ID)
    if not given:
        return "after", call.query.after
    if len(given) > 1 or not _DIGITS.fullmatch(given[0]) or int(given[0]) > LAST_SEQ:
        violation = Violation(field=LAST_EVENT_ID, rule="is not the id of an event of this stream", accepted="digits")
        raise invalid(Kind.MALFORMED, violation)
    return LAST_EVENT_ID, int(given[0])


def _in_the_future(field: str, last_seq: int) -> ProblemError:
    violation = Violation(field=field, rule="is in the future", accepted=f"0 to {last_seq}, the newest event's number")
    return invalid(Kind.MALFORMED, violation)
