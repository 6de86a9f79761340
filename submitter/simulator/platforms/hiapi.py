"""HiAPI: one async API for all models, with callbacks and idempotency keys.

Sources, read 2026-11-21: https://docs.hiapi.ai/async-api/create/?lang=en, https://docs.hiapi.ai/async-api/detail/?lang=en,
https://docs.hiapi.ai/async-api/list/, the SDKs HiAPIAI/hiapi-python and HiAPIAI/hiapi-java, and the happyhorse-1.1
reference-to-video page. Inferred: refused submits are not stored under an idempotency key, and a rate-limited
answer carries no Retry-After.
"""

import hashlib
import secrets
from collections.abc import Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.config import DAY_S
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
    json_mapping,
    json_object,
    one_of,
    text,
    url,
    urls,
)
from submitter.simulator.idempotency import IdempotencyEntry
from submitter.simulator.request_pipeline import (
    Dialect,
    answer_call,
    answer_query,
    answer_submit,
    refused_submit,
)
from submitter.simulator.task import Clip, Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import world_of

KEY_LIFE_S = DAY_S  # an idempotency key is valid for about a day

MAX_KEY_BYTES = 255

RETRY_AFTER_S = 5

WORDS = state_words(queued="queued", running="handling", archiving="archiving", succeeded="success", failed="fail")


_OUTER = Shape(
    required={"model": text(), "input": json_mapping},
    optional={"callback": json_mapping, "storage": one_of(("temp", "persistent")), "route": text()},
)

_CALLBACK = Shape(required={"url": url(WEB_URL)}, optional={"when": one_of(("final",))})

_FILM = {"resolution": one_of(("720p", "1080p")), "duration": integer(3, 15)}

_NINE = _FILM | {"aspect_ratio": one_of(NINE_RATIOS)}

_INPUTS: Mapping[str, Shape] = MappingProxyType(
    {
        "happyhorse-1.1/reference-to-video": Shape(
            required={"prompt": text(), "reference_image": urls(WEB_URL)}, optional=_NINE, strict=True
        ),
        "happyhorse-1.1/text-to-video": Shape(required={"prompt": text()}, optional=_NINE, strict=True),
        "happyhorse-1-0": Shape(
            required={"prompt": text()},
            optional=_FILM | {"aspect_ratio": one_of(FIVE_RATIOS), "seed": integer(0, MAX_SEED)},
            strict=True,
        ),
    }
)

_ERRORS: Mapping[Reason, tuple[int, str]] = MappingProxyType(
    {
        Reason.INVALID: (400, "INVALID_REQUEST"),
        Reason.NOT_ASYNC: (400, "INVALID_REQUEST"),
        Reason.NOT_PENDING: (400, "INVALID_REQUEST"),
        Reason.NOT_JSON: (415, "UNSUPPORTED_MEDIA_TYPE"),
        Reason.TOO_LARGE: (413, "REQUEST_TOO_LARGE"),
        Reason.NO_MODEL: (400, "MODEL_UNAVAILABLE"),
        Reason.BAD_KEY: (401, "UNAUTHORIZED"),
        Reason.NO_BALANCE: (402, "INSUFFICIENT_BALANCE"),
        Reason.NO_TASK: (404, "TASK_NOT_FOUND"),
        Reason.NO_ROUTE: (404, "NOT_FOUND"),
        Reason.RATE: (429, "RATE_LIMITED"),
        Reason.CONCURRENCY: (429, "CONCURRENCY_LIMITED"),
        Reason.INTERNAL: (500, "INTERNAL_ERROR"),
        Reason.UNAVAILABLE: (503, "SERVICE_UNAVAILABLE"),
        Reason.KEY_IN_USE: (409, "IDEMPOTENCY_KEY_PROCESSING"),
        Reason.KEY_OF_OTHER_BODY: (422, "IDEMPOTENCY_KEY_MISMATCH"),
    }
)


def _parse(request: Request, raw: bytes) -> Draft | Refusal:
    if not request.headers.get("content-type", "").startswith("application/json"):
        return Refusal(reason=Reason.NOT_JSON, message="the body must be application/json")
    body = json_object(raw)
    if isinstance(body, Refusal):
        return body
    return _wrong(body) or _draft(body)


def _wrong(body: JsonObject) -> Refusal | None:
    if wrong := first_violation(body, _OUTER):
        return wrong
    if is_unknown_model(body["model"]):
        return Refusal(reason=Reason.NO_MODEL, message="the model is not available", field="model")
    if body.get("callback") is not None and (wrong := first_violation(body["callback"], _CALLBACK, prefix="callback.")):
        return wrong
    shape = _INPUTS.get(body["model"])
    return None if shape is None else first_violation(body["input"], shape, prefix="input.")


def _draft(body: JsonObject) -> Draft:
    wanted = body["input"]
    clip = Clip(
        seconds=integer_or(wanted.get("duration"), 5),
        resolution=choice_or(wanted.get("resolution"), ("720p", "1080p"), "1080p").upper(),
        ratio=choice_or(wanted.get("aspect_ratio"), NINE_RATIOS, "16:9"),
    )
    callback = body.get("callback") or {}
    return Draft(
        model=body["model"],
        prompt=str(wanted.get("prompt", "")),
        body=body,
        clip=clip,
        callback_url=callback.get("url"),
    )


def detail(view: View, *, with_storage: bool = True) -> JsonObject:
    """Return the `data` object of a task, as detail, list and callback show it.

    Times are unix seconds; `completed` is 0 while the task is not terminal.
    """
    sent = view.task.draft.body
    data: JsonObject = {
        "taskId": view.task_id,
        "model": view.task.draft.model,
        "status": view.state(WORDS),
        "created": int(view.task.created_s),
        "completed": int(view.final_s or 0),
    }
    if sent.get("route"):
        data |= {"route": sent["route"], "model": f"{view.task.draft.model}@{sent['route']}"}
    if with_storage:
        data["storage"] = sent.get("storage") or "temp"
    return data | _result(view)


def _result(view: View) -> JsonObject:
    if view.phase is Phase.SUCCEEDED:
        return {"output": [{"url": view.video_url, "type": "video", "expireAt": int(view.expires_s)}]}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        error = view.task.error
        return {"error": {"code": error.code or "TASK_FAILED", "message": error.message}}
    return {}


def _callback_body(view: View) -> JsonObject:
    """No document shows `storage` in a callback, so callbacks are sent without it."""
    return detail(view, with_storage=False)


def _new_id() -> str:
    return "tk-hiapi-" + secrets.token_hex(13)


def _envelope(data: JsonObject) -> Response:
    return JSONResponse({"code": 200, "message": "success", "data": data})


def _receipt(request: Request, view: View) -> Response:
    return _envelope({"taskId": view.task_id})


def _detail(request: Request, view: View) -> Response:
    return _envelope(detail(view))


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, word = _ERRORS[refusal.reason]
    headers = {"Retry-After": str(RETRY_AFTER_S)} if refusal.reason is Reason.KEY_IN_USE else None
    body = {"code": status, "message": refusal.message, "data": None, "error_code": word}
    return JSONResponse(body, status_code=status, headers=headers)


def _unknown(request: Request, task_id: str) -> Response:
    return _refuse(request, Refusal(reason=Reason.NO_TASK, message="no such task"))


def _recall(request: Request, raw: bytes) -> Response | None:
    key = request.headers.get("idempotency-key")
    if not key:
        return None
    if len(key.encode()) > MAX_KEY_BYTES:
        return _refuse_key(request, raw, Reason.INVALID, "the idempotency key is longer than 255 bytes")
    world = world_of(request)
    digest = hashlib.sha256(raw).digest()
    life_s = world.config.real_s(KEY_LIFE_S)
    found = world.idempotency.look_up(key, digest, now_s=world.now_s(), life_s=life_s)
    if found is None:
        return None
    if found.digest != digest:
        return _refuse_key(request, raw, Reason.KEY_OF_OTHER_BODY, "this key was used with another body")
    if found.receipt is None:
        return _refuse_key(request, raw, Reason.KEY_IN_USE, "a request with this key is being processed")
    return _replayed(found)


def _replayed(found: IdempotencyEntry) -> Response:
    if found.task is not None:
        found.task.replays += 1
    return Response(found.receipt, media_type="application/json", headers={"Idempotent-Replay": "true"})


def _refuse_key(request: Request, raw: bytes, reason: Reason, message: str) -> Response:
    return refused_submit(request, DIALECT, refusal=Refusal(reason=reason, message=message), raw=raw)


def _store_receipt(request: Request, task: Task | None, receipt: Response | None) -> None:
    key = request.headers.get("idempotency-key")
    if key:
        world_of(request).idempotency.store_receipt(key, task, None if receipt is None else bytes(receipt.body))


DIALECT = Dialect(
    platform="hiapi",
    parse=_parse,
    new_id=_new_id,
    receipt=_receipt,
    refuse=_refuse,
    unknown=_unknown,
    rate_headers=("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    recall=_recall,
    store_receipt=_store_receipt,
    callback_body=_callback_body,
)


async def submit(request: Request) -> Response:
    """POST /v1/tasks."""
    return await answer_submit(request, DIALECT)


async def query(request: Request) -> Response:
    """GET /v1/tasks/{taskId}."""
    return await answer_query(request, DIALECT, request.path_params["task_id"], _detail)


async def listing(request: Request) -> Response:
    """GET /v1/tasks, newest first; page and size out of range are corrected without an error."""
    page = max(1, integer_or(request.query_params.get("page"), 1))
    size = min(100, max(1, integer_or(request.query_params.get("size"), 10)))
    return answer_call(request, DIALECT, "task_call", lambda: _envelope(_page(request, page, size)))


def _page(request: Request, page: int, size: int) -> JsonObject:
    world = world_of(request)
    newest = sorted(world.of("hiapi"), key=lambda task: -task.created_s)
    shown = newest[(page - 1) * size : page * size]
    tasks = [detail(world.view(task)) for task in shown]
    return {"page": page, "size": size, "total": len(newest), "tasks": tasks}


ROUTES = (
    Route("/v1/tasks", submit, methods=["POST"]),
    Route("/v1/tasks", listing, methods=["GET"]),
    Route("/v1/tasks/{task_id}", query, methods=["GET"]),
)
