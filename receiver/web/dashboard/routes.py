"""Every address of the dashboard in one literal table."""

from starlette.routing import BaseRoute, Route

from receiver.config.api_keys import Scope
from receiver.web.dashboard.files import PATH, serve_file
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.page import PageRoute
from receiver.web.dashboard.pages import (
    acts,
    audit,
    deliveries,
    doubtful,
    events,
    ledger,
    now,
    providers,
    rotate,
    runs,
    sign_in,
    subscriptions,
    task,
    tasks,
)

PAGE_ROUTES: tuple[PageRoute, ...] = (
    PageRoute(path=f"{ROOT}/sign-in", handle=sign_in.show_sign_in, scope=None),
    PageRoute(path=f"{ROOT}/sign-in", handle=sign_in.sign_in, method="POST", scope=None),
    PageRoute(path=f"{ROOT}/sign-out", handle=sign_in.sign_out, method="POST", scope=None),
    PageRoute(path=ROOT, handle=now.show_now),
    PageRoute(path=f"{ROOT}/tasks", handle=tasks.show_tasks),
    PageRoute(path=f"{ROOT}/tasks/rows", handle=tasks.show_rows),
    PageRoute(path=f"{ROOT}/tasks/{{id}}", handle=task.show_task),
    PageRoute(path=f"{ROOT}/tasks/{{id}}/live", handle=task.show_live),
    PageRoute(path=f"{ROOT}/tasks/{{id}}/outputs/{{number}}", handle=task.show_output),
    PageRoute(path=f"{ROOT}/tasks/{{id}}/pictures/{{number}}", handle=task.show_picture),
    PageRoute(path=f"{ROOT}/doubtful", handle=doubtful.show_doubtful),
    PageRoute(path=f"{ROOT}/doubtful/rows", handle=doubtful.show_rows),
    PageRoute(path=f"{ROOT}/deliveries", handle=deliveries.show_deliveries),
    PageRoute(path=f"{ROOT}/deliveries/rows", handle=deliveries.show_rows),
    PageRoute(path=f"{ROOT}/deliveries/{{id}}", handle=deliveries.show_delivery),
    PageRoute(path=f"{ROOT}/ledger", handle=ledger.show_ledger),
    PageRoute(path=f"{ROOT}/audit", handle=audit.show_audit),
    PageRoute(path=f"{ROOT}/providers", handle=providers.show_providers),
    PageRoute(path=f"{ROOT}/providers/{{name}}", handle=providers.show_provider),
    PageRoute(path=f"{ROOT}/events", handle=events.show_events),
    PageRoute(path=f"{ROOT}/events/{{id}}", handle=events.show_event),
    PageRoute(path=f"{ROOT}/subscriptions", handle=subscriptions.show_subscriptions),
    PageRoute(path=f"{ROOT}/subscriptions/rows", handle=subscriptions.show_rows),
    PageRoute(path=f"{ROOT}/subscriptions/notify", handle=subscriptions.show_hosts),
    PageRoute(path=f"{ROOT}/subscriptions/{{id}}", handle=subscriptions.show_subscription),
    PageRoute(path=f"{ROOT}/acts/{rotate.KIND}", handle=rotate.rotate, method="POST", scope=Scope.OPERATE),
    PageRoute(path=f"{ROOT}/acts/{{kind}}", handle=acts.show_act, scope=Scope.OPERATE),
    PageRoute(path=f"{ROOT}/acts/{{kind}}", handle=acts.start_act, method="POST", scope=Scope.OPERATE),
    PageRoute(path=f"{ROOT}/runs", handle=runs.show_runs),
    PageRoute(path=f"{ROOT}/runs/rows", handle=runs.show_rows),
    PageRoute(path=f"{ROOT}/runs/{{id}}", handle=runs.show_run),
    PageRoute(path=f"{ROOT}/runs/{{id}}/stop", handle=runs.stop_run, method="POST", scope=Scope.OPERATE),
)


def dashboard_routes() -> list[BaseRoute]:
    return [*(each.route() for each in PAGE_ROUTES), Route(PATH, serve_file)]
