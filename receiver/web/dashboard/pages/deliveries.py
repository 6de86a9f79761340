"""The list of deliveries, and one with its attempts and what it posts."""

from starlette.responses import Response

from receiver.events.model.event import EventType
from receiver.web.dashboard.model.delivery_filter import DELIVERIES, read_search
from receiver.web.dashboard.page import Page, View, redirect, rows_address
from receiver.web.problems import not_found
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.delivery_search import Answer
from receiver.webhooks.model.subscription import SubscriptionState

ROWS = 50

NEWS_MOST = 100  # new deliveries that are counted

ATTEMPTS_MOST = 100  # of one delivery that are shown, the newest


async def show_deliveries(view: View) -> Page:
    filters = DELIVERIES.given_in(view.query)
    search = read_search(filters, view.now_ms)
    cursor = view.place()
    found = await view.services.store.delivery_search.page(search, cursor=cursor, limit=ROWS)
    values = {
        **DELIVERIES.shown(filters),
        "deliveries": found.deliveries,
        "gone": frozenset[str](),
        "news": (0, False),
        "newest": DELIVERIES.address(filters),
        "older": found.next_cursor and DELIVERIES.address(filters, before=found.next_cursor),
        "is_first": cursor is None,
        "is_cut": found.is_cut,
        "states": list(DeliveryState),
        "answers": list(Answer),
        "types": list(EventType),
    }
    live = rows_address(DELIVERIES.path, filters, (each.id for each in found.deliveries), is_first=cursor is None)
    return Page(template="deliveries.html", title="Deliveries", values=values, live=live)


async def show_rows(view: View) -> Page | Response:
    """The rows that a page shows, as they are now, and how many newer there are. Opened alone it is the list."""
    filters = DELIVERIES.given_in(view.query)
    if not view.is_fragment:
        return redirect(DELIVERIES.address(filters))
    search = read_search(filters, view.now_ms)
    ids = view.row_ids(ROWS)
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
        "newest": DELIVERIES.address(filters),
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
        "list": DELIVERIES.path,
    }
    return Page(template="delivery.html", title=f"Delivery {delivery.id}", values=values)
