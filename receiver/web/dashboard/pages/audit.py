"""The audit: who did what, and when, with filters in the address and pages by key."""

from starlette.routing import Route

from receiver.web.dashboard.model import audit_filter
from receiver.web.dashboard.model.audit_filter import AUDIT
from receiver.web.dashboard.page import Page, View

ROWS = 50


async def show_audit(view: View) -> Page:
    filters = AUDIT.given_in(view.query)
    search = audit_filter.read_search(filters, view.now_ms)
    before, upto = view.place(), view.place("upto")
    # Rows never change, so the same ones are found again by the first of them.
    cursor = f"{upto}~" if upto else before or None
    audit = view.services.store.audit
    found = await audit.page(search, cursor=cursor, limit=ROWS)
    top = found.rows[0].id if found.rows else upto
    paths = frozenset(route.path for route in view.request.app.routes if isinstance(route, Route))
    values = {
        **AUDIT.shown(filters),
        "lines": [audit_filter.line_of(row, paths) for row in found.rows],
        "news": await audit.news(search, newer_than=upto) if upto and not before else 0,
        "newest": AUDIT.address(filters),
        "older": found.next_cursor and AUDIT.address(filters, before=found.next_cursor),
        "is_first": not before and not upto,
        "is_cut": found.is_cut,
        "narrowed": audit_filter.narrowed,
    }
    is_older = {"before": before} if before else {}
    live = AUDIT.address(filters, **is_older, **({"upto": top} if top else {}))
    return Page(template="audit.html", title="Audit", values=values, live=live)
