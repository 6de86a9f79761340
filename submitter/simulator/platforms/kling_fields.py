"""The fields of a submit to Kling, by the documents that `kling` names. Unknown members are ignored."""

from collections.abc import Mapping

from starlette.requests import Request

from submitter.simulator.field_rules import (
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
    text,
    url,
)
from submitter.simulator.task import Draft, JsonObject, Reason, Refusal

RATIOS = ("16:9", "9:16", "1:1")

MAX_PROMPT = 3072

MAX_PICTURES = 7


def _words(most: int) -> Rule:
    return lambda value: None if isinstance(value, str) and 0 < len(value.strip()) <= most else f"must be 1 to {most}"


def _number(low: float, high: float) -> Rule:
    def rule(value: object) -> str | None:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"must be from {low} to {high}"

    return rule


def _picture(value: object) -> str | None:
    """An address, or base64 without the beginning of a data URI."""
    is_text = isinstance(value, str) and value and not value.startswith("data:")
    return None if is_text else "must be a URL or base64 without a prefix"


def _list(value: object) -> str | None:
    return None if isinstance(value, list) and all(isinstance(each, dict) for each in value) else "must be a list"


_OPTIONS = Shape(
    required={},
    optional={"callback_url": url(WEB_URL), "external_task_id": text(), "watermark_info": json_mapping},
)

_TEXT = Shape(required={"prompt": _words(MAX_PROMPT)}, optional={"settings": json_mapping, "options": json_mapping})

_CONTENTS = Shape(required={"contents": _list}, optional={"settings": json_mapping, "options": json_mapping})

_SETTINGS: Mapping[str, Rule] = {
    "resolution": one_of(("720p", "1080p", "4k")),
    "aspect_ratio": one_of(RATIOS),
    "duration": integer(3, 15),
    "multi_shot": boolean,
}

_SOUNDS: Mapping[str, tuple[str, ...]] = {"omni-video": ("off", "native", "original")}

_OLD = Shape(
    required={},
    optional={
        "model_name": text(),
        "prompt": _words(2500),
        "negative_prompt": _words(2500),
        "image": _picture,
        "image_tail": _picture,
        "mode": one_of(("std", "pro", "4k")),
        "sound": one_of(("on", "off")),
        "duration": one_of([str(seconds) for seconds in range(3, 16)]),
        "aspect_ratio": one_of(RATIOS),
        "cfg_scale": _number(0, 1),
        "callback_url": url(WEB_URL),
        "external_task_id": text(),
    },
)


def parse_new(request: Request, raw: bytes) -> Draft:
    body, endpoint_name = json_object(raw), request.url.path.split("/")[-2]
    model = str(request.path_params["model"])
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "the model does not exist", field="model")
    check_fields(body, _TEXT if endpoint_name == "text-to-video" else _CONTENTS)
    settings, options = body.get("settings") or {}, body.get("options") or {}
    sounds = _SOUNDS.get(endpoint_name, ("off", "native"))
    check_fields(settings, Shape(required={}, optional={**_SETTINGS, "audio": one_of(sounds)}), prefix="settings.")
    check_fields(options, _OPTIONS, prefix="options.")
    prompt = str(body.get("prompt", ""))
    if endpoint_name != "text-to-video":
        prompt = _check_contents(body["contents"], endpoint_name, settings)
    clip = clip_of(settings.get("duration"), str(settings.get("resolution")).upper(), settings.get("aspect_ratio"))
    return Draft(model=model, prompt=prompt, body=body, clip=clip, callback_url=options.get("callback_url"))


def _check_contents(contents: list[JsonObject], endpoint_name: str, settings: JsonObject) -> str:
    """Return the prompt. Frames, pictures and the ratio are checked against each other."""
    kinds = [item.get("type") for item in contents]
    for item in contents:
        wrong = _words(MAX_PROMPT)(item.get("text")) if item.get("type") == "prompt" else None
        is_file = item.get("type") in {"first_frame", "last_frame", "refer_image"}
        wrong = wrong or (_picture(item.get("url")) if is_file else None)
        if wrong:
            raise Refusal(Reason.INVALID, f"contents: {item.get('type')} {wrong}", field="contents")
    has_video = "feature_video" in kinds or "base_video" in kinds
    rules = (
        (kinds.count("first_frame") <= 1 and kinds.count("last_frame") <= 1, "a frame comes twice"),
        (kinds.count("first_frame") >= kinds.count("last_frame"), "last_frame needs first_frame"),
        (endpoint_name == "omni-video" or "first_frame" in kinds, "first_frame is required"),
        (kinds.count("refer_image") <= (4 if has_video else MAX_PICTURES), "too many pictures"),
        (
            endpoint_name != "omni-video" or "first_frame" in kinds or has_video or "aspect_ratio" in settings,
            "aspect_ratio is required",
        ),
    )
    for holds, message in rules:
        if not holds:
            raise Refusal(Reason.INVALID, message, field="contents")
    return next((str(item.get("text")) for item in contents if item.get("type") == "prompt"), "")


def parse_old(request: Request, raw: bytes) -> Draft:
    body, kind = json_object(raw), str(request.path_params["kind"])
    check_fields(body, _OLD)
    model = str(body.get("model_name") or "kling-v1")
    if is_unknown_model(model):
        raise Refusal(Reason.INVALID, "model_name is not supported", field="model_name")
    if kind == "text2video" and not body.get("prompt"):
        raise Refusal(Reason.INVALID, "prompt is required", field="prompt")
    if kind == "image2video" and not (body.get("image") or body.get("image_tail")):
        raise Refusal(Reason.INVALID, "image is required", field="image")
    return Draft(
        model=model,
        prompt=str(body.get("prompt", "")),
        body=body,
        clip=clip_of(body.get("duration"), None, body.get("aspect_ratio")),
        callback_url=body.get("callback_url"),
        kind=kind,
    )
