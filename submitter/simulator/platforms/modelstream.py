"""ModelStream, simulated as a new-api gateway: four shapes of a task's state and three shapes of an error.

Sources, read 2026-11-21: the happyhorse-1.0-r2v page of modelstream.ai and its billing page; QuantumNous/new-api
(router/video-router.go, dto/task.go, dto/openai_video.go, model/task.go, middleware/utils.go) for the shapes b, c and d
and docs/en/api/query-video.md of QuantumNous/new-api-docs for shape a. Times are unix seconds. That ModelStream runs
new-api is inferred, and so is which of the three error envelopes each refusal takes.
"""

import secrets
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.field_rules import Shape, check_fields, json_mapping
from submitter.simulator.platforms.gateway import FILM, as_mapping, download_endpoint, gateway_draft, submitted_body
from submitter.simulator.request_pipeline import Dialect, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, View, state_words
from submitter.simulator.world import world_of

SATURATED = "当前分组上游负载已饱和，请稍后再试"  # noqa: RUF001 - the gateway's own words for every upstream 429

#: Status, code and envelope of each reason.
_ERRORS: Mapping[Reason, tuple[int, str, str]] = {
    Reason.INVALID: (400, "invalid_parameter", "page"),
    Reason.NOT_JSON: (400, "invalid_request", "flat"),
    Reason.TOO_LARGE: (413, "read_request_body_failed", "router"),
    Reason.NO_MODEL: (503, "model_not_found", "router"),
    Reason.BAD_KEY: (401, "", "router"),
    Reason.DENIED: (403, "access_denied", "router"),
    Reason.FORBIDDEN: (403, "access_denied", "router"),
    Reason.NO_BALANCE: (402, "insufficient_user_quota", "flat"),
    Reason.NO_TASK: (400, "task_not_exist", "flat"),
    Reason.RATE: (429, "ali_api_error", "flat"),
    Reason.CONCURRENCY: (429, "ali_api_error", "flat"),
    Reason.INTERNAL: (500, "do_request_failed", "flat"),
    Reason.UNAVAILABLE: (503, "get_channel_failed", "router"),
}


PAGE_WORDS = state_words(queued="queued", running="in_progress", succeeded="completed", failed="failed")

ROW_WORDS = state_words(
    not_started="NOT_START", queued="QUEUED", running="IN_PROGRESS", succeeded="SUCCESS", failed="FAILURE"
)

OPENAI_WORDS = state_words(
    not_started="unknown", queued="queued", running="in_progress", succeeded="completed", failed="failed"
)

GEMINI_WORDS = state_words(queued="queued", running="processing", succeeded="succeeded", failed="failed")

UPSTREAM_WORDS = state_words(queued="PENDING", running="RUNNING", succeeded="SUCCEEDED", failed="FAILED")

_MILESTONES = (10, 20, 30)  # the gateway's percentages between the start and 100 are not linear


def gateway_percent(view: View) -> int:
    """0, one of the milestones, or 100."""
    if view.phase.is_terminal:
        return 100
    if view.phase in {Phase.NOT_STARTED, Phase.QUEUED}:
        return 0
    return _MILESTONES[min(view.percent // 34, 2)]


def _error(view: View, code: str) -> JsonObject:
    error = view.task.error
    return {"code": error.code or code, "message": error.message}


def page_shape(view: View) -> JsonObject:
    """a: flat, as the published pages show it."""
    width, height = view.task.draft.clip.pixels
    body: JsonObject = {"task_id": view.task_id, "status": view.state(PAGE_WORDS)}
    if view.phase is Phase.SUCCEEDED:
        clip = {"duration": view.task.draft.clip.seconds, "fps": 24, "width": width, "height": height, "seed": 0}
        body |= {"url": view.video_url, "format": "mp4", "metadata": clip}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        body["error"] = _error(view, "generation_failed")
    return body


def row_shape(view: View) -> JsonObject:
    """b: the gateway's row. On failure `result_url` falls back to the reason, so both hold the same text."""
    failed = view.phase in {Phase.FAILED, Phase.CANCELED}
    reason = view.task.error.message if failed else ""
    ended_s = int(view.final_s or 0)
    started_s = 0 if view.phase in {Phase.NOT_STARTED, Phase.QUEUED} else int(view.task.created_s)
    row: JsonObject = {
        "id": 17,
        "task_id": view.task_id,
        "platform": "17",
        "user_id": 1,
        "group": "default",
        "channel_id": 3,
        "quota": 1000,
        "action": "generate",
        "status": view.state(ROW_WORDS),
        "fail_reason": reason,
        "result_url": view.video_url if view.phase is Phase.SUCCEEDED else reason,
        "submit_time": int(view.task.created_s),
        "start_time": started_s,
        "finish_time": ended_s,
        "created_at": int(view.task.created_s),
        "updated_at": ended_s or int(view.now_s),
        "progress": f"{gateway_percent(view)}%",
        "properties": {"input": view.task.draft.prompt},
        "data": {"output": {"task_status": UPSTREAM_WORDS[view.phase]}},
    }
    return {"code": "success", "message": "", "data": row}


def openai_video(view: View) -> JsonObject:
    """c: the OpenAI-style object. `completed_at` mirrors the last update, so it may be set before the end."""
    body: JsonObject = {
        "id": view.task_id,
        "task_id": view.task_id,
        "object": "video",
        "model": view.task.draft.model,
        "status": view.state(OPENAI_WORDS),
        "progress": gateway_percent(view),
        "created_at": int(view.task.created_s),
        "seconds": str(view.task.draft.clip.seconds),
    }
    if view.phase not in {Phase.NOT_STARTED, Phase.QUEUED}:
        body["completed_at"] = int(view.final_s or view.now_s)
    if view.phase is Phase.SUCCEEDED:
        body |= {"metadata": {"url": view.video_url}, "expires_at": int(view.expires_s)}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        body["error"] = _error(view, "task_failed")
    return body


def gemini_shape(view: View) -> JsonObject:
    """d: the answer of Gemini channels."""
    data: JsonObject = {"task_id": view.task_id, "status": view.state(GEMINI_WORDS), "format": "mp4", "metadata": None}
    data["url"] = view.video_url if view.phase is Phase.SUCCEEDED else ""
    failed = view.phase in {Phase.FAILED, Phase.CANCELED}
    data["error"] = _error(view, "task_failed") if failed else None
    return {"code": "success", "message": "", "data": data}


SHAPES: Mapping[str, Callable[[View], JsonObject]] = {"a": page_shape, "b": row_shape, "d": gemini_shape}


#: The sample of its page has ratio, watermark and seed under `parameters`; the Ali adaptor of new-api takes them from
#: the flat metadata first. It knows no `reference_type`, so that one is passed on unread.
_METADATA = Shape(required={}, optional={**FILM, "input": json_mapping, "parameters": json_mapping})

_PARAMETERS = Shape(required={}, optional=FILM)

MAX_PICTURE_MB = 20


def _parse(request: Request, raw: bytes) -> Draft:
    body = submitted_body(request, raw, metadata=_METADATA, max_picture_mb=MAX_PICTURE_MB)
    metadata = as_mapping(body.get("metadata"))
    parameters = as_mapping(metadata.get("parameters"))
    if body["model"].startswith("happyhorse-"):
        check_fields(parameters, _PARAMETERS, prefix="metadata.parameters.")
    return gateway_draft(body, (metadata | parameters).get("ratio"))


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


DIALECT = Dialect(
    platform="modelstream",
    parse=_parse,
    new_id=lambda: f"task_{secrets.token_hex(16)}",
    receipt=_receipt,
    refuse=_refuse,
)


def _generation(request: Request, view: View) -> Response:
    return JSONResponse(SHAPES[world_of(request).config.modelstream_shape](view))


def _video(request: Request, view: View) -> Response:
    return JSONResponse(openai_video(view))


ROUTES = (
    Route("/v1/video/generations", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v1/videos", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v1/video/generations/{task_id}", status_endpoint(DIALECT, _generation), methods=["GET"]),
    Route("/v1/videos/{task_id}", status_endpoint(DIALECT, _video), methods=["GET"]),
    Route("/v1/videos/{task_id}/content", download_endpoint(DIALECT), methods=["GET"]),
)
