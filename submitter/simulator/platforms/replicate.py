"""Replicate: predictions of any model, a list with cursors, callbacks by Standard Webhooks.

Sources, read 2026-11-26: the SDK replicate/replicate-python-beta, made from the OpenAPI file, for paths, fields and the
list of 100 with `next` and `previous`; the SDK replicate/replicate-python (webhook.py, recorded answers) for the
signature, the secret's call and errors by RFC 7807; https://replicate.com/docs/topics/webhooks.md and
.../webhooks/receive-webhook (repeats for about a minute, the same id each time), .../predictions/lifecycle,
.../predictions/data-retention (data is removed after an hour) and .../predictions/rate-limits; public pages of
kwaivgi/kling-v3-video and minimax/video-01 for their fields.

Not simulated: calls that wait (`Prefer`), deadlines, and the events `start`, `output` and `logs`; a filter without
`completed` brings no callback. Inferred: the pauses between attempts, that a task is canceled at once while it waits or
runs, and that an ended one is answered as it is.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.field_rules import (
    WEB_OR_DATA_URL,
    WEB_URL,
    Rule,
    Shape,
    boolean,
    check_fields,
    clip_of,
    integer,
    is_unknown_model,
    json_mapping,
    json_object,
    one_of,
    prompt,
    text,
    url,
)
from submitter.simulator.request_pipeline import Dialect, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import World, origin_of, world_of

ATTEMPTS_AT_S = (0.0, 5.0, 15.0, 30.0, 60.0)  # of a callback, provider seconds after the first

PAGE = 100

WORDS = state_words(
    queued="starting", running="processing", succeeded="succeeded", failed="failed", canceled="canceled"
)

_EVENTS = ("start", "output", "logs", "completed")


def _events(value: object) -> str | None:
    fits = isinstance(value, list) and all(each in _EVENTS for each in value)
    return None if fits else f"must be a list of {', '.join(_EVENTS)}"


_OUTER: Mapping[str, Rule] = {"webhook": url(WEB_URL), "webhook_events_filter": _events}

_PICTURE = url(WEB_OR_DATA_URL)

_INPUTS: Mapping[str, Shape] = {
    "kwaivgi/kling-v3-video": Shape(
        required={"prompt": prompt},
        optional={
            "negative_prompt": text(0),
            "start_image": _PICTURE,
            "end_image": _PICTURE,
            "mode": one_of(("standard", "pro")),
            "aspect_ratio": one_of(("16:9", "9:16", "1:1")),
            "duration": integer(3, 15),
            "generate_audio": boolean,
        },
    ),
    "minimax/video-01": Shape(
        required={"prompt": prompt},
        optional={"first_frame_image": _PICTURE, "subject_reference": _PICTURE, "prompt_optimizer": boolean},
    ),
}

_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.INVALID: (422, "Input validation failed"),
    Reason.NOT_JSON: (400, "Bad request"),
    Reason.TOO_LARGE: (413, "Request entity too large"),
    Reason.NO_MODEL: (404, "Not found"),
    Reason.BAD_KEY: (401, "Unauthenticated"),
    Reason.DENIED: (403, "Forbidden"),
    Reason.FORBIDDEN: (403, "Forbidden"),
    Reason.NO_BALANCE: (402, "Insufficient credit"),
    Reason.NO_TASK: (404, "Not found"),
    Reason.RATE: (429, "Too many requests"),
    Reason.CONCURRENCY: (429, "Too many requests"),
    Reason.INTERNAL: (500, "Internal server error"),
    Reason.UNAVAILABLE: (503, "Service unavailable"),
}


def _parse(request: Request, raw: bytes) -> Draft:
    body = json_object(raw)
    names = request.path_params
    named = f"{names['owner']}/{names['name']}" if names else ""
    version: Mapping[str, Rule] = {} if named else {"version": text()}
    check_fields(body, Shape(required={"input": json_mapping, **version}, optional=_OUTER))
    model = named or str(body["version"]).partition(":")[0]
    if is_unknown_model(model.rpartition("/")[2]):
        raise Refusal(Reason.NO_MODEL, "the model or version does not exist")
    wanted = body["input"]
    if model in _INPUTS:
        check_fields(wanted, _INPUTS[model], prefix="input.")
    resolution = "720P" if wanted.get("mode") == "standard" else "1080P"
    is_reported = "completed" in (body.get("webhook_events_filter") or ("output", "completed"))
    return Draft(
        model=model,
        prompt=str(wanted.get("prompt", "")),
        body=body,
        clip=clip_of(wanted.get("duration"), resolution, wanted.get("aspect_ratio")),
        callback_url=body.get("webhook") if is_reported else None,
    )


def prediction(view: View) -> JsonObject:
    """A prediction, as create, query, list and callback show it. After an hour its data is removed."""
    task, is_removed = view.task, view.phase.is_terminal and view.now_s >= view.expires_s
    address = f"{task.origin}/replicate/v1/predictions/{view.task_id}"
    shown: JsonObject = {
        "id": view.task_id,
        "model": task.draft.model,
        "version": "hidden",
        "input": {} if is_removed else task.draft.body["input"],
        "logs": "",
        "output": view.video_url if view.phase is Phase.SUCCEEDED and not is_removed else None,
        "data_removed": is_removed,
        "error": task.error.message if view.phase is Phase.FAILED else None,
        "status": view.state(WORDS),
        "source": "api",
        "created_at": _stamp(task.created_s),
        "started_at": None if view.phase in {Phase.NOT_STARTED, Phase.QUEUED} else _stamp(task.created_s + 0.05),
        "completed_at": None if view.final_s is None else _stamp(view.final_s),
        "urls": {"get": address, "cancel": f"{address}/cancel", "web": f"https://replicate.com/p/{view.task_id}"},
    }
    if view.final_s is not None:
        took_s = round(view.final_s - task.created_s, 3)
        shown["metrics"] = {"predict_time": took_s, "total_time": took_s}
    return shown


def _stamp(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _receipt(request: Request, view: View) -> Response:
    return JSONResponse(prediction(view), status_code=201)


def _show(request: Request, view: View) -> Response:
    return JSONResponse(prediction(view))


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, title = _ERRORS[refusal.reason]
    body: JsonObject = {"title": title, "detail": refusal.message, "status": status}
    headers = {"ratelimit-remaining": "0", "ratelimit-reset": "1"} if status == 429 else None
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


def signature(secret: str, message_id: str, timestamp: str, raw: bytes) -> str:
    """Base64 of HMAC-SHA256 over id, full stop, timestamp, full stop, body; the key is what `whsec_` encodes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + raw, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def _callback_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    """A repeat keeps its id. Every account has a secret; None stands for one that nobody has fetched."""
    secret = world.config.webhook_secret("replicate") or "whsec_bm9ib2R5IGtub3dzIGl0"
    message_id, timestamp = f"msg_{task.task_id}", str(int(time_s))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }


DIALECT = Dialect(
    platform="replicate",
    parse=_parse,
    new_id=lambda: secrets.token_hex(13),
    receipt=_receipt,
    refuse=_refuse,
    callbacks=CallbackRules(body=prediction, headers=_callback_headers, attempts_at_s=ATTEMPTS_AT_S),
)


async def _cancel(request: Request) -> Response:
    world = world_of(request)
    task = world.find("replicate", request.path_params["task_id"])
    if task is None:
        raise Refusal(Reason.NO_TASK, "the prediction does not exist")
    if not world.view(task).phase.is_terminal:
        task.end(Phase.CANCELED, world.now_s())
    return JSONResponse(prediction(world.view(task)))


async def _list(request: Request) -> Response:
    """Newest first, 100 a page. `next` and `previous` are addresses with a cursor, or null."""
    world, wanted = world_of(request), request.query_params
    after_s, before_s = _instant(wanted.get("created_after"), 0.0), _instant(wanted.get("created_before"), 1e12)
    fitting = [task for task in world.of("replicate") if after_s <= task.created_s < before_s]
    newest = sorted(fitting, key=lambda task: -task.created_s)
    cursor = wanted.get("cursor", "0")
    start = int(cursor) if cursor.isdecimal() else 0

    def at(place: int) -> str | None:
        address = f"{origin_of(request)}{request.url.path}"
        more = {name: value for name, value in wanted.items() if name != "cursor"} | {"cursor": str(place)}
        return f"{address}?{urlencode(more)}" if 0 <= place < len(newest) else None

    shown: list[Any] = [prediction(world.view(task)) for task in newest[start : start + PAGE]]
    return JSONResponse({"previous": at(start - PAGE), "next": at(start + PAGE), "results": shown})


def _instant(stamp: str | None, default: float) -> float:
    try:
        return default if stamp is None else datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        raise Refusal(Reason.INVALID, "times are RFC 3339") from None


async def _secret(request: Request) -> Response:
    return JSONResponse({"key": world_of(request).config.webhook_secret("replicate")})


ROUTES = (
    Route("/predictions", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/predictions", endpoint(DIALECT, _list), methods=["GET"]),
    Route("/models/{owner}/{name}/predictions", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/deployments/{owner}/{name}/predictions", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/predictions/{task_id}", status_endpoint(DIALECT, _show), methods=["GET"]),
    Route("/predictions/{task_id}/cancel", endpoint(DIALECT, _cancel), methods=["POST"]),
    Route("/webhooks/default/secret", endpoint(DIALECT, _secret), methods=["GET"]),
)
