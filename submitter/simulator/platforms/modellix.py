"""Modellix: model in the path, results under `data`, no callback, no list, no cancel.

Sources, read 2026-11-21: the happyhorse-1.0-r2v page and https://docs.modellix.ai/ways-to-use/api,
https://docs.modellix.ai/api-reference/query-task-result, the client Modellix/modellix-cli. The documents disagree
about the `/async` suffix, so it is configured. Inferred: the body of a failed task (no source shows a reason in it),
unix seconds in X-RateLimit-Reset, 1.1 models take the nine ratios.
"""

import hashlib
import secrets
from collections.abc import Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.config import BASE_PATHS
from submitter.simulator.field_rules import (
    FIVE_RATIOS,
    MAX_SEED,
    NINE_RATIOS,
    WEB_URL,
    Shape,
    choice_or,
    first_violation,
    integer,
    integer_or,
    is_unknown_model,
    json_object,
    one_of,
    text,
    urls,
)
from submitter.simulator.records import milliseconds
from submitter.simulator.request_pipeline import Dialect, answer_call, answer_query, answer_submit, origin_of
from submitter.simulator.task import THROTTLINGS, Clip, Draft, JsonObject, Phase, Reason, Refusal, View, state_words
from submitter.simulator.world import world_of

MAX_PROMPT_CHARACTERS = 5000  # a longer prompt is cut without an error

RETRY_AFTER_S = 5

WORDS = state_words(queued="pending", running="processing", succeeded="success", failed="failed")

_ERRORS: Mapping[Reason, tuple[int, str]] = MappingProxyType(
    {
        Reason.INVALID: (400, "Bad Request"),
        Reason.NOT_JSON: (400, "Bad Request"),
        Reason.NOT_ASYNC: (400, "Bad Request"),
        Reason.NOT_PENDING: (400, "Bad Request"),
        Reason.TOO_LARGE: (413, "Payload Too Large"),
        Reason.NO_MODEL: (404, "Not Found"),
        Reason.BAD_KEY: (401, "Unauthorized"),
        Reason.NO_BALANCE: (402, "Payment Required"),
        Reason.NO_TASK: (404, "Not Found"),
        Reason.NO_ROUTE: (404, "Not Found"),
        Reason.RATE: (429, "Too Many Requests"),
        Reason.CONCURRENCY: (429, "Too Many Requests"),
        Reason.INTERNAL: (500, "Internal Server Error"),
        Reason.UNAVAILABLE: (503, "Service Unavailable"),
    }
)


def _shape(model: str) -> Shape | None:
    if not model.startswith("happyhorse-"):
        return None
    ratios = FIVE_RATIOS if model.startswith("happyhorse-1.0") else NINE_RATIOS
    film = {"resolution": one_of(("720P", "1080P")), "ratio": one_of(ratios), "duration": integer(3, 15)}
    required = {"prompt": text()}
    if model.endswith("-r2v"):
        required["reference_images"] = urls(WEB_URL)
    return Shape(required=required, optional=film | {"seed": integer(0, MAX_SEED)})


def _parse(request: Request, raw: bytes) -> Draft | Refusal:
    model: str = request.path_params["model"]
    if is_unknown_model(model):
        return Refusal(reason=Reason.NO_MODEL, message="model not found", field="model")
    body = json_object(raw)
    if isinstance(body, Refusal):
        return body
    shape = _shape(model)
    wrong = None if shape is None else first_violation(body, shape)
    return wrong or _draft(model, body)


def _draft(model: str, body: JsonObject) -> Draft:
    clip = Clip(
        seconds=integer_or(body.get("duration"), 5),
        resolution=choice_or(body.get("resolution"), ("720P", "1080P"), "1080P"),
        ratio=choice_or(body.get("ratio"), NINE_RATIOS, "16:9"),
    )
    return Draft(model=model, prompt=str(body.get("prompt") or "")[:MAX_PROMPT_CHARACTERS], body=body, clip=clip)


def _success(data: JsonObject) -> Response:
    return JSONResponse({"code": 0, "message": "success", "data": data})


def _head(view: View) -> JsonObject:
    model_id = "model-" + hashlib.sha256(view.task.draft.model.encode()).hexdigest()[:8]
    return {"status": view.state(WORDS), "task_id": view.task_id, "model_id": model_id}


def _receipt(request: Request, view: View) -> Response:
    link = f"{origin_of(request)}{BASE_PATHS['modellix']}/tasks/{view.task_id}"
    return _success(_head(view) | {"status": "pending", "get_result": {"method": "GET", "url": link}})


def _state(request: Request, view: View) -> Response:
    data = _head(view)
    if view.phase is Phase.SUCCEEDED:
        data |= _result(view)
    return _success(data)


def _result(view: View) -> JsonObject:
    width, height = view.task.draft.clip.pixels
    video = {"url": view.video_url, "type": "video", "width": width, "height": height}
    return {
        "duration": milliseconds((view.final_s or view.now_s) - view.task.created_s),
        "result": {"resources": [video | {"format": "mp4", "role": "primary"}]},
        "billing": {"status": "succeeded", "amount": "0.2400"},
        "result_expires_at": milliseconds(view.expires_s),
    }


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, category = _ERRORS[refusal.reason]
    headers = {"Retry-After": str(RETRY_AFTER_S)} if refusal.reason in THROTTLINGS else None
    message = f"{category}: {refusal.message}"
    return JSONResponse({"code": status, "message": message}, status_code=status, headers=headers)


def _unknown(request: Request, task_id: str) -> Response:
    return _refuse(request, Refusal(reason=Reason.NO_TASK, message="task not found"))


DIALECT = Dialect(
    platform="modellix",
    parse=_parse,
    new_id=lambda: f"task-{secrets.token_hex(12)}",
    receipt=_receipt,
    refuse=_refuse,
    unknown=_unknown,
    forgets=True,
    rate_headers=("", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
)


async def submit_plain(request: Request) -> Response:
    """POST /{vendor}/{model}."""
    return await _submit(request, served=("both", "plain"))


async def submit_suffixed(request: Request) -> Response:
    """POST /{vendor}/{model}/async."""
    return await _submit(request, served=("both", "suffix"))


async def _submit(request: Request, *, served: tuple[str, str]) -> Response:
    if world_of(request).config.modellix_async_path not in served:
        return _refuse(request, Refusal(reason=Reason.NO_ROUTE, message="no such path"))
    return await answer_submit(request, DIALECT)


async def query(request: Request) -> Response:
    """GET /tasks/{task_id}."""
    return await answer_query(request, DIALECT, request.path_params["task_id"], _state)


async def balance(request: Request) -> Response:
    """GET /team/balance."""
    return _account(request, {"balance": "100.0000"})


async def validate_key(request: Request) -> Response:
    """GET /apikey/validate."""
    return _account(request, {"is_valid": True})


def _account(request: Request, data: JsonObject) -> Response:
    return answer_call(request, DIALECT, "task_call", lambda: _success(data))


ROUTES = (
    Route("/tasks/{task_id}", query, methods=["GET"]),
    Route("/team/balance", balance, methods=["GET"]),
    Route("/apikey/validate", validate_key, methods=["GET"]),
    Route("/{vendor}/{model}", submit_plain, methods=["POST"]),
    Route("/{vendor}/{model}/async", submit_suffixed, methods=["POST"]),
)
