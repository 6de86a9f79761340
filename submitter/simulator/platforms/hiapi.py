"""HiAPI: one async API for all models, with callbacks and idempotency keys.

Sources, read 2026-11-21: https://docs.hiapi.ai/async-api/create/?lang=en, https://docs.hiapi.ai/async-api/detail/?lang=en,
https://docs.hiapi.ai/async-api/list/, the SDKs HiAPIAI/hiapi-python and HiAPIAI/hiapi-java, and the happyhorse-1.1
reference-to-video page; read 2026-11-26: https://docs.hiapi.ai/models/video/happyhorse-1-1-i2v/. Inferred: refused
submits are not stored under an idempotency key, and a rate-limited answer carries no Retry-After. Callbacks come only
at the end of a task, signed, at most four times.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.config import DAY_S
from submitter.simulator.field_rules import (
    FIVE_RATIOS,
    MAX_SEED,
    NINE_RATIOS,
    WEB_URL,
    Shape,
    check_fields,
    clip_of,
    integer,
    integer_or,
    is_unknown_model,
    json_mapping,
    json_object,
    one_of,
    prompt,
    text,
    url,
    urls,
)
from submitter.simulator.request_pipeline import Dialect, Process, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import IdempotencyEntry, World, world_of

KEY_LIFE_S = DAY_S  # an idempotency key is valid for about a day

MAX_KEY_BYTES = 255

MAX_BODY_BYTES = 10 * 1024 * 1024

RETRY_AFTER_S = 5

ATTEMPTS_AT_S = (0.0, 60.0, 300.0, 1200.0)  # of a callback, provider seconds after the first

WORDS = state_words(queued="queued", running="handling", archiving="archiving", succeeded="success", failed="fail")


_OUTER = Shape(
    required={"model": text(), "input": json_mapping},
    optional={"callback": json_mapping, "storage": one_of(("temp", "persistent")), "route": text()},
)

_CALLBACK = Shape(required={"url": url(WEB_URL)}, optional={"when": one_of(("final",))})

_FILM = {"resolution": one_of(("720p", "1080p")), "duration": integer(3, 15)}

_NINE = _FILM | {"aspect_ratio": one_of(NINE_RATIOS)}

_INPUTS: Mapping[str, Shape] = {
    "happyhorse-1.1/reference-to-video": Shape(
        required={"prompt": prompt, "reference_image": urls(WEB_URL)}, optional=_NINE, strict=True
    ),
    "happyhorse-1.1/text-to-video": Shape(required={"prompt": prompt}, optional=_NINE, strict=True),
    "happyhorse-1.1/image-to-video": Shape(
        required={"image_urls": urls(WEB_URL, most=1)}, optional=_FILM | {"prompt": prompt}, strict=True
    ),
    "happyhorse-1-0": Shape(
        required={"prompt": prompt},
        optional=_FILM | {"aspect_ratio": one_of(FIVE_RATIOS), "seed": integer(0, MAX_SEED)},
        strict=True,
    ),
}

_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.INVALID: (400, "INVALID_REQUEST"),
    Reason.NOT_JSON: (415, "UNSUPPORTED_MEDIA_TYPE"),
    Reason.TOO_LARGE: (413, "REQUEST_TOO_LARGE"),
    Reason.NO_MODEL: (400, "MODEL_UNAVAILABLE"),
    Reason.BAD_KEY: (401, "UNAUTHORIZED"),
    Reason.DENIED: (403, "FORBIDDEN"),
    Reason.FORBIDDEN: (403, "FORBIDDEN"),
    Reason.NO_BALANCE: (402, "INSUFFICIENT_BALANCE"),
    Reason.NO_TASK: (404, "TASK_NOT_FOUND"),
    Reason.RATE: (429, "RATE_LIMITED"),
    Reason.CONCURRENCY: (429, "CONCURRENCY_LIMITED"),
    Reason.INTERNAL: (500, "INTERNAL_ERROR"),
    Reason.UNAVAILABLE: (503, "SERVICE_UNAVAILABLE"),
    Reason.KEY_IN_USE: (409, "IDEMPOTENCY_KEY_PROCESSING"),
    Reason.KEY_OF_OTHER_BODY: (422, "IDEMPOTENCY_KEY_MISMATCH"),
}


def _parse(request: Request, raw: bytes) -> Draft:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal(Reason.NOT_JSON, "the body must be application/json")
    body = json_object(raw)
    check_fields(body, _OUTER)
    model, wanted, callback = body["model"], body["input"], body.get("callback")
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "the model is not available", field="model")
    if callback is not None:
        check_fields(callback, _CALLBACK, prefix="callback.")
    if model in _INPUTS:
        check_fields(wanted, _INPUTS[model], prefix="input.")
    return Draft(
        model=model,
        prompt=str(wanted.get("prompt", "")),
        body=body,
        clip=clip_of(wanted.get("duration"), str(wanted.get("resolution")).upper(), wanted.get("aspect_ratio")),
        callback_url=callback and callback["url"],
    )


def detail(view: View, *, with_storage: bool = True) -> JsonObject:
    """Return the `data` object of a task, as detail, list and callback show it.

    Times are unix seconds; `completed` is 0 while the task is not terminal. No document shows `storage` in a callback,
    so callbacks are sent without it.
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


def _unknown(task_id: str) -> Response:
    raise Refusal(Reason.NO_TASK, "no such task")


async def _process_once(request: Request, raw: bytes, process: Process) -> Response:
    key = request.headers.get("idempotency-key", "")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise Refusal(Reason.INVALID, "the idempotency key is longer than 255 bytes")
    if not key:
        answer, _ = await process()
        return answer
    world, digest = world_of(request), hashlib.sha256(raw).digest()
    entry = world.idempotency.get(key)
    if entry is not None and world.now_s() < entry.since_s + world.config.real_s(KEY_LIFE_S):
        return _replayed(entry, digest)
    entry = world.idempotency[key] = IdempotencyEntry(digest=digest, since_s=world.now_s())
    try:
        answer, entry.task = await process()
    finally:
        if entry.task is None:
            world.idempotency.pop(key, None)
    return answer


def _replayed(entry: IdempotencyEntry, digest: bytes) -> Response:
    if entry.digest != digest:
        raise Refusal(Reason.KEY_OF_OTHER_BODY, "this key was used with another body")
    if entry.task is None:
        raise Refusal(Reason.KEY_IN_USE, "a request with this key is being processed")
    entry.task.replays += 1
    return Response(entry.task.receipt, media_type="application/json", headers={"Idempotent-Replay": "true"})


def signature(secret: str, timestamp: str, raw: bytes) -> str:
    """Lower-case hex HMAC-SHA256 over timestamp, full stop, raw body; the key is the secret's own UTF-8 bytes."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + raw, hashlib.sha256).hexdigest()


def _callback_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    """Without a secret the account has no signing key, and its callbacks no headers of a signature."""
    secret = world.config.webhook_secret("hiapi")
    if secret is None:
        return {}
    timestamp = str(int(time_s))
    return {"X-HiAPI-Timestamp": timestamp, "X-HiAPI-Signature": signature(secret, timestamp, body)}


DIALECT = Dialect(
    platform="hiapi",
    parse=_parse,
    new_id=lambda: f"tk-hiapi-{secrets.token_hex(13)}",
    receipt=_receipt,
    refuse=_refuse,
    unknown=_unknown,
    max_body_bytes=MAX_BODY_BYTES,
    rate_headers=("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    process_once=_process_once,
    callbacks=CallbackRules(
        body=partial(detail, with_storage=False), headers=_callback_headers, attempts_at_s=ATTEMPTS_AT_S
    ),
)


async def _list(request: Request) -> Response:
    """Newest first; page and size out of range are corrected without an error."""
    world = world_of(request)
    page = max(1, integer_or(request.query_params.get("page"), 1))
    size = min(100, max(1, integer_or(request.query_params.get("size"), 10)))
    newest = sorted(world.of("hiapi"), key=lambda task: -task.created_s)
    tasks = [detail(world.view(task)) for task in newest[(page - 1) * size : page * size]]
    return _envelope({"page": page, "size": size, "total": len(newest), "tasks": tasks})


ROUTES = (
    Route("/v1/tasks", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v1/tasks", endpoint(DIALECT, _list), methods=["GET"]),
    Route("/v1/tasks/{task_id}", status_endpoint(DIALECT, _detail), methods=["GET"]),
)
