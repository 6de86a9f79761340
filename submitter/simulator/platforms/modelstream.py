"""ModelStream, taken to be new-api: one task, four shapes of its state and three shapes of an error.

Sources, read 2026-11-21: the happyhorse-1.0-r2v page of modelstream.ai and its billing page; QuantumNous/new-api
(router/video-router.go, dto/task.go, dto/openai_video.go, model/task.go, middleware/utils.go). That ModelStream runs
new-api is inferred, and so is which of the three error envelopes each refusal takes.
"""

import secrets
from collections.abc import Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.platforms.gateway import gateway_draft, submitted_body, take_download, wrong_field
from submitter.simulator.platforms.newapi_shapes import SHAPES, openai_video
from submitter.simulator.refusal import Reason, Refusal
from submitter.simulator.request_pipeline import Dialect, take_query, take_submit
from submitter.simulator.task import Draft, View
from submitter.simulator.world import world_of

SATURATED = "当前分组上游负载已饱和，请稍后再试"  # noqa: RUF001 - the gateway's own words for every upstream 429

#: status, code and envelope of each reason
_ERRORS: Mapping[Reason, tuple[int, str, str]] = MappingProxyType(
    {
        Reason.INVALID: (400, "invalid_parameter", "page"),
        Reason.NOT_JSON: (400, "invalid_request", "flat"),
        Reason.NOT_ASYNC: (400, "invalid_request", "flat"),
        Reason.NOT_PENDING: (400, "invalid_request", "flat"),
        Reason.TOO_LARGE: (413, "read_request_body_failed", "router"),
        Reason.NO_MODEL: (503, "model_not_found", "router"),
        Reason.BAD_KEY: (401, "", "router"),
        Reason.NO_BALANCE: (402, "insufficient_user_quota", "flat"),
        Reason.NO_TASK: (400, "task_not_exist", "flat"),
        Reason.NO_ROUTE: (404, "invalid_request", "router"),
        Reason.RATE: (429, "ali_api_error", "flat"),
        Reason.CONCURRENCY: (429, "ali_api_error", "flat"),
        Reason.INTERNAL: (500, "do_request_failed", "flat"),
        Reason.UNAVAILABLE: (503, "get_channel_failed", "router"),
    }
)


def _parse(request: Request, raw: bytes) -> Draft | Refusal:
    body = submitted_body(request, raw)
    if isinstance(body, Refusal):
        return body
    return wrong_field(body) or gateway_draft(body)


def _receipt(request: Request, view: View) -> Response:
    if request.url.path.endswith("/v1/videos"):
        return JSONResponse(openai_video(view) | {"status": "queued", "progress": 0})
    return JSONResponse({"task_id": view.task_id, "status": "queued"})


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code, envelope = _ERRORS[refusal.reason]
    if refusal.reason is Reason.NO_BALANCE:
        status = world_of(request).config.modelstream_quota_status
    message = SATURATED if status == 429 else refusal.message
    if envelope == "flat":
        flat_message = code if refusal.reason is Reason.NO_TASK else message
        return JSONResponse({"code": code, "message": flat_message, "data": None}, status_code=status)
    error: dict[str, str | None] = {"message": message, "type": "invalid_request_error", "code": code}
    if envelope == "page":
        error["param"] = refusal.field
    else:
        error |= {"message": f"{message} (request id: {secrets.token_hex(8)})", "type": "new_api_error"}
    return JSONResponse({"error": error}, status_code=status)


def _unknown(request: Request, task_id: str) -> Response:
    return _refuse(request, Refusal(reason=Reason.NO_TASK, message="task_not_exist"))


DIALECT = Dialect(
    platform="modelstream",
    parse=_parse,
    new_id=lambda: f"task_{secrets.token_hex(16)}",
    receipt=_receipt,
    refuse=_refuse,
    unknown=_unknown,
)


def _generation(request: Request, view: View) -> Response:
    return JSONResponse(SHAPES[world_of(request).config.modelstream_shape](view))


def _video(request: Request, view: View) -> Response:
    return JSONResponse(openai_video(view))


async def submit(request: Request) -> Response:
    """POST /v1/video/generations and POST /v1/videos."""
    return await take_submit(request, DIALECT)


async def query_generation(request: Request) -> Response:
    """GET /v1/video/generations/{id}."""
    return await take_query(request, DIALECT, request.path_params["task_id"], _generation)


async def query_video(request: Request) -> Response:
    """GET /v1/videos/{id}."""
    return await take_query(request, DIALECT, request.path_params["task_id"], _video)


async def download(request: Request) -> Response:
    """GET /v1/videos/{id}/content."""
    return await take_download(request, DIALECT)


ROUTES = (
    Route("/v1/video/generations", submit, methods=["POST"]),
    Route("/v1/videos", submit, methods=["POST"]),
    Route("/v1/video/generations/{task_id}", query_generation, methods=["GET"]),
    Route("/v1/videos/{task_id}", query_video, methods=["GET"]),
    Route("/v1/videos/{task_id}/content", download, methods=["GET"]),
)
