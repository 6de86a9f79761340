"""Events: the newest with filters in the address, and one with its body and its deliveries. They never change."""

import re

from receiver.events.model.event import EventType
from receiver.events.model.query import EventSlice, NewestEvents
from receiver.tasks.model.search import FoundNumber
from receiver.web.dashboard.model.event_filter import EVENTS, EventSearch, read_search
from receiver.web.dashboard.model.event_rows import event_row
from receiver.web.dashboard.page import Page, View
from receiver.web.problems import Kind, Problem

ROWS = 50

NEWS_MOST = 100  # new events that are counted

DELIVERIES_MOST = 100  # of one event

SUBSCRIPTIONS_MOST = 100  # that can be chosen for a replay; others by their id

_SEQ = re.compile("[0-9]{1,18}")


async def show_events(view: View) -> Page:
    """The newest events, or those before a number. With `top` the rows from that one down, and how many are newer."""
    filters = EVENTS.given_in(view.query)
    search = read_search(filters)
    before, top = _number(view, "before"), _number(view, "top")
    found = await _found(view, search, top + 1 if top is not None else before)
    shown = [event_row(event) for event in found.events]
    is_first = before is None
    values = {
        **EVENTS.shown(filters),
        "rows": shown,
        "news": await _news(view, search, top) if top is not None else FoundNumber(number=0, has_more=False),
        "newest": EVENTS.address(filters),
        "older": found.next_before and EVENTS.address(filters, before=str(found.next_before)),
        "is_first": is_first and top is None,
        "is_cut": found.is_cut,
        "types": list(EventType),
        "providers": sorted(view.services.providers),
    }
    live = None
    if is_first and top is None and shown:
        live = EVENTS.address(filters, top=str(shown[0].event.seq))
    return Page(template="events.html", title="Events", values=values, live=live)


async def show_event(view: View) -> Page:
    services = view.services
    event = await services.store.events.event(view.param("id"))
    if event is None:
        detail = "There is no event of that id. It may be over its retention (WHENFINAL_KEEP_EVENTS_DAYS)."
        raise Problem(Kind.NOT_FOUND, detail)
    deliveries = await services.store.deliveries.deliveries_of_event(event.seq, limit=DELIVERIES_MOST + 1)
    subscriptions = await services.store.subscriptions.page(limit=SUBSCRIPTIONS_MOST, cursor=None)
    values = {
        "row": event_row(event),
        "event": event,
        "deliveries": deliveries[:DELIVERIES_MOST],
        "has_more": len(deliveries) > DELIVERIES_MOST,
        "deliveries_most": DELIVERIES_MOST,
        "subscriptions": [each.subscription for each in subscriptions.items],
        "newest_seq": await services.store.events.last_seq(),
    }
    return Page(template="event.html", title=f"Event {event.seq}", values=values)


async def _found(view: View, search: EventSearch, before: int | None) -> NewestEvents:
    log = view.services.store.events
    if search.task is not None:
        return await log.newest_of_task(search.task, before, limit=ROWS)
    return await log.newest(before, search.filter, limit=ROWS)


async def _news(view: View, search: EventSearch, top: int) -> FoundNumber:
    """How many events of the filter came after one."""
    log = view.services.store.events
    if search.task is not None:
        newest = await log.newest_of_task(search.task, None, limit=NEWS_MOST)
        number = sum(event.seq > top for event in newest.events)
        return FoundNumber(number=number, has_more=False)
    found = await log.slice(top, search.filter, limit=NEWS_MOST)
    if not isinstance(found, EventSlice):
        return FoundNumber(number=0, has_more=False)
    return FoundNumber(number=len(found.events), has_more=found.has_more and bool(found.events))


def _number(view: View, name: str) -> int | None:
    text = view.asked(name)
    if text and not _SEQ.fullmatch(text):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    return int(text) if text else None
