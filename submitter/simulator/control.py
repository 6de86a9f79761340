"""The simulator's own routes: records, planned faults and ending a task, for tests in other processes or languages."""

from collections.abc import Awaitable, Callable
from typing import TypeGuard

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from submitter.simulator.config import BASE_PATHS, WEBHOOK_SECRETS
from submitter.simulator.faults import MENU
from submitter.simulator.field_rules import json_object
from submitter.simulator.records import as_json
from submitter.simulator.task import Phase, Refusal, TaskEndedError, TaskError
from submitter.simulator.world import UnknownTaskError, origin_of, world_of


async def front_page(request: Request) -> Response:
    """GET /: the base URLs and keys, as plain text."""
    world = world_of(request)
    lines = ["Simulator of asynchronous video platforms. Base URLs and keys:", ""]
    for platform, path in BASE_PATHS.items():
        lines.append(f"{platform:12} {origin_of(request)}{path}  key {world.config.key(platform)}")
    secrets = {platform: world.config.webhook_secret(platform) for platform in WEBHOOK_SECRETS}
    lines += [f"{platform} signs its callbacks with {secret or 'nothing'}" for platform, secret in secrets.items()]
    addresses = world.account_callback_urls.items()
    lines += [f"{platform} posts the callbacks of its account to {url}" for platform, url in addresses]
    lines += ["", "GET /_simulator/books, GET /_simulator/faults, POST /_simulator/plan,"]
    lines += ["POST /_simulator/tasks/{task_id}/finish, .../fail, .../cancel", ""]
    return PlainTextResponse("\n".join(lines))


async def records(request: Request) -> Response:
    """GET /_simulator/books: what happened so far."""
    return JSONResponse(as_json(world_of(request).records()))


async def faults(request: Request) -> Response:
    """GET /_simulator/faults: the menu."""
    return JSONResponse(dict(MENU))


async def plan(request: Request) -> Response:
    """POST /_simulator/plan: a platform and a list of lists of fault names."""
    try:
        body = json_object(await request.body())
        platform, lists = body.get("platform"), body.get("faults")
        if not isinstance(platform, str) or not _is_plan(lists):
            return _error(400, 'send {"platform": name, "faults": [[fault, ...], ...]}')
        world_of(request).plan(platform, lists)
    except (Refusal, ValueError) as error:
        return _error(400, str(error))
    return Response(status_code=204)


def _is_plan(lists: object) -> TypeGuard[list[list[str]]]:
    return isinstance(lists, list) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists
    )


def ends_as(outcome: Phase) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that ends a task with `outcome`; its body may hold `code` and `message` of a failure."""

    async def end(request: Request) -> Response:
        raw = await request.body()
        try:
            body = json_object(raw) if raw else {}
            error = TaskError(code=str(body.get("code", "")), message=str(body.get("message", "failed by request")))
            world_of(request).end(request.path_params["task_id"], outcome, error)
        except Refusal as refusal:
            return _error(400, refusal.message)
        except UnknownTaskError:
            return _error(404, "no such task")
        except TaskEndedError as ended:
            return _error(409, str(ended))
        return Response(status_code=204)

    return end


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


ROUTES = (
    Route("/", front_page, methods=["GET"]),
    Route("/_simulator/books", records, methods=["GET"]),
    Route("/_simulator/faults", faults, methods=["GET"]),
    Route("/_simulator/plan", plan, methods=["POST"]),
    Route("/_simulator/tasks/{task_id}/finish", ends_as(Phase.SUCCEEDED), methods=["POST"]),
    Route("/_simulator/tasks/{task_id}/fail", ends_as(Phase.FAILED), methods=["POST"]),
    Route("/_simulator/tasks/{task_id}/cancel", ends_as(Phase.CANCELED), methods=["POST"]),
)
