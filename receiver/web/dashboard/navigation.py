"""The pages in the order of the navigation. A page without a route does not show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Route

from receiver.web.dashboard.model.addresses import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page of the navigation."""

    title: str
    path: str
    is_here: bool = False


#: Titles by path.
PAGES: tuple[tuple[str, str], ...] = (
    ("Now", ROOT),
    ("Tasks", f"{ROOT}/tasks"),
    ("Doubtful submits", f"{ROOT}/doubtful"),
    ("Providers", f"{ROOT}/providers"),
    ("Events", f"{ROOT}/events"),
    ("Subscriptions", f"{ROOT}/subscriptions"),
    ("Deliveries", f"{ROOT}/deliveries"),
    ("Ledger and keys", f"{ROOT}/ledger"),
    ("Acts", f"{ROOT}/runs"),
    ("Audit", f"{ROOT}/audit"),
)


def shown_navigation(routes: Iterable[BaseRoute], here: str) -> Sequence[Entry]:
    paths = {route.path for route in routes if isinstance(route, Route)}
    return [
        Entry(title=title, path=path, is_here=here == path or (path != ROOT and here.startswith(f"{path}/")))
        for title, path in PAGES
        if path in paths
    ]
