"""fal.ai: one queue for all models; the model is the path, the result is a call of its own, callbacks are signed.

Sources, read 2026-11-26: https://fal.ai/docs/api-reference/inference-api (paths, 202 before the end),
https://fal.ai/docs/inference-api/queue/submit, .../result, .../cancel, https://fal.ai/docs/documentation/model-apis/
inference/webhooks.md (body, signature, JWKS, redirects), .../model-apis/errors.md and .../request-errors,
https://fal.ai/models/alibaba/happy-horse/v1.1/reference-to-video/llms.txt and .../image-to-video/llms.txt (fields).

The queue accepts any JSON object; the model checks it when it runs, so a wrong input ends the task with a 422 as its
result. Such a task states no error in its status, as older apps do; every other failed one does. A cancellation takes a
task out of the queue and lets a running one finish. Inferred: the pauses between attempts of a callback, the answer to
a call for a result that is not there yet, and that a status is known for as long as its result.
"""

import base64
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.field_rules import (
    MAX_SEED,
    NINE_RATIOS,
    WEB_OR_DATA_URL,
    Shape,
    boolean,
    check_fields,
    clip_of,
    integer,
    is_unknown_model,
    json_object,
    one_of,
    prompt,
    url,
    urls,
)
from submitter.simulator.request_pipeline import (
    Dialect,
    Endpoint,
    endpoint,
    has_key,
    result_endpoint,
    status_endpoint,
    submit_endpoint,
)
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, Task, TaskError, View, state_words
from submitter.simulator.world import World, world_of

PROMPT_CHARACTERS = 2_500

#: Of a callback, provider seconds after the first, within the hour for which a result is stored.
ATTEMPTS_AT_S = (0.0, 10.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1_800.0, 2_700.0, 3_599.0)

USER_ID = "user-sim-fal"

WORDS = state_words(
    queued="IN_QUEUE", running="IN_PROGRESS", succeeded="COMPLETED", failed="COMPLETED", canceled="COMPLETED"
)


def _short_prompt(value: object) -> str | None:
    too_long = isinstance(value, str) and len(value) > PROMPT_CHARACTERS
    return f"must have at most {PROMPT_CHARACTERS} characters" if too_long else prompt(value)


_FILM = {
    "resolution": one_of(("720p", "1080p")),
    "duration": integer(3, 15),
    "seed": integer(0, MAX_SEED),
    "enable_safety_checker": boolean,
}

_NINE = _FILM | {"aspect_ratio": one_of(NINE_RATIOS)}

_INPUTS: Mapping[str, Shape] = {
    "alibaba/happy-horse/v1.1/text-to-video": Shape(required={"prompt": _short_prompt}, optional=_NINE),
    "alibaba/happy-horse/v1.1/image-to-video": Shape(
        required={"image_url": url(WEB_OR_DATA_URL)}, optional=_FILM | {"prompt": _short_prompt}
    ),
    "alibaba/happy-horse/v1.1/reference-to-video": Shape(
        required={"prompt": _short_prompt, "image_urls": urls(WEB_OR_DATA_URL)}, optional=_NINE
    ),
}

#: Status, and the type of a platform's error; without one `detail` stands alone.
_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.TOO_LARGE: (413, ""),
    Reason.NO_MODEL: (404, ""),
    Reason.BAD_KEY: (401, ""),
    Reason.DENIED: (403, ""),
    Reason.FORBIDDEN: (403, ""),
    Reason.NO_BALANCE: (403, ""),
    Reason.NO_TASK: (404, ""),
    Reason.NOT_ENDED: (400, "bad_request"),
    Reason.RATE: (429, "concurrent_requests_limit"),
    Reason.CONCURRENCY: (429, "concurrent_requests_limit"),
    Reason.INTERNAL: (500, "internal_error"),
    Reason.UNAVAILABLE: (503, "runner_scheduling_failure"),
}

_LOCKED = "User is locked. Reason: exhausted balance."

_RUN_FAILED, _CANCELED = "runner_server_error", "client_cancelled"


def _parse(request: Request, raw: bytes) -> Draft:
    names = request.path_params
    model = "/".join(filter(None, (names["owner"], names["app"], names.get("rest", ""))))
    if is_unknown_model(names["app"]):
        raise Refusal(Reason.NO_MODEL, f"no application {model}")
    body = json_object(raw)
    return Draft(
        model=model,
        prompt=str(body.get("prompt", "")),
        body=body,
        clip=clip_of(body.get("duration"), str(body.get("resolution")).upper(), body.get("aspect_ratio")),
        callback_url=request.query_params.get("fal_webhook"),
        fails_with=_refused_by_model(model, body),
    )


def _refused_by_model(model: str, body: Mapping[str, Any]) -> TaskError | None:
    try:
        check_fields(body, _INPUTS.get(model, Shape(required={}, optional={})))
    except Refusal as refusal:
        return TaskError(code="value_error", message=refusal.message)
    return None


def _app(task: Task) -> str:
    """Owner and app: what the paths of a task have of its model."""
    return "/".join(task.draft.model.split("/")[:2])


def _address(view: View) -> str:
    return f"{view.task.origin}/fal/{_app(view.task)}/requests/{view.task_id}"


def _receipt(request: Request, view: View) -> Response:
    address = _address(view)
    return JSONResponse(
        {
            "status": "IN_QUEUE",
            "request_id": view.task_id,
            "queue_position": 0,
            "response_url": address,
            "status_url": f"{address}/status",
            "cancel_url": f"{address}/cancel",
        }
    )


def _status(request: Request, view: View) -> Response:
    word = view.state(WORDS)
    body: JsonObject = {"status": word, "request_id": view.task_id, "response_url": _address(view)}
    if word == "IN_QUEUE":
        return JSONResponse(body | {"queue_position": 0}, status_code=202)
    wants_logs = request.query_params.get("logs") in {"1", "true", "True"}
    body["logs"] = [{"message": "frame 1", "timestamp": "2026-09-01T10:00:05.100"}] if wants_logs else None
    if not view.phase.is_terminal:
        return JSONResponse(body | {"metrics": {}}, status_code=202)
    body["metrics"] = {"inference_time": round((view.final_s or view.now_s) - view.task.created_s, 1)}
    error = _error(view)
    if error is not None and view.task.draft.fails_with is None:
        body |= {"error": error.message, "error_type": error.code}
    return JSONResponse(body)


def _error(view: View) -> TaskError | None:
    if view.phase is Phase.CANCELED:
        return TaskError(code=_CANCELED, message="the client canceled the request")
    if view.phase is Phase.FAILED:
        return TaskError(code=view.task.error.code or _RUN_FAILED, message=view.task.error.message)
    return None


def _payload(view: View) -> tuple[int, JsonObject]:
    """The result with the HTTP status of the model: the video, or why there is none."""
    error = _error(view)
    if error is None:
        video = {"url": view.video_url, "content_type": "video/mp4", "file_name": f"{view.task_id}.mp4"}
        return 200, {"video": video, "actual_prompt": view.task.draft.prompt}
    if view.task.draft.fails_with is not None:
        return 422, {"detail": [{"loc": ["body"], "msg": error.message, "type": error.code}]}
    return 499 if error.code == _CANCELED else 500, {"detail": error.message, "error_type": error.code}


def _result(request: Request, view: View) -> Response:
    status, payload = _payload(view)
    headers = {"x-fal-request-id": view.task_id, "X-Fal-Billable-Units": str(view.task.draft.clip.seconds)}
    if "error_type" in payload:
        headers["X-Fal-Error-Type"] = payload["error_type"]
    return JSONResponse(payload, status_code=status, headers=headers)


def _refuse(request: Request, refusal: Refusal) -> Response:
    if refusal.reason in {Reason.INVALID, Reason.NOT_JSON}:
        kind = "json_invalid" if refusal.reason is Reason.NOT_JSON else "value_error"
        place = ["body", *([refusal.field] if refusal.field else [])]
        return JSONResponse({"detail": [{"loc": place, "msg": refusal.message, "type": kind}]}, status_code=422)
    status, kind = _ERRORS[refusal.reason]
    body = {"detail": _LOCKED if refusal.reason is Reason.NO_BALANCE else refusal.message}
    headers = {"X-Fal-Error-Type": kind} if kind else None
    return JSONResponse(body | ({"error_type": kind} if kind else {}), status_code=status, headers=headers)


def _callback_body(view: View) -> JsonObject:
    status, payload = _payload(view)
    body = {"request_id": view.task_id, "gateway_request_id": view.task_id, "payload": payload}
    return body | (
        {"status": "OK"} if status == 200 else {"status": "ERROR", "error": f"Invalid status code: {status}"}
    )


def signing_key(world: World) -> Ed25519PrivateKey:
    """The private key of a run, made of its seed."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"fal {world.config.seed}".encode()).digest())


def signature(key: Ed25519PrivateKey, request_id: str, timestamp: str, raw: bytes) -> str:
    """Ed25519 over four lines: request id, user id, timestamp, SHA-256 of the body in hex."""
    lines = (request_id, USER_ID, timestamp, hashlib.sha256(raw).hexdigest())
    return key.sign("\n".join(lines).encode()).hex()


def _callback_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    timestamp = str(int(time_s))
    return {
        "X-Fal-Webhook-Request-Id": task.task_id,
        "X-Fal-Webhook-User-Id": USER_ID,
        "X-Fal-Webhook-Timestamp": timestamp,
        "X-Fal-Webhook-Signature": signature(signing_key(world), task.task_id, timestamp, body),
    }


async def _keys(request: Request) -> Response:
    """GET /.well-known/jwks.json: on another host in truth, and without a key."""
    public = signing_key(world_of(request)).public_key().public_bytes_raw()
    encoded = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return JSONResponse({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": encoded}]})


DIALECT = Dialect(
    platform="fal",
    parse=_parse,
    new_id=lambda: str(uuid.uuid4()),
    receipt=_receipt,
    refuse=_refuse,
    forgets=True,
    result_is_apart=True,
    is_authorized=lambda request, world, platform: has_key(
        request, "authorization", f"Key {world.config.key(platform)}"
    ),
    callbacks=CallbackRules(
        body=_callback_body, headers=_callback_headers, attempts_at_s=ATTEMPTS_AT_S, ends_at_redirect=True
    ),
)


def _below_its_app(inner: Endpoint) -> Endpoint:
    """A task is known below its own app alone."""

    async def answer(request: Request) -> Response:
        names = request.scope["path_params"]
        task = world_of(request).find("fal", names["task_id"])
        if task is not None and _app(task) != f"{names['owner']}/{names['app']}":
            names["task_id"] = ""
        return await inner(request)

    return answer


async def _cancel(request: Request) -> Response:
    world = world_of(request)
    task = world.find("fal", request.path_params["task_id"])
    if task is None:
        return JSONResponse({"status": "NOT_FOUND"}, status_code=404)
    phase = world.view(task).phase
    if phase.is_terminal:
        return JSONResponse({"status": "ALREADY_COMPLETED"}, status_code=400)
    if WORDS[phase] != "IN_QUEUE":
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, status_code=202)
    task.end(Phase.CANCELED, world.now_s())
    return JSONResponse({"status": "OK"})


_TASK = "/{owner}/{app}/requests/{task_id}"

_GET_RESULT = _below_its_app(result_endpoint(DIALECT, _result, "the request is still in progress"))

ROUTES = (
    Route("/.well-known/jwks.json", _keys, methods=["GET"]),
    Route(f"{_TASK}/status", _below_its_app(status_endpoint(DIALECT, _status)), methods=["GET"]),
    Route(_TASK, _GET_RESULT, methods=["GET"]),
    Route(f"{_TASK}/response", _GET_RESULT, methods=["GET"]),
    Route(f"{_TASK}/cancel", _below_its_app(endpoint(DIALECT, _cancel)), methods=["PUT"]),
    Route("/{owner}/{app}", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/{owner}/{app}/{rest:path}", submit_endpoint(DIALECT), methods=["POST"]),
)
