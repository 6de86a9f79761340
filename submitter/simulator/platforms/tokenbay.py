"""TokenBay: flat bodies, progress as text, a relative link that needs the key, errors inside HTTP 200.

Sources, read 2026-11-21: https://tokenbay.com/docs/reference/video/happyhorse and
https://tokenbay.com/docs/reference/errors. The pages disagree on the status of business failures, so that is
configured. Inferred: `code` and `type` words beyond the sample's, and that the proxy needs the key.
"""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.field_rules import RESOLUTIONS, WEB_URL, Shape, check_fields, json_mapping, one_of, url
from submitter.simulator.platforms.gateway import FILM, as_mapping, download_endpoint, gateway_draft, submitted_body
from submitter.simulator.request_pipeline import Dialect, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, View, state_words
from submitter.simulator.world import world_of

WORDS = state_words(
    not_started="SUBMITTED", queued="QUEUED", running="IN_PROGRESS", succeeded="SUCCESS", failed="FAILURE"
)

_HAPPYHORSE = Shape(
    required={"model": one_of(("happyhorse-1.0-t2v", "happyhorse-1.0-i2v", "happyhorse-1.0-r2v"))},
    optional={"size": one_of(RESOLUTIONS), "input_reference": url(WEB_URL)},
)

_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.INVALID: (400, "invalid_parameter"),
    Reason.NOT_JSON: (400, "invalid_json"),
    Reason.TOO_LARGE: (413, "request_too_large"),
    Reason.NO_MODEL: (503, "model_not_found"),
    Reason.BAD_KEY: (401, "invalid_api_key"),
    Reason.DENIED: (403, "access_denied"),
    Reason.FORBIDDEN: (403, "access_denied"),
    Reason.NO_BALANCE: (403, "insufficient_quota"),
    Reason.NO_TASK: (400, "task_not_exist"),
    Reason.RATE: (429, "rate_limit_exceeded"),
    Reason.CONCURRENCY: (429, "rate_limit_exceeded"),
    Reason.INTERNAL: (500, "internal_error"),
    Reason.UNAVAILABLE: (503, "service_unavailable"),
}


#: Ratio, watermark, seed and `reference_type` are flat members here; `parameters` is passed on unread.
_METADATA = Shape(required={}, optional={**FILM, "reference_type": one_of(("subject", "style")), "input": json_mapping})

MAX_PICTURE_MB = 10


def _parse(request: Request, raw: bytes) -> Draft:
    body = submitted_body(request, raw, metadata=_METADATA, max_picture_mb=MAX_PICTURE_MB)
    if body["model"].startswith("happyhorse-"):
        check_fields(body, _HAPPYHORSE)
    return gateway_draft(body, as_mapping(body.get("metadata")).get("ratio"))


def _head(view: View) -> JsonObject:
    return {
        "id": view.task_id,
        "task_id": view.task_id,
        "object": "video",
        "model": view.task.draft.model,
        "status": view.state(WORDS),
        "created_at": int(view.task.created_s),
    }


def _receipt(request: Request, view: View) -> Response:
    return JSONResponse(_head(view) | {"status": "QUEUED", "progress": 0})


def _state(request: Request, view: View) -> Response:
    percent = 100 if view.phase.is_terminal else view.percent
    body = _head(view) | {"progress": f"{percent}%"}
    if view.phase is Phase.SUCCEEDED:
        body["result_url"] = f"/v1/videos/{view.task_id}/content"
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        body["fail_reason"] = view.task.error.message
    nested = world_of(request).config.tokenbay_shape == "data"
    return JSONResponse({"code": "success", "message": "", "data": body} if nested else body)


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code = _ERRORS[refusal.reason]
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    if refusal.reason is Reason.INVALID and world_of(request).config.tokenbay_errors_in_200:
        status = 200
    error = {"message": refusal.message, "type": kind, "code": code}
    return JSONResponse({"error": error}, status_code=status)


DIALECT = Dialect(
    platform="tokenbay",
    parse=_parse,
    new_id=lambda: f"task_{secrets.token_hex(12)}",
    receipt=_receipt,
    refuse=_refuse,
)


ROUTES = (
    Route("/v1/video/generations", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v1/videos", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v1/video/generations/{task_id}", status_endpoint(DIALECT, _state), methods=["GET"]),
    Route("/v1/videos/{task_id}", status_endpoint(DIALECT, _state), methods=["GET"]),
    Route("/v1/videos/{task_id}/content", download_endpoint(DIALECT), methods=["GET"]),
)
