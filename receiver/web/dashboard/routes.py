"""Every address of the dashboard in one literal table."""

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from receiver.config.api_keys import Scope
from receiver.web.dashboard.files import PATH, serve_file
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import PageRoute, View, redirect
from receiver.web.dashboard.pages import sign_in, tasks


async def _first_page(_view: View) -> Response:
    return redirect(f"{ROOT}/tasks")


PAGE_ROUTES: tuple[PageRoute, ...] = (
    PageRoute(path=f"{ROOT}/sign-in", handle=sign_in.show_sign_in, scope=None),
    PageRoute(path=f"{ROOT}/sign-in", handle=sign_in.sign_in, method="POST", scope=None),
    PageRoute(path=f"{ROOT}/sign-out", handle=sign_in.sign_out, method="POST", scope=None),
    PageRoute(path=ROOT, handle=_first_page, scope=Scope.READ),
    PageRoute(path=f"{ROOT}/tasks", handle=tasks.show_tasks),
    PageRoute(path=f"{ROOT}/tasks/rows", handle=tasks.show_rows),
)


def dashboard_routes() -> list[BaseRoute]:
    return [*(each.route() for each in PAGE_ROUTES), Route(PATH, serve_file)]
