"""Where Kling's two generations take a request, and the members of its body. Pure.

The sources are those of `kling`. Which resolution a mode has is that of public capability tables of the older models.
"""

from collections.abc import Mapping
from dataclasses import replace

from submitter.errors import InvalidRequest, Violation
from submitter.providers.calls import in_path, present
from submitter.providers.contract import ModelFamily, RawPaths
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_RATIOS = ("16:9", "9:16", "1:1")

_RESOLUTIONS = ("720p", "1080p", "4k")

_SCHEMES = ("https", "http", "data")

PLAIN = ModelFamily(
    models=("kling-3.0",),
    prompt_weight=None,
    prompt_characters=3072,
    ratios=_RATIOS,
    resolutions=_RESOLUTIONS,
    first_frame=True,
    first_frame_optional=True,
    last_frame=True,
    ratio_for_text=True,
    audio=True,
    image_schemes=_SCHEMES,
    watermark=True,
)

OMNI = replace(
    PLAIN, models=("kling-3.0-omni",), reference_images=(0, 7), ratio_for_text=False, ratio_without_frame=True
)

#: 2,500 characters of prompt and of negative prompt, and 3 to 15 s, are those of gateways with the same model.
OLD = replace(PLAIN, models=("kling-v3",), prompt_characters=2500, negative_prompt=2500, watermark=False)

RAW = RawPaths(
    pattern=r"/(text-to-video|image-to-video|omni-video)/[^/]+|/v1/videos/[a-z0-9]+(-[a-z0-9]+)*",
    accepted="/{text-to-video, image-to-video or omni-video}/{model}, or /v1/videos/{kind} of the old generation",
)

OLD_PATH = "/v1/videos/"

_MODES: Mapping[str, str] = {"720p": "std", "1080p": "pro", "4k": "4k"}


def path_of(request: VideoRequest | RawRequest) -> str:
    if isinstance(request, RawRequest):
        if request.path is None:
            raise InvalidRequest([Violation(field="raw.path", rule="is missing", accepted=RAW.accepted)])
        return request.path
    is_from_frame = request.first_frame is not None
    if request.model in OLD.models:
        return f"{OLD_PATH}{'image2video' if is_from_frame else 'text2video'}"
    if request.model in OMNI.models:
        return f"/omni-video/{in_path(request.model)}"
    return f"/{'image-to-video' if is_from_frame else 'text-to-video'}/{in_path(request.model)}"


def kind_of(path: str) -> str | None:
    """The last part of a path of the old generation; None for the new one."""
    return path.removeprefix(OLD_PATH) if path.startswith(OLD_PATH) else None


def external_id(task_id: str, kind: str | None) -> str:
    return task_id if kind is None else f"{task_id}-{kind}"


def video_body(request: VideoRequest, kind: str | None) -> dict[str, object]:
    prompt = prompt_as_sent(request, "@image_N")
    if kind is not None:
        return _old_body(request, prompt)
    settings = present(
        resolution=request.resolution and request.resolution.lower(),
        aspect_ratio=request.ratio,
        duration=request.duration,
        audio=None if request.audio is None else ("native" if request.audio else "off"),
    )
    marked = None if request.watermark is None else {"enabled": request.watermark}
    rest = present(settings=settings, options=present(watermark_info=marked))
    if request.model not in OMNI.models and request.first_frame is None:
        return {**present(prompt=prompt), **rest}
    contents: list[dict[str, object]] = [{"type": "prompt", "text": prompt}] if prompt else []
    frames = {"first_frame": request.first_frame, "last_frame": request.last_frame}
    contents += [{"type": kind, "url": _picture(url)} for kind, url in frames.items() if url is not None]
    contents += [
        {"type": "refer_image", "url": _picture(url), "id": f"image_{number}"}
        for number, url in enumerate(request.reference_images, start=1)
    ]
    return {"contents": contents, **rest}


def _old_body(request: VideoRequest, prompt: str | None) -> dict[str, object]:
    return present(
        model_name=request.model,
        prompt=prompt,
        negative_prompt=request.negative_prompt,
        image=request.first_frame and _picture(request.first_frame),
        image_tail=request.last_frame and _picture(request.last_frame),
        mode=request.resolution and _MODES[request.resolution.lower()],
        sound=None if request.audio is None else ("on" if request.audio else "off"),
        duration=None if request.duration is None else str(request.duration),
        aspect_ratio=request.ratio,
    )


def _picture(url: str) -> str:
    """Base64 is sent without what a data URI has before it."""
    return url.partition(",")[2] if url.startswith("data:") else url
