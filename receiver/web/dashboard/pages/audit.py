"""The audit: who did what, and when, with filters in the address and pages by key."""

import re

from starlette.routing import Route

from receiver.web.dashboard.model import audit_filter
from receiver.web.dashboard.page import Page, View
from receiver.web.problems import Kind, Problem

ROWS = 50

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


async def show_audit(view: View) -> Page:
    filters = audit_filter.filters_of(view.query)
    search = audit_filter.read_search(filters, view.now_ms)
    before, upto = _place(view, "before"), _place(view, "upto")
    # Rows never change, so the same ones are found again by the first of them.
    cursor = f"{upto}~" if upto else before or None
    audit = view.services.store.audit
    found = await audit.page(search, cursor=cursor, limit=ROWS)
    top = found.rows[0].id if found.rows else upto
    paths = frozenset(route.path for route in view.request.app.routes if isinstance(route, Route))
    values = {
        "lines": [audit_filter.line_of(row, paths) for row in found.rows],
        "news": await audit.news(search, newer_than=upto) if upto and not before else 0,
        "newest": audit_filter.address(filters),
        "older": found.next_cursor and audit_filter.address(filters, before=found.next_cursor),
        "is_first": not before and not upto,
        "is_cut": found.is_cut,
        "filters": filters,
        "chosen": dict.fromkeys(audit_filter.NAMES, "") | dict(filters),
        "chips": audit_filter.chips(filters),
        "views": audit_filter.saved_views(filters),
        "clear": audit_filter.PATH,
        "narrowed": audit_filter.narrowed,
    }
    is_older = {"before": before} if before else {}
    live = audit_filter.address(filters, **is_older, **({"upto": top} if top else {}))
    return Page(template="audit.html", title="Audit", values=values, live=live)


def _place(view: View, name: str) -> str:
    value = view.asked(name)
    if value and not _ID.fullmatch(value):
        raise Problem(Kind.MALFORMED, "The address names no place in the list.")
    return value
