"""The list of deliveries, and one with its attempts and what it posts."""

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from receiver.events.model.event import EventType
from receiver.web.dashboard.model import delivery_filter
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.problems import Kind, Problem, not_found
from receiver.webhooks.model.delivery import Delivery, DeliveryState
from receiver.webhooks.model.delivery_search import Answer
from receiver.webhooks.model.subscription import SubscriptionState

ROWS = 50

NEWS_MOST = 100  # new deliveries that are counted

ATTEMPTS_MOST = 100  # of one delivery that are shown, the newest

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


async def show_deliveries(view: View) -> Page:
    filters = delivery_filter.filters_of(view.query)
    search = delivery_filter.read_search(filters, view.now_ms)
    cursor = _cursor(view)
    found = await view.services.store.delivery_search.page(search, cursor=cursor, limit=ROWS)
    values = {
        "deliveries": found.deliveries,
        "gone": frozenset[str](),
        "news": (0, False),
        "newest": delivery_filter.address(filters),
        "older": found.next_cursor and delivery_filter.address(filters, before=found.next_cursor),
        "is_first": cursor is None,
        "is_cut": found.is_cut,
        "filters": filters,
        "chosen": {name: [value for each, value in filters if each == name] for name in delivery_filter.NAMES},
        "chips": delivery_filter.chips(filters),
        "views": delivery_filter.saved_views(filters),
        "states": list(DeliveryState),
        "answers": list(Answer),
        "types": list(EventType),
        "clear": delivery_filter.PATH,
    }
    live = _live(filters, found.deliveries, cursor)
    return Page(template="deliveries.html", title="Deliveries", values=values, live=live)


async def show_rows(view: View) -> Page | Response:
    """The rows that a page shows, as they are now, and how many newer there are. Opened alone it is the list."""
    filters = delivery_filter.filters_of(view.query)
    if not view.is_fragment:
        return redirect(delivery_filter.address(filters))
    search = delivery_filter.read_search(filters, view.now_ms)
    ids = [each for each in view.asked("ids").split(".") if _ID.fullmatch(each)][:ROWS]
    deliveries, news = view.services.store.delivery_search, (0, False)
    if view.asked("first"):
        newer = await deliveries.page(search, newer_than=max(ids, default=""), limit=NEWS_MOST)
        news = (len(newer.deliveries), newer.next_cursor is not None)
    shown = await deliveries.by_ids(ids)
    fitting = {each.id for each in await deliveries.fitting(search, ids)}
    values = {
        "deliveries": shown,
        "gone": frozenset(each.id for each in shown if each.id not in fitting),
        "news": news,
        "newest": delivery_filter.address(filters),
    }
    return Page(template="deliveries.html", title="Deliveries", values=values)


async def show_delivery(view: View) -> Page:
    store = view.services.store
    delivery = await store.deliveries.delivery(view.param("id"))
    if delivery is None:
        raise not_found("delivery")
    attempts = await store.deliveries.attempts(delivery.id)
    owner = None if delivery.subscription is None else await store.subscriptions.find(delivery.subscription)
    is_held = owner is not None and owner.subscription.state is not SubscriptionState.ACTIVE
    values = {
        "delivery": delivery,
        "attempts": attempts[-ATTEMPTS_MOST:],
        "attempts_left": max(0, len(attempts) - ATTEMPTS_MOST),
        "body": await store.delivery_search.event_body(delivery.event_seq),
        "is_deleted": delivery.subscription is not None and owner is None,
        "is_held": is_held and delivery.state is DeliveryState.PENDING,
        "url_now": "" if owner is None else owner.subscription.url,
        "list": delivery_filter.PATH,
    }
    return Page(template="delivery.html", title=f"Delivery {delivery.id}", values=values)


def _cursor(view: View) -> str | None:
    cursor = view.asked("before")
    if cursor and not _ID.fullmatch(cursor):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    return cursor or None


def _live(filters: delivery_filter.Pairs, deliveries: Sequence[Delivery], cursor: str | None) -> str:
    """The address of the same rows. On the first page it also counts what is newer."""
    rows = [("ids", ".".join(each.id for each in deliveries))]
    first = [("first", "1")] if cursor is None else []
    return f"{delivery_filter.PATH}/rows?{urlencode([*filters, *first, *rows])}"
