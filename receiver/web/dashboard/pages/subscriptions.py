"""Subscriptions with the health of their endpoints, the hosts of `notify`, and one subscription."""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from receiver.store.audit import AuditSearch
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.subscription_sheet import (
    SubscriptionRow,
    breaker_of,
    error_words,
    is_counted_up,
    limits_of,
    overlap_of,
    secret_words,
    subscription_row,
    success_words,
)
from receiver.web.dashboard.page import Page, View, redirect, rows_address
from receiver.web.problems import Kind, Problem
from receiver.webhooks.model.delivery import COUNTED_MOST, DeliveryState
from receiver.webhooks.model.delivery_search import DeliverySearch
from receiver.webhooks.model.endpoint_health import is_troubled
from receiver.webhooks.model.endpoint_status import EndpointStatus
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from receiver.webhooks.subscriptions import ROTATED
from submitter.standard_webhooks import public_key

PATH = f"{ROOT}/subscriptions"

ROWS = 25

DELIVERIES_SHOWN = 20

ROTATIONS_MOST = 500  # of all subscriptions, that are looked at for the age of one secret

#: Words of the button, and seconds in which the old secret signs as well.
OVERLAPS = (("24 hours", 86_400), ("1 hour", 3_600), ("7 days", 604_800), ("not at all", 0))

LONGEST_HOST = 2_100  # characters

_STATES = ("", *SubscriptionState)

_NO_LIST = "The address names no such list: `state` is active or disabled."


async def show_subscriptions(view: View) -> Page:
    state, cursor = _state(view), view.place()
    page = await view.services.store.subscriptions.page(limit=ROWS, cursor=cursor, state=state)
    ids = [each.subscription.id for each in page.items]
    chosen = [] if state is None else [("state", state.value)]
    values = {
        "rows": await _rows(view, ids, page.items),
        "gone": frozenset[str](),
        "news": (0, False),
        "views": [
            {"name": name, "address": f"{PATH}?state={each}" if each else PATH, "is_here": each == (state or "")}
            for name, each in (("All", ""), ("Active", "active"), ("Disabled", "disabled"))
        ],
        "newest": _address(chosen),
        "older": page.next_cursor and _address([*chosen, ("before", page.next_cursor)]),
        "is_first": cursor is None,
        "has_any": bool(ids or state or cursor),
        "is_counted_up": is_counted_up,
    }
    live = rows_address(PATH, chosen, ids, is_first=cursor is None)
    return Page(template="subscriptions.html", title="Subscriptions", values=values, live=live)


async def show_rows(view: View) -> Page | Response:
    """The rows that a page shows, as they are now, and how many newer there are. Opened alone it is the list."""
    state = _state(view)
    newest = _address([] if state is None else [("state", state.value)])
    if not view.is_fragment:
        return redirect(newest)
    ids = view.row_ids(ROWS)
    subscriptions, news = view.services.store.subscriptions, (0, False)
    if view.asked("first"):
        page = await subscriptions.page(limit=ROWS, cursor=None, state=state)
        number = sum(each.subscription.id > max(ids, default="") for each in page.items)
        news = (number, number == ROWS and page.next_cursor is not None)
    found = await subscriptions.by_ids(ids)
    fitting = {each.subscription.id for each in found if state in {None, each.subscription.state}}
    values = {
        "rows": await _rows(view, ids, found),
        "gone": frozenset(ids) - fitting,
        "news": news,
        "newest": newest,
        "has_any": bool(ids or state),
        "is_counted_up": is_counted_up,
    }
    return Page(template="subscriptions.html", title="Subscriptions", values=values)


async def _rows(
    view: View, ids: Sequence[str], found: Sequence[SubscriptionStatus]
) -> list[tuple[str, SubscriptionRow | None, str, str]]:
    """Each id with its row, the share that was delivered, and of how many; a subscription that is deleted has none."""
    names = [each.subscription.id for each in found]
    figures = await view.services.store.deliveries.figures(names, now_ms=view.now_ms)
    shown = {
        name: subscription_row(each, its, view.now_ms) for name, each, its in zip(names, found, figures, strict=True)
    }
    return [
        (name, row, *(("", "") if row is None else success_words(row.figures)))
        for name, row in ((name, shown.get(name)) for name in ids)
    ]


def _state(view: View) -> SubscriptionState | None:
    text = view.asked("state")
    if text not in _STATES:
        raise Problem(Kind.MALFORMED, _NO_LIST)
    return SubscriptionState(text) if text else None


def _address(fields: Sequence[tuple[str, str]]) -> str:
    return f"{PATH}?{urlencode(fields)}" if fields else PATH


async def show_hosts(view: View) -> Page:
    """Hosts that tasks name in `notify`."""
    after, which = view.asked("after"), view.asked("which")
    if which not in {"", "failing"} or len(after) > LONGEST_HOST:
        raise Problem(Kind.MALFORMED, "The address names no such list: `which` is failing, or is left out.")
    found = await view.services.store.endpoints.notify_hosts(
        only_failing=bool(which), limit=ROWS, cursor=after or None, now_ms=view.now_ms, most_pending=COUNTED_MOST
    )
    path, chosen = f"{PATH}/notify", [("which", which)] if which else []
    values = {
        "rows": [
            (
                each,
                breaker_of(each.endpoint, view.now_ms),
                is_troubled(each.endpoint, view.now_ms),
                await _newest_dead(view, each),
            )
            for each in found.items
        ],
        "views": [
            {"name": "All", "address": path, "is_here": not which},
            {"name": "Failing", "address": f"{path}?which=failing", "is_here": bool(which)},
        ],
        "first": (f"{path}?which=failing" if which else path) if after else None,
        "next": found.next_cursor and f"{path}?{urlencode([*chosen, ('after', found.next_cursor)])}",
        "which": which,
        "is_counted_up": is_counted_up,
    }
    return Page(template="notify.html", title="Notify addresses", values=values)


async def _newest_dead(view: View, host: EndpointStatus) -> tuple[str, str] | None:
    """The newest dead letter of a host, and what its last attempt came to; None where there is none."""
    if not host.dead:
        return None
    wanted = DeliverySearch(states=frozenset({DeliveryState.DEAD}), host=host.endpoint.id, is_notify=True)
    found = await view.services.store.delivery_search.page(wanted, limit=1)
    return next(((each.id, error_words(each)) for each in found.deliveries), None)


async def show_subscription(view: View) -> Page:
    store, now_ms = view.services.store, view.now_ms
    status = await find_subscription(view)
    own = status.subscription
    (figures,) = await store.deliveries.figures([own.id], now_ms=now_ms)
    row = subscription_row(status, figures, now_ms)
    dead = await store.deliveries.deliveries(state=DeliveryState.DEAD, subscription=own.id, limit=1)
    newest = await store.deliveries.deliveries(subscription=own.id, limit=DELIVERIES_SHOWN)
    values = {
        "row": row,
        "own": own,
        "success": success_words(row.figures),
        "is_counted_up": is_counted_up,
        "limits": limits_of(own),
        "secret": secret_words(own, await _secret_since(view, own), now_ms),
        "overlap_ms": overlap_of(own, now_ms),
        "overlaps": OVERLAPS,
        "public_key": None if own.signing_key is None else public_key(own.signing_key),
        "deliveries": newest.items,
        "dead": dead.items[0] if dead.items else None,
        "field": [("subscription", own.id)],
        "newest_seq": await store.events.last_seq(),
    }
    return Page(template="subscription.html", title=f"Subscription {own.id}", values=values)


async def _secret_since(view: View, own: Subscription) -> int | None:
    """When the secret was made, by the audit of rotations; None where there were more than are looked at."""
    if own.changed_ms == own.created_ms:
        return own.created_ms
    wanted = AuditSearch(action=ROTATED, since_ms=own.created_ms)
    found = await view.services.store.audit.page(wanted, limit=ROTATIONS_MOST)
    ours = next((row.at_ms for row in found.rows if row.detail.get("subscription") == own.id), None)
    return own.created_ms if ours is None and found.next_cursor is None else ours


async def find_subscription(view: View) -> SubscriptionStatus:
    """The subscription of the path. Raise a 404 problem that says what may have become of it."""
    found = await view.services.store.subscriptions.find(view.param("id"))
    if found is None:
        raise Problem(Kind.NOT_FOUND, GONE)
    return found


GONE = (
    "There is no subscription of that id. If there was one it has been deleted: nothing is sent to it any more, what "
    "was pending becomes a dead letter, and the audit says who deleted it."
)
