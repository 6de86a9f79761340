"""Google Veo through the Gemini API: operations whose names are paths, files that need the key, a project's webhook.

Sources, read 2026-11-26: the SDK googleapis/python-genai (converters and types, also google-genai 2.34.0),
https://ai.google.dev/gemini-api/docs/video, https://ai.google.dev/gemini-api/docs/webhooks. Inferred: that `data.id`
of an event is the operation's name, the spacing of the attempts within 24 hours, the words of errors, and that a
failed operation brings no event, because the catalogue has none.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.config import BASE_PATHS
from submitter.simulator.field_rules import (
    WEB_URL,
    Rule,
    Shape,
    absent,
    check_fields,
    clip_of,
    integer_or,
    is_unknown_model,
    json_mapping,
    json_object,
    one_of,
    prompt,
    url,
)
from submitter.simulator.media import ranged, video_of
from submitter.simulator.request_pipeline import Dialect, endpoint, has_key, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, Task, View
from submitter.simulator.world import World, world_of

ATTEMPTS_AT_S = (0.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0, 86_400.0)

EVENT = "video.generated"

_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.INVALID: (400, "INVALID_ARGUMENT"),
    Reason.NOT_JSON: (400, "INVALID_ARGUMENT"),
    Reason.TOO_LARGE: (413, "INVALID_ARGUMENT"),
    Reason.NO_MODEL: (404, "NOT_FOUND"),
    Reason.BAD_KEY: (401, "UNAUTHENTICATED"),
    Reason.DENIED: (403, "PERMISSION_DENIED"),
    Reason.FORBIDDEN: (403, "PERMISSION_DENIED"),
    Reason.NO_BALANCE: (400, "FAILED_PRECONDITION"),
    Reason.NO_TASK: (404, "NOT_FOUND"),
    Reason.RATE: (429, "RESOURCE_EXHAUSTED"),
    Reason.CONCURRENCY: (429, "RESOURCE_EXHAUSTED"),
    Reason.INTERNAL: (500, "INTERNAL"),
    Reason.UNAVAILABLE: (503, "UNAVAILABLE"),
}

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}\Z")


def _picture(value: object) -> str | None:
    fits = isinstance(value, dict) and bool(value.get("mimeType")) and _is_base64(value.get("bytesBase64Encoded"))
    return None if fits else "must have bytesBase64Encoded and mimeType"


def _is_base64(value: object) -> bool:
    return isinstance(value, str) and _BASE64.match(value) is not None


def _assets(value: object) -> str | None:
    """One to three pictures of the type asset, in any case."""
    items = value if isinstance(value, list) else []
    kinds = [str(item.get("referenceType")).lower() for item in items if isinstance(item, dict)]
    pictures = [item for item in items if isinstance(item, dict) and _picture(item.get("image")) is None]
    fits = 1 <= len(items) <= 3 and len(items) == len(pictures) and set(kinds) == {"asset"}
    return None if fits else "must be 1 to 3 asset pictures"


def _seconds(*choices: int) -> Rule:
    return lambda value: None if type(value) is int and value in choices else f"must be one of {choices}"


_INSTANCE = Shape(
    required={"prompt": prompt}, optional={"image": _picture, "lastFrame": _picture, "referenceImages": _assets}
)

_PARAMETERS = Shape(
    required={},
    optional={
        "aspectRatio": one_of(("16:9", "9:16")),
        "resolution": one_of(("720p", "1080p", "4k")),
        "durationSeconds": _seconds(4, 6, 8),
        "generateAudio": absent,
        "seed": absent,
    },
)


def _parse(request: Request, raw: bytes) -> Draft:
    model = request.path_params["model"]
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, f"models/{model} is not found")
    body = json_object(raw)
    instances, parameters = body.get("instances"), body.get("parameters") or {}
    instance = instances[0] if isinstance(instances, list) and instances else None
    if not isinstance(instance, dict) or json_mapping(parameters):
        raise Refusal(Reason.INVALID, "instances and parameters must be a list of objects and an object")
    if model.startswith("veo-"):
        check_fields(instance, _INSTANCE)
        check_fields(parameters, _PARAMETERS)
        _check_together(instance, parameters)
    return Draft(
        model=model,
        prompt=str(instance.get("prompt", "")),
        body=body,
        clip=clip_of(integer_or(parameters.get("durationSeconds"), 8), None, parameters.get("aspectRatio")),
        callback_url=world_of(request).account_callback_urls.get("veo"),
    )


def _check_together(instance: JsonObject, parameters: JsonObject) -> None:
    references = instance.get("referenceImages")
    if references and (instance.get("image") or instance.get("lastFrame")):
        raise Refusal(Reason.INVALID, "reference images exclude image and last frame")
    if instance.get("lastFrame") and not instance.get("image"):
        raise Refusal(Reason.INVALID, "a last frame needs an image")
    is_long = references or parameters.get("resolution") in {"1080p", "4k"}
    if is_long and parameters.get("durationSeconds") not in {None, 8}:
        raise Refusal(Reason.INVALID, "durationSeconds must be 8")


def _file_name(task: Task) -> str:
    return "files/" + hashlib.sha256(task.task_id.encode()).hexdigest()[:12]


def _uri(task: Task) -> str:
    return f"{task.origin}{BASE_PATHS['veo']}/{_file_name(task)}:download?alt=media"


def _receipt(request: Request, view: View) -> Response:
    return JSONResponse({"name": view.task_id})


def _operation(request: Request, view: View) -> Response:
    """There is no `done` before the end, no progress, and no word for a state."""
    body: JsonObject = {"name": view.task_id}
    if view.phase is Phase.SUCCEEDED:
        samples = [{"video": {"uri": _uri(view.task)}}]
        body |= {"done": True, "response": {"generateVideoResponse": {"generatedSamples": samples}}}
    elif view.phase is Phase.CANCELED:  # the safety filter is the only other end
        told = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["the output was held back"]}
        body |= {"done": True, "response": {"generateVideoResponse": told}}
    elif view.phase is Phase.FAILED:
        code = view.task.error.code
        error = {"code": int(code) if code.isdecimal() else 3, "message": view.task.error.message}
        body |= {"done": True, "error": error}
    return JSONResponse(body)


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, word = _ERRORS[refusal.reason]
    return JSONResponse({"error": {"code": status, "message": refusal.message, "status": word}}, status_code=status)


def _is_authorized(request: Request, world: World, platform: str) -> bool:
    return has_key(request, "x-goog-api-key", world.config.key(platform))


def event(view: View) -> JsonObject:
    """The thin event of a finished video."""
    at = datetime.fromtimestamp(view.now_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    data = {"id": view.task_id, "output_file_uri": _uri(view.task), "file_name": _file_name(view.task)}
    return {"type": EVENT, "version": "v1", "timestamp": at, "data": data}


def signature(secret: str, message_id: str, timestamp: str, raw: bytes) -> str:
    """Standard Webhooks: HMAC-SHA256 over id, timestamp and body, with the bytes behind `whsec_`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + raw
    return f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}"


def _callback_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    """The id of a message is the same at each attempt. A webhook has always a secret, so unsigned is a fault's word."""
    secret = world.config.webhook_secret("veo")
    if secret is None:
        return {}
    message_id, timestamp = "msg_" + hashlib.sha256(task.task_id.encode()).hexdigest()[:16], str(int(time_s))
    proof = signature(secret, message_id, timestamp, body)
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": proof}


DIALECT = Dialect(
    platform="veo",
    parse=_parse,
    new_id=lambda: f"models/veo-3.1-generate-preview/operations/{secrets.token_hex(6)}",
    receipt=_receipt,
    refuse=_refuse,
    forgets=True,
    is_authorized=_is_authorized,
    callbacks=CallbackRules(
        body=event,
        headers=_callback_headers,
        attempts_at_s=ATTEMPTS_AT_S,
        silent_ends=frozenset({Phase.FAILED, Phase.CANCELED}),
    ),
)


async def _download(request: Request) -> Response:
    """The file of a finished operation, for callers with the key, until it is gone."""
    world, name = world_of(request), f"files/{request.path_params['file_id']}"
    task = next((each for each in world.of("veo") if _file_name(each) == name), None)
    view = None if task is None else world.view(task)
    if task is None or view is None or view.phase is not Phase.SUCCEEDED or view.now_s >= view.expires_s:
        raise Refusal(Reason.NO_TASK, "the file does not exist")
    return ranged(video_of(task.task_id, task.draft.clip.seconds), request.headers.get("range"))


_WEBHOOK = Shape(required={"uri": url(WEB_URL)}, optional={})


async def _create_webhook(request: Request) -> Response:
    """Register the project's webhook. The secret is shown in this answer only."""
    body, world = json_object(await request.body()), world_of(request)
    check_fields(body, _WEBHOOK)
    world.account_callback_urls["veo"] = body["uri"]
    shown = {"id": "wh1", "name": body.get("name", ""), "uri": body["uri"], "state": "enabled"}
    secret = {"new_signing_secret": world.config.webhook_secret("veo")}
    return JSONResponse(shown | {"subscribed_events": body.get("subscribed_events", [EVENT])} | secret)


ROUTES = (
    Route("/models/{model}:predictLongRunning", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/webhooks", endpoint(DIALECT, _create_webhook), methods=["POST"]),
    Route("/files/{file_id}:download", endpoint(DIALECT, _download, "download"), methods=["GET"]),
    Route("/{task_id:path}", status_endpoint(DIALECT, _operation), methods=["GET"]),
)
