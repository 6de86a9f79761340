"""Events after a cursor, in pages or as a stream. A caller that stores its cursor gets each event once."""

import re

from receiver.events.follower import Follower
from receiver.events.model.event import event_view
from receiver.events.model.query import EventFilter, EventSlice, ExpiredCursor, FutureCursor
from receiver.web.api.known_providers import first_unknown, not_known
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import both, kept_filter
from receiver.web.problems import Kind, Problem, invalid, streams_full
from receiver.web.schemas.tasks import LAST_SEQ, EventsQuery, NoBody, StreamQuery
from receiver.web.streaming import EventStream
from submitter.errors import Violation

LAST_EVENT_ID = "Last-Event-ID"

_DIGITS = re.compile(r"[0-9]{1,19}")


async def list_events(context: RequestContext[EventsQuery, NoBody]) -> JsonAnswer:
    wanted = await _filter_of(context)
    found = await context.services.store.events.slice(context.query.after, wanted, limit=context.query.limit)
    match found:
        case EventSlice():
            events = [event_view(event) for event in found.events]
            page = {"events": events, "next_after": found.next_after, "has_more": found.has_more}
            return JsonAnswer(body={**page, "newest": found.newest})
        case ExpiredCursor():
            detail = f"Events after {context.query.after} are no longer stored. Read on from oldest_after."
            raise Problem(Kind.CURSOR_EXPIRED, detail, extra={"oldest_after": found.oldest_after})
        case FutureCursor():
            detail = f"The newest event is {found.last_seq}, before {context.query.after}. Read on from oldest_after."
            raise Problem(Kind.CURSOR_EXPIRED, detail, extra={"oldest_after": found.oldest_after})


async def stream_events(context: RequestContext[StreamQuery, NoBody]) -> EventStream:
    """Answer with a stream: after the cursor, or from now on without one. It ends when the caller's key is revoked.

    A cursor that is older than the stored events, or beyond them, gets a `reset` in the stream, because an EventSource
    cannot read a problem.
    """
    services = context.services
    wanted = await _filter_of(context)
    cursor = _cursor_of(context)
    last_seq = await services.store.events.last_seq()
    is_beyond = cursor is not None and cursor > last_seq
    start = await services.store.events.oldest_after() if is_beyond else last_seq if cursor is None else cursor
    if not services.feed.has_capacity:
        raise streams_full()
    follower = Follower(
        feed=services.feed,
        event_log=services.store.events,
        wanted=wanted,
        cursor=start,
        reset_from=cursor if is_beyond else None,
        keepalive_s=services.settings.streams.keepalive_s,
    )
    key = context.caller.key
    return EventStream(
        feed=services.feed, follower=follower, may_go_on=lambda: key is None or services.keyring.is_working(key)
    )


async def _filter_of(
    context: RequestContext[EventsQuery, NoBody] | RequestContext[StreamQuery, NoBody],
) -> EventFilter:
    """Return the filter, kept to the limits of the key.

    Raise a 400 problem for the first unknown provider and for two values of one label.
    """
    query = context.query
    unknown = await first_unknown(context, query.provider)
    violations = [] if unknown is None else [not_known(context, f"provider.{query.provider.index(unknown)}")]
    pairs = [(name, value) for name, _, value in (label.partition("=") for label in query.label)]
    if len({name for name, _ in pairs}) < len(pairs):
        violations.append(Violation(field="label", rule="names a label twice", accepted="one value for each name"))
    if violations:
        raise invalid(Kind.MALFORMED, *violations)
    wanted = EventFilter(
        types=frozenset(query.type),
        providers=frozenset(query.provider),
        models=frozenset(query.model),
        labels=dict(pairs),
    )
    return both(kept_filter(wanted, context.caller.limits), context.caller.conditions)


def _cursor_of(context: RequestContext[StreamQuery, NoBody]) -> int | None:
    """Return the cursor.

    What a client says when it reconnects wins over `after`, because it repeats the `after` of its first request. An
    empty `Last-Event-ID` is what a client sends that has no event yet.
    """
    query = context.query
    given = [value for value in context.request.headers.getlist(LAST_EVENT_ID) if value]
    if not given:
        return query.after if query.lastEventId is None else query.lastEventId
    if len(given) > 1 or not _DIGITS.fullmatch(given[0]) or int(given[0]) > LAST_SEQ:
        violation = Violation(field=LAST_EVENT_ID, rule="is not the id of an event of this stream", accepted="digits")
        raise invalid(Kind.MALFORMED, violation)
    return int(given[0])
