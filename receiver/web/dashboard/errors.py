"""Error answers below /ops as pages: the same table of kinds as the API, never JSON and never a traceback."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from receiver.runtime.services import Services
from receiver.web.dashboard.guard import PAGE_HEADERS
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import layout_values, session_of
from receiver.web.dashboard.rendering import render
from receiver.web.dashboard.session import session_cookie
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, Problem


def is_of_dashboard(scope: Scope) -> bool:
    """Whether a request is for a page. Without the dashboard no address is."""
    services: Services | None = scope.get("state", {}).get("services")
    path = scope["path"]
    return services is not None and services.settings.dashboard.is_on and (path == ROOT or path.startswith(f"{ROOT}/"))


def to_page(scope: Scope, problem: Problem) -> Response:
    """Make a page of a problem. A fragment gets its words alone; the page then leaves its live part as it is."""
    _, status, title = problem.kind.value
    if problem.status is not None:
        status, title = problem.status, title or HTTPStatus(problem.status).phrase
    if problem.kind is Kind.NOT_FOUND and problem.detail is None:
        title = "There is no such page"
    headers = {**problem.headers, **PAGE_HEADERS}
    values = _layout(scope) | {
        "title": title,
        "live": "",
        "status": status,
        "detail": "" if problem.errors else problem.detail or "",
        "errors": problem.errors,
        "request_id": trace_of(scope).request_id,
        "is_signed_out": problem.kind is Kind.UNAUTHENTICATED,
    }
    body = render("error.html", values)
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def _layout(scope: Scope) -> dict[str, object]:
    request = Request(scope)
    services: Services = request.state.services
    now_ms = services.clock()
    return layout_values(request, session_of(services, session_cookie(request), now_ms), now_ms)
