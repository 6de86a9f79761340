"""Where result links and redirects point to: hosts that must never see a bearer key.

A link dies with its result: 404 where the file was temporary (HiAPI), 403 from a signed object-store link elsewhere.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from submitter.simulator.media import ranged, video_of
from submitter.simulator.task import Phase
from submitter.simulator.world import world_of


async def file(request: Request) -> Response:
    """GET /cdn/{platform}/{task_id}.mp4."""
    _note_key(request)
    world = world_of(request)
    platform: str = request.path_params["platform"]
    task = world.find(platform, request.path_params["task_id"])
    if task is None or world.view(task).phase is not Phase.SUCCEEDED:
        return PlainTextResponse("no such file", status_code=404)
    if request.query_params.get("Signature") != world.link_mark(task):
        return PlainTextResponse("the signature does not match", status_code=403)
    if world.now_s() >= world.view(task).expires_s:
        return PlainTextResponse("the link has expired", status_code=404 if platform == "hiapi" else 403)
    return ranged(video_of(task.task_id, task.draft.clip.seconds), request.headers.get("range"))


async def elsewhere(request: Request) -> Response:
    """Where `query_redirect` points to."""
    _note_key(request)
    return HTMLResponse("<!doctype html><title>Elsewhere</title><p>This is another host.</p>")


def _note_key(request: Request) -> None:
    if "authorization" in request.headers:
        world_of(request).keys_leaked += 1


ROUTES = (
    Route("/cdn/{platform}/{task_id}.mp4", file, methods=["GET"]),
    Route("/elsewhere/{rest:path}", elsewhere),
)
