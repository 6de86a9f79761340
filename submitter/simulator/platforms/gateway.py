"""Shared by the two gateways: reading the body of a submit, JSON or a form, and the download of a result.

Sources, read 2026-11-21: the happyhorse pages of ModelStream and TokenBay, and QuantumNous/new-api
(relay/channel/task/ali, controller/video_proxy.go). Inferred: a top-level `images` list is used.
"""

import json
from collections.abc import Mapping
from email import message_from_bytes
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from submitter.simulator.field_rules import (
    MAX_SEED,
    NINE_RATIOS,
    WEB_OR_DATA_URL,
    Shape,
    boolean,
    choice_or,
    first_violation,
    integer,
    integer_or,
    is_unknown_model,
    json_mapping,
    json_object,
    media,
    one_of,
    text,
    urls,
)
from submitter.simulator.media import ranged, video_of
from submitter.simulator.request_pipeline import Dialect, answer_call
from submitter.simulator.task import Clip, Draft, JsonObject, Phase, Reason, Refusal
from submitter.simulator.world import world_of

_MEDIA = media(WEB_OR_DATA_URL, ("reference_image", "video", "first_frame"), 9)

_FILM = {"ratio": one_of(NINE_RATIOS), "watermark": boolean, "seed": integer(0, MAX_SEED)}

_OUTER = Shape(
    required={"model": text()},
    optional={"duration": integer(3, 15), "metadata": json_mapping, "images": urls(WEB_OR_DATA_URL)},
)

_METADATA = Shape(
    required={},
    optional=_FILM
    | {"reference_type": one_of(("subject", "style")), "input": json_mapping, "parameters": json_mapping},
)

_INPUT = Shape(required={}, optional={"media": _MEDIA})

_PARAMETERS = Shape(required={}, optional=_FILM)


def submitted_body(request: Request, raw: bytes) -> JsonObject | Refusal:
    """Return the body as an object. A form field becomes text, a number or an object, a file its name and size."""
    kind = request.headers.get("content-type", "")
    return _form(kind, raw) if kind.startswith("multipart/form-data") else json_object(raw)


def _form(kind: str, raw: bytes) -> JsonObject | Refusal:
    message = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + raw)
    if not message.is_multipart():
        return Refusal(reason=Reason.NOT_JSON, message="the form has no parts")
    body: JsonObject = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            sent_file = part.get_filename()
            body[name] = f"file {sent_file}, {len(content)} bytes" if sent_file else _form_value(name, content)
    return body


def _form_value(name: str, content: bytes) -> object:
    value = content.decode("utf-8", errors="replace")
    if name == "metadata":
        found = json_object(content)
        return value if isinstance(found, Refusal) else found
    return int(value) if name in {"duration", "seed"} and value.isascii() and value.isdecimal() else value


def wrong_field(body: JsonObject) -> Refusal | None:
    """Return the first broken rule. Only the happyhorse models have rules for their fields."""
    if wrong := first_violation(body, Shape(required={"model": text()}, optional={})):
        return wrong
    model: str = body["model"]
    if is_unknown_model(model):
        return Refusal(reason=Reason.NO_MODEL, message=f"no channel serves model {model}", field="model")
    return _wrong_happyhorse(model, body) if model.startswith("happyhorse-") else None


def _wrong_happyhorse(model: str, body: JsonObject) -> Refusal | None:
    metadata = body.get("metadata") or {}
    wrong = first_violation(body, _OUTER) or first_violation(metadata, _METADATA, prefix="metadata.")
    wrong = wrong or first_violation(metadata.get("input") or {}, _INPUT, prefix="metadata.input.")
    wrong = wrong or first_violation(metadata.get("parameters") or {}, _PARAMETERS, prefix="metadata.parameters.")
    return wrong or _lacking(model, body, metadata)


def _lacking(model: str, body: JsonObject, metadata: Mapping[str, Any]) -> Refusal | None:
    pictures = _pictures(body, metadata)
    if not model.endswith("-i2v") and not isinstance(body.get("prompt"), str):
        return Refusal(reason=Reason.INVALID, message="prompt is required", field="prompt")
    if model.endswith("-r2v") and not pictures:
        return Refusal(reason=Reason.INVALID, message="1 to 9 pictures are required", field="metadata.input.media")
    if model.endswith("-i2v") and pictures + bool(body.get("input_reference")) != 1:
        return Refusal(reason=Reason.INVALID, message="exactly one picture is required", field="input_reference")
    return None


def _pictures(body: JsonObject, metadata: Mapping[str, Any]) -> int:
    given = metadata.get("input") or {}
    return len(given.get("media") or body.get("images") or [])


def gateway_draft(body: JsonObject) -> Draft:
    """Return the task that the body requests; forms call `duration` `seconds`."""
    metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    wanted = {**(metadata or {}), **_mapping((metadata or {}).get("parameters"))}
    clip = Clip(
        seconds=integer_or(body.get("duration", body.get("seconds")), 5),
        resolution=choice_or(body.get("size"), ("720P", "1080P"), "1080P"),
        ratio=choice_or(wanted.get("ratio"), NINE_RATIOS, "16:9"),
    )
    return Draft(model=body["model"], prompt=str(body.get("prompt") or ""), body=body, clip=clip)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


async def answer_download(request: Request, dialect: Dialect) -> Response:
    """Answer GET /v1/videos/{id}/content, which needs the key.

    400 before the task has succeeded, 404 for an unknown task, 502 once the upstream link has expired.
    """
    return answer_call(request, dialect, "download", lambda: _content(request, dialect))


def _content(request: Request, dialect: Dialect) -> Response:
    world = world_of(request)
    task = world.find(dialect.platform, request.path_params["task_id"])
    if task is None:
        return _proxy_error(404, "task not found")
    view = world.view(task)
    if view.phase is not Phase.SUCCEEDED:
        return _proxy_error(400, "the video is not completed")
    if view.now_s >= view.expires_s:
        return _proxy_error(502, "could not fetch the video")
    return ranged(video_of(task.task_id, task.draft.clip.seconds), request.headers.get("range"))


def _proxy_error(status: int, message: str) -> Response:
    error = {"error": {"message": message, "type": "server_error" if status == 502 else "invalid_request_error"}}
    return Response(json.dumps(error), status_code=status, media_type="application/json")
