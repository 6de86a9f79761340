"""One page: who looks, what is asked, and what is answered. `serve` does for every page the same in the same order.

A handler gets a `View` and returns a `Page`, or a response of its own. It raises a `Problem` for everything else, which
becomes a page as well; see `errors`.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.config.api_keys import Scope
from receiver.runtime.services import Services
from receiver.web.bodies import Bodies, Reading
from receiver.web.dashboard.guard import PAGE_HEADERS
from receiver.web.dashboard.model.addresses import ROOT, is_from_elsewhere
from receiver.web.dashboard.model.list_filter import Pairs
from receiver.web.dashboard.navigation import shown_navigation
from receiver.web.dashboard.rendering import render
from receiver.web.dashboard.session import Session, is_ours, read_session, session_cookie
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, Problem
from submitter.timestamps import rfc3339

FORM_TYPE = "application/x-www-form-urlencoded"

MOST_FIELDS = 100  # of one form or one address

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A request as a handler sees it."""

    request: Request
    services: Services
    #: None on open pages alone: the sign-in.
    viewer: Session | None
    now_ms: int
    #: The query of the address, in its order.
    query: Pairs
    #: The fields of a POST, in their order.
    fields: Pairs = ()

    @property
    def session(self) -> Session:
        """Raise LookupError on an open page."""
        if self.viewer is None:
            raise LookupError("nobody has signed in")
        return self.viewer

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a POST by name; of one that is there several times the last."""
        return dict(self.fields)

    @property
    def is_fragment(self) -> bool:
        """The page asks for its live part again."""
        return self.request.headers.get("hx-request") == "true"

    def param(self, name: str) -> str:
        return str(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """The first value of a name in the address; empty without one."""
        return next((value.strip() for each, value in self.query if each == name), "")

    def place(self, name: str = "before") -> str | None:
        """The id at which a page of a list begins; None without one. Raise a 400 problem for what is no id."""
        value = self.asked(name)
        if value and not _ID.fullmatch(value):
            raise Problem(Kind.MALFORMED, "The address names no place in the list.")
        return value or None

    def row_ids(self, most: int) -> list[str]:
        """The ids of the rows that a page shows, as `rows_address` has written them."""
        return [each for each in self.asked("ids").split(".") if _ID.fullmatch(each)][:most]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a template is filled with."""

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The address that gives the live part again; None: that of the page. Empty: nothing on it is live.
    live: str | None = None


Handler = Callable[[View], Awaitable[Page | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRoute:
    """One address of the dashboard."""

    path: str
    handle: Handler
    method: str = "GET"
    #: What the session needs; None: open to all, as the sign-in is.
    scope: Scope | None = Scope.READ

    def route(self) -> Route:
        return Route(self.path, self.serve, methods=[self.method])

    async def serve(self, request: Request) -> Response:
        """Answer a request. Raise a Problem for one that is forged, not allowed or not readable."""
        services: Services = request.state.services
        trace = trace_of(request.scope)
        trace.route = self.path
        cookie = session_cookie(request)
        if is_from_elsewhere(
            self.method, request.headers, own_url=services.settings.dashboard_url, has_cookie=cookie is not None
        ):
            raise Problem(Kind.FORBIDDEN, "The form was sent from another site. Nothing was done.")
        now_ms = services.clock()
        session = await find_session(services, cookie, now_ms)
        trace.key = None if session is None else session.key_name
        if self.scope is not None and session is None:
            return signed_out(request)
        if self.scope is not None and session is not None and self.scope not in session.scopes:
            detail = (
                f"This needs the scope {self.scope}; the key {session.key_name} does not have it. Nothing was done."
            )
            raise Problem(Kind.FORBIDDEN, detail)
        view = View(
            request=request,
            services=services,
            viewer=session,
            now_ms=now_ms,
            query=read_pairs(request.scope["query_string"]),
            fields=await _read_form(request) if self.method == "POST" else (),
        )
        answer = await self.handle(view)
        return to_response(view, answer) if isinstance(answer, Page) else answer


async def find_session(services: Services, cookie: str | None, now_ms: int) -> Session | None:
    """The session of a cookie. A key that this process does not know may be new, so it is looked up."""
    session = session_of(services, cookie, now_ms)
    if session is None and cookie is not None and is_ours(services.secret_keys, cookie, now_s=now_ms // 1000):
        await services.keyring.refresh()
        session = session_of(services, cookie, now_ms)
    if session is not None:
        services.keyring.use(session.key_id)
    return session


def session_of(services: Services, cookie: str | None, now_ms: int) -> Session | None:
    """As far as this process knows its key."""
    if cookie is None:
        return None
    return read_session(services.secret_keys, cookie, services.keyring.keys, now_s=now_ms // 1000)


def read_pairs(text: bytes) -> Pairs:
    """The fields of a form or an address. Raise a 400 problem for what cannot be read."""
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        pairs = [("", "\x00")]
    if any(_CONTROL.search(part) for pair in pairs for part in pair):
        raise Problem(Kind.MALFORMED, "The address or the form cannot be read.")
    return pairs


async def _read_form(request: Request) -> Pairs:
    bodies: Bodies = request.app.state.bodies
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    async with Reading(request.receive, request.scope["headers"], bodies.forms) as body:
        if kind != FORM_TYPE and (kind or body):
            raise Problem(Kind.MEDIA, "Send a form.")
        return read_pairs(body)


def signed_out(request: Request) -> Response:
    """Lead to the sign-in and back. A form is not sent again by itself."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method == "POST":
        raise Problem(Kind.UNAUTHENTICATED, "The session has ended. Nothing was done: sign in, and do it again.")
    has_ended = {"ended": "1"} if session_cookie(request) else {}
    address = f"{ROOT}/sign-in?{urlencode({'next': here} | has_ended)}"
    if request.headers.get("hx-request") == "true":
        raise Problem(Kind.UNAUTHENTICATED, "The session has ended.")
    return redirect(address)


def redirect(address: str) -> Response:
    """To a page of ours, with GET."""
    return RedirectResponse(address, status_code=303, headers=dict(PAGE_HEADERS))


def to_response(view: View, page: Page) -> Response:
    """Render a page. A fragment that the page has already is answered 304."""
    values = layout_values(view.request, view.viewer, view.now_ms) | {
        "title": page.title,
        "live": _here(view.request) if page.live is None else page.live,
        **page.values,
    }
    body = render(page.template, values, is_fragment=view.is_fragment)
    headers = {**PAGE_HEADERS, **page.headers}
    if view.is_fragment:
        headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if view.request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
    return Response(body, status_code=page.status, media_type="text/html", headers=headers)


def rows_address(path: str, fields: Pairs, ids: Iterable[str], *, is_first: bool) -> str:
    """The address of the same rows. On the first page it also counts what is newer."""
    first = [("first", "1")] if is_first else []
    return f"{path}/rows?{urlencode([*fields, *first, ('ids', '.'.join(ids))])}"


def layout_values(request: Request, session: Session | None, now_ms: int) -> dict[str, Any]:
    """What every template may use."""
    return {
        "session": session,
        "may_operate": session is not None and session.may_operate,
        "navigation": shown_navigation(request.app.routes, request.url.path) if session else (),
        "now_ms": now_ms,
        "now": rfc3339(now_ms),
    }


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
