"""The application of a server: the API, its description, and the dashboard."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette

from receiver.config.settings import Settings
from receiver.runtime.background import commit_listener, present, snapshots, working
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.web.application import NO_PAGES, Pages, make_application
from receiver.web.dashboard.errors import is_of_dashboard, to_page
from receiver.web.dashboard.guard import SignInLimit
from receiver.web.dashboard.live import LiveStreams
from receiver.web.dashboard.routes import dashboard_routes
from receiver.web.openapi import build_document
from receiver.web.routes import ROUTES


def _nothing(_services: Services) -> None:
    """Nothing is done with services that were opened."""


def create_app(
    settings: Settings,
    *,
    with_worker: bool,
    show_key: Callable[[str], None],
    on_open: Callable[[Services], None] = _nothing,
) -> Starlette:
    """Return the application of a process; its lifespan opens and closes everything.

    `with_worker`: it also runs the periodic jobs. `show_key` gets the first API key when one is made.
    """

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        async with (
            open_services(settings, show_key=show_key) as services,
            commit_listener(services),
            snapshots(services),
            present(services, "serve" if with_worker else "web"),
            AsyncExitStack() as stack,
        ):
            on_open(services)
            if with_worker:
                await stack.enter_async_context(working(services))
            yield services

    return build_app(opened, has_dashboard=settings.dashboard.is_on)


def build_app(
    open_services: Callable[[], AbstractAsyncContextManager[Services]], *, has_dashboard: bool = True
) -> Starlette:
    """Return the application over services that its lifespan opens."""
    app = make_application(open_services, pages=_dashboard() if has_dashboard else NO_PAGES, takes_on_runs=True)
    app.state.reference = None  # rendered by a task, when it is first asked for
    app.state.openapi = describe_api
    return app


@cache
def describe_api() -> dict[str, Any]:
    """The OpenAPI document, made when it is first asked for, because most processes are never asked."""
    return build_document(ROUTES, version=version("whenfinal"))


def _dashboard() -> Pages:
    return Pages(
        routes=dashboard_routes(),
        is_page=is_of_dashboard,
        to_page=to_page,
        state=lambda: {"sign_in_limit": SignInLimit(), "live_streams": LiveStreams()},
    )
