"""Shared by the two gateways: reading the body of a submit, JSON or a form, and the download of a result.

Sources, read 2026-11-21: the happyhorse pages of ModelStream and TokenBay, and QuantumNous/new-api
(relay/channel/task/ali, controller/video_proxy.go). Inferred: a top-level `images` list is used.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from email import message_from_bytes

from starlette.requests import Request
from starlette.responses import Response

from submitter.simulator.field_rules import (
    MAX_SEED,
    NINE_RATIOS,
    WEB_OR_DATA_URL,
    Rule,
    Shape,
    boolean,
    check_fields,
    clip_of,
    cut_prompt,
    integer,
    is_unknown_model,
    json_mapping,
    json_object,
    media,
    one_of,
    prompt,
    text,
    urls,
)
from submitter.simulator.media import ranged, video_of
from submitter.simulator.request_pipeline import Dialect, Endpoint, endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal
from submitter.simulator.world import world_of

_KINDS = ("reference_image", "video", "first_frame")

FILM: Mapping[str, Rule] = {"ratio": one_of(NINE_RATIOS), "watermark": boolean, "seed": integer(0, MAX_SEED)}

_OUTER = Shape(
    required={"model": text()},
    optional={"duration": integer(3, 15), "metadata": json_mapping, "images": urls(WEB_OR_DATA_URL)},
)


def submitted_body(request: Request, raw: bytes, *, metadata: Shape, max_picture_mb: int) -> JsonObject:
    """Return the checked body. A form field becomes text, a number or an object, a file its name and size.

    Only the happyhorse models have rules for their fields. `metadata` has the gateway's own rules for that member.
    """
    kind = request.headers.get("content-type", "")
    body = _form(kind, raw) if kind.startswith("multipart/form-data") else json_object(raw)
    check_fields(body, Shape(required={"model": text()}, optional={}))
    if is_unknown_model(body["model"]):
        raise Refusal(Reason.NO_MODEL, f"no channel serves model {body['model']}", field="model")
    if body["model"].startswith("happyhorse-"):
        _check_happyhorse(body, metadata, max_picture_mb)
    return body


def _form(kind: str, raw: bytes) -> JsonObject:
    message = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + raw)
    if not message.is_multipart():
        raise Refusal(Reason.NOT_JSON, "the form has no parts")
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
        with suppress(Refusal):
            return json_object(content)
    return int(value) if name in {"duration", "seed"} and value.isascii() and value.isdecimal() else value


def _check_happyhorse(body: JsonObject, shape: Shape, max_picture_mb: int) -> None:
    check_fields(body, _OUTER)
    metadata = body.get("metadata") or {}
    check_fields(metadata, shape, prefix="metadata.")
    given = metadata.get("input") or {}
    pictures_rule = media(WEB_OR_DATA_URL, _KINDS, 9, max_picture_mb)
    check_fields(given, Shape(required={}, optional={"media": pictures_rule}), prefix="metadata.input.")
    kind = body["model"].rpartition("-")[2]
    pictures = len(given.get("media") or body.get("images") or [])
    if kind != "i2v" and (wrong := prompt(body.get("prompt"))):
        raise Refusal(Reason.INVALID, f"prompt {wrong}", field="prompt")
    if kind == "r2v" and not pictures:
        raise Refusal(Reason.INVALID, "1 to 9 pictures are required", field="metadata.input.media")
    if kind == "i2v" and pictures + bool(body.get("input_reference")) != 1:
        raise Refusal(Reason.INVALID, "exactly one picture is required", field="input_reference")


def gateway_draft(body: JsonObject, ratio: object) -> Draft:
    """Return the task that the body requests; forms call `duration` `seconds`."""
    clip = clip_of(body.get("duration", body.get("seconds")), body.get("size"), ratio)
    return Draft(model=body["model"], prompt=cut_prompt(body.get("prompt")), body=body, clip=clip)


def as_mapping(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def download_endpoint(dialect: Dialect) -> Endpoint:
    """Return the endpoint GET /v1/videos/{id}/content, which needs the key.

    400 before the task has succeeded, 404 for an unknown task, 502 once the upstream link has expired.
    """

    async def download(request: Request) -> Response:
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

    return endpoint(dialect, download, "download")


def _proxy_error(status: int, message: str) -> Response:
    error = {"error": {"message": message, "type": "server_error" if status == 502 else "invalid_request_error"}}
    return Response(json.dumps(error), status_code=status, media_type="application/json")
