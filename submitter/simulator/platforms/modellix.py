"""Modellix: model in the path, results under `data`, no callback, no list, no cancel.

Sources, read 2026-11-21: the happyhorse-1.0-r2v page and https://docs.modellix.ai/ways-to-use/api,
https://docs.modellix.ai/api-reference/query-task-result, the client Modellix/modellix-cli 0.0.7
(2026-07-16), which takes an origin without a path as its base URL. The documents disagree
about the `/async` suffix, so it is configured. Inferred: the body of a failed task (no source shows a reason in it),
unix seconds in X-RateLimit-Reset, 1.1 models take the nine ratios.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.config import BASE_PATHS
from submitter.simulator.field_rules import (
    FIVE_RATIOS,
    MAX_SEED,
    NINE_RATIOS,
    RESOLUTIONS,
    WEB_URL,
    Rule,
    Shape,
    check_fields,
    clip_of,
    cut_prompt,
    integer,
    is_unknown_model,
    json_object,
    one_of,
    prompt,
    urls,
)
from submitter.simulator.records import milliseconds
from submitter.simulator.request_pipeline import Dialect, Endpoint, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import THROTTLINGS, Draft, JsonObject, Phase, Reason, Refusal, View, state_words
from submitter.simulator.world import origin_of, world_of

RETRY_AFTER_S = 5

#: The models of this simulator; the platform has more.
_KINDS = {"t2v": "text-to-video", "i2v": "image-to-video", "r2v": "reference-to-video"}

CATALOGUE = tuple(f"alibaba/happyhorse-{version}-{kind}" for version in ("1.0", "1.1") for kind in _KINDS)

WORDS = state_words(queued="pending", running="processing", succeeded="success", failed="failed")

_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.INVALID: (400, "Bad Request"),
    Reason.NOT_JSON: (400, "Bad Request"),
    Reason.TOO_LARGE: (413, "Payload Too Large"),
    Reason.NO_MODEL: (404, "Not Found"),
    Reason.BAD_KEY: (401, "Unauthorized"),
    Reason.DENIED: (403, "Forbidden"),
    Reason.FORBIDDEN: (403, "Forbidden"),
    Reason.NO_BALANCE: (402, "Payment Required"),
    Reason.NO_TASK: (404, "Not Found"),
    Reason.NO_ROUTE: (404, "Not Found"),
    Reason.RATE: (429, "Too Many Requests"),
    Reason.CONCURRENCY: (429, "Too Many Requests"),
    Reason.INTERNAL: (500, "Internal Server Error"),
    Reason.UNAVAILABLE: (503, "Service Unavailable"),
}


def _happyhorse(model: str) -> Shape:
    ratios = FIVE_RATIOS if model.startswith("happyhorse-1.0") else NINE_RATIOS
    film = {"resolution": one_of(RESOLUTIONS), "ratio": one_of(ratios), "duration": integer(3, 15)}
    required: dict[str, Rule] = {"prompt": prompt}
    if model.endswith("-r2v"):
        required["reference_images"] = urls(WEB_URL)
    return Shape(required=required, optional=film | {"seed": integer(0, MAX_SEED)})


def _parse(request: Request, raw: bytes) -> Draft:
    model: str = request.path_params["model"]
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "model not found", field="model")
    body = json_object(raw)
    if model.startswith("happyhorse-"):
        check_fields(body, _happyhorse(model))
    clip = clip_of(body.get("duration"), body.get("resolution"), body.get("ratio"))
    return Draft(model=model, prompt=cut_prompt(body.get("prompt")), body=body, clip=clip)


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


DIALECT = Dialect(
    platform="modellix",
    parse=_parse,
    new_id=lambda: f"task-{secrets.token_hex(12)}",
    receipt=_receipt,
    refuse=_refuse,
    forgets=True,
    rate_headers=("", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
)


def _submit(path: Literal["plain", "suffix"]) -> Endpoint:
    submit = submit_endpoint(DIALECT)

    async def answer(request: Request) -> Response:
        if world_of(request).config.modellix_async_path not in {"both", path}:
            return _refuse(request, Refusal(Reason.NO_ROUTE, "no such path"))
        return await submit(request)

    return answer


async def _balance(request: Request) -> Response:
    return _success({"balance": 100.0})


async def _models(request: Request) -> Response:
    """The catalogue, without the envelope, as the vendor's client reads it."""
    return JSONResponse({"models": [_catalogue_entry(slug) for slug in CATALOGUE]})


def _catalogue_entry(slug: str) -> JsonObject:
    vendor, _, model = slug.partition("/")
    return {"slug": slug, "name": model, "provider": vendor, "type": _KINDS[model.rpartition("-")[2]]}


async def _validate_key(request: Request) -> Response:
    return _success({"is_valid": True})


ROUTES = (
    Route("/tasks/{task_id}", status_endpoint(DIALECT, _state), methods=["GET"]),
    Route("/models", endpoint(DIALECT, _models), methods=["GET"]),
    Route("/team/balance", endpoint(DIALECT, _balance), methods=["GET"]),
    Route("/apikey/validate", endpoint(DIALECT, _validate_key), methods=["GET"]),
    Route("/{vendor}/{model}", _submit("plain"), methods=["POST"]),
    Route("/{vendor}/{model}/async", _submit("suffix"), methods=["POST"]),
)
