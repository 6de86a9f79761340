"""Check a request against the limits of its provider and model, and find every broken rule before anything is sent.

Pure. The limits are in each adapter's CAPABILITIES. Format, side lengths, aspect ratio and size of a picture are not
checked, because that would need a download. What a provider would cut or ignore without an error (a long prompt, a
ratio beside a first frame) is a violation here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from submitter.errors import Violation
from submitter.providers.contract import Capabilities, ModelFamily
from submitter.providers.json_reader import URL_CAP, at, is_nested_deeper
from submitter.request import RawRequest, VideoRequest, prompt_as_sent, prompt_weight, referenced_images

#: The documented bodies have four levels. Writing JSON recurses, so the limit must be far below the interpreter's.
DEPTH_CAP = 100

#: Checks the characters only. The length is checked apart, because matching groups of four uses a stack entry for each.
_DATA_URI = re.compile(r"data:image/(?:jpeg|png|webp);base64,([A-Za-z0-9+/]+={0,2})")

_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f\\]")

_SURROGATE = re.compile("[\ud800-\udfff]")


def validate_video(request: VideoRequest | RawRequest, capabilities: Capabilities) -> tuple[Violation, ...]:
    """Return every broken rule, in the order of the request's fields."""
    if isinstance(request, RawRequest):
        return tuple(_raw(request, capabilities))
    family = next((each for each in capabilities.families if request.model in each.models), None)
    if family is None:
        return (_unknown_model(request, capabilities), *_unwritable(request))
    rules = (
        _prompt(request, family, capabilities),
        _markers(request),
        _unwritable(request),
        _reference_images(request, family),
        _first_frame(request, family),
        _last_frame(request, family),
        _frames_or_references(request, family),
        _negative_prompt(request, family),
        _switch("video.audio", request.audio, has_field=family.audio),
        _resolution(request, family),
        _ratio(request, family),
        _duration(request, family),
        _range("video.seed", request.seed, family.seed, "whole numbers"),
        _switch("video.watermark", request.watermark, has_field=family.watermark),
        _choice("video.reference_type", request.reference_type, family.reference_types),
        _missing(request, family),
    )
    return tuple(violation for rule in rules for violation in rule)


def _unknown_model(request: VideoRequest, capabilities: Capabilities) -> Violation:
    known = ", ".join(model for family in capabilities.families for model in family.models)
    rule = f"{_shown(request.model)} is not a model that {capabilities.title} documents for `video`"
    return Violation(field="video.model", rule=rule, accepted=f"{known}, or send raw")


def _prompt(request: VideoRequest, family: ModelFamily, capabilities: Capabilities) -> Iterator[Violation]:
    sent = prompt_as_sent(request, family.marker or capabilities.marker)
    # Without a picture, a prompt is all that a video can be made from.
    is_alone = family.first_frame_optional and not (request.first_frame or request.reference_images)
    if (family.prompt_required or is_alone) and not (sent and sent.strip()):
        yield Violation(field="video.prompt", rule="is missing", accepted=_prompt_limit(family))
    elif sent and family.prompt_weight is not None and prompt_weight(sent) > family.prompt_weight:
        rule = f"weighs {prompt_weight(sent)}, a Chinese character counting two"
        yield Violation(field="video.prompt", rule=rule, accepted=_prompt_limit(family))
    elif sent and family.prompt_characters is not None and len(sent) > family.prompt_characters:
        yield Violation(field="video.prompt", rule=f"has {len(sent)} characters", accepted=_prompt_limit(family))
    if request.prompt and "\0" in request.prompt:
        yield Violation(field="video.prompt", rule="holds a NUL character", accepted="text without NUL")


def _prompt_limit(family: ModelFamily) -> str:
    if family.prompt_characters is not None:
        return f"up to {family.prompt_characters} characters"
    limit = family.prompt_weight
    return f"up to {limit} characters, or {limit // 2} Chinese ones" if limit else "any text that is not empty"


def _markers(request: VideoRequest) -> Iterator[Violation]:
    """Without reference images `character1` is a plain word. `[Image 1]` can name a frame."""
    pictures = len(request.reference_images) + (request.first_frame is not None) + (request.last_frame is not None)
    named = referenced_images(request.prompt or "", words_too=bool(request.reference_images))
    for number in sorted(named - set(range(1, pictures + 1))):
        accepted = f"1 to {pictures}" if pictures else "no marker, since there are no pictures"
        yield Violation(field="video.prompt", rule=f"names picture {number}, which is not there", accepted=accepted)


def _unwritable(request: VideoRequest) -> Iterator[Violation]:
    texts = {
        "video.model": request.model,
        "video.prompt": request.prompt,
        "video.negative_prompt": request.negative_prompt,
    }
    for field, text in texts.items():
        if text and _SURROGATE.search(text):
            yield Violation(field=field, rule="holds half of a surrogate pair", accepted="text that UTF-8 can carry")


def _reference_images(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    field, count = "video.reference_images", len(request.reference_images)
    if family.reference_images is None:
        if count:
            yield _absent(field)
        return
    low, high = family.reference_images
    if not low <= count <= high:
        yield Violation(field=field, rule=f"has {count} pictures", accepted=f"{low} to {high} pictures")
    for index, url in enumerate(request.reference_images):
        yield from _picture(f"{field}[{index}]", url, family)


def _first_frame(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    if family.first_frame and not family.first_frame_optional and request.first_frame is None:
        yield Violation(field="video.first_frame", rule="is missing", accepted="the address of one picture")
    elif not family.first_frame and request.first_frame is not None:
        yield _absent("video.first_frame")
    elif request.first_frame is not None:
        yield from _picture("video.first_frame", request.first_frame, family)


def _picture(field: str, url: str, family: ModelFamily) -> Iterator[Violation]:
    if url.startswith("data:") and "data" in family.image_schemes:
        found = _DATA_URI.fullmatch(url)
        if not found or len(found[1]) % 4:
            yield Violation(field=field, rule="is a malformed data URI", accepted="base64 of image/jpeg, png or webp")
    elif not url.startswith(tuple(f"{scheme}://" for scheme in family.image_schemes)):
        yield Violation(field=field, rule="is not an address of an accepted form", accepted=_forms(family))
    elif not _is_address(url):
        yield Violation(field=field, rule="is a malformed address", accepted=_forms(family))


def _forms(family: ModelFamily) -> str:
    forms = [f"{scheme}://" if scheme != "data" else "a data URI" for scheme in family.image_schemes]
    return f"{', '.join(forms)}; at most {URL_CAP} characters without spaces, unless a data URI"


def _is_address(url: str) -> bool:
    if len(url) > URL_CAP or _NOT_IN_URL.search(url) or _SURROGATE.search(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _last_frame(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    field = "video.last_frame"
    if request.last_frame is None:
        return
    if not family.last_frame:
        yield _absent(field)
        return
    if family.first_frame and request.first_frame is None:
        yield Violation(field=field, rule="stands without a first frame", accepted="a first_frame as well")
    yield from _picture(field, request.last_frame, family)


def _frames_or_references(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    has_frame = request.first_frame is not None or request.last_frame is not None
    if family.frames_exclude_references and has_frame and request.reference_images:
        rule = "cannot stand beside a first or last frame"
        yield Violation(field="video.reference_images", rule=rule, accepted="reference images or frames, not both")


def _negative_prompt(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    field, text = "video.negative_prompt", request.negative_prompt
    if text is None:
        return
    if family.negative_prompt is None:
        yield _absent(field)
    elif len(text) > family.negative_prompt:
        accepted = f"up to {family.negative_prompt} characters"
        yield Violation(field=field, rule=f"has {len(text)} characters", accepted=accepted)
    if "\0" in text:
        yield Violation(field=field, rule="holds a NUL character", accepted="text without NUL")


def _ratio(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    if request.ratio is not None and family.ratio_for_text and request.first_frame is not None:
        rule = "stands beside a first frame, whose ratio the video has"
        yield Violation(field="video.ratio", rule=rule, accepted="leave it out")
    elif family.text_ratios and request.first_frame is None:
        yield from _choice("video.ratio", request.ratio, family.text_ratios)
    elif request.ratio is None and family.ratio_without_frame and request.first_frame is None:
        rule = "is missing, and there is no first frame whose ratio the video could have"
        yield Violation(field="video.ratio", rule=rule, accepted=", ".join(family.ratios))
    else:
        yield from _choice("video.ratio", request.ratio, family.ratios)


def _resolution(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    field, wanted = "video.resolution", _in_case_of(family.resolutions, request.resolution)
    if wanted is not None and family.resolution_for_frame and request.first_frame is None:
        rule = "stands without a first frame, and a prompt alone has its size in the ratio"
        yield Violation(field=field, rule=rule, accepted="leave it out, and give the ratio in pixels")
    else:
        yield from _choice(field, wanted, family.resolutions)


def _duration(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    field, value = "video.duration", request.duration
    if not family.durations:
        yield from _range(field, value, family.duration_s, "whole seconds")
    elif value is not None and value not in family.durations:
        yield Violation(field=field, rule=f"{value} is not offered", accepted=_lengths(family))


def _lengths(family: ModelFamily) -> str:
    if family.durations:
        return f"seconds: {', '.join(map(str, family.durations))}"
    low, high = family.duration_s or (1, None)
    return f"whole seconds from {low}" + ("" if high is None else f" to {high}")


def _missing(request: VideoRequest, family: ModelFamily) -> Iterator[Violation]:
    """Fields that the model needs beside those that have a rule of their own."""
    accepted = {
        "ratio": ", ".join(family.ratios),
        "resolution": ", ".join(family.resolutions),
        "duration": _lengths(family),
    }
    for name in family.required:
        if getattr(request, name) is None:
            yield Violation(field=f"video.{name}", rule="is missing", accepted=accepted.get(name, "a value"))


def _choice(field: str, value: str | None, choices: tuple[str, ...]) -> Iterator[Violation]:
    if value is None or value in choices:
        return
    if not choices:
        yield _absent(field)
    else:
        yield Violation(field=field, rule=f"{_shown(value)} is not offered", accepted=", ".join(choices))


def _range(field: str, value: int | None, limits: tuple[int, int] | None, unit: str) -> Iterator[Violation]:
    if value is None:
        return
    if limits is None:
        yield _absent(field)
    elif not limits[0] <= value <= limits[1]:
        yield Violation(field=field, rule="is out of range", accepted=f"{unit} from {limits[0]} to {limits[1]}")


def _switch(field: str, value: object, *, has_field: bool) -> Iterator[Violation]:
    if value is not None and not has_field:
        yield _absent(field)


def _absent(field: str) -> Violation:
    return Violation(field=field, rule="does not exist at this provider's model", accepted="leave it out, or send raw")


def _raw(request: RawRequest, capabilities: Capabilities) -> Iterator[Violation]:
    ours = dict.fromkeys(capabilities.callback_members, "callback URL")
    ours |= dict.fromkeys(capabilities.own_id_members, "id of the task")
    for member, what in ours.items():
        if _has_member(request.body, member):
            rule = f"would replace our own {what}"
            yield Violation(field=f"raw.body.{member}", rule=rule, accepted="leave it out, it is added on submit")
    try:
        json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):  # surrogates, NaN, cycles; foreign types; depth
        yield Violation(field="raw.body", rule="cannot be written as JSON in UTF-8", accepted="a JSON object")
    else:
        if is_nested_deeper(request.body, DEPTH_CAP):
            yield Violation(field="raw.body", rule="is nested too deeply", accepted=f"up to {DEPTH_CAP} levels")
    yield from _raw_path(request, capabilities)


def _has_member(body: Mapping[str, object], dotted: str) -> bool:
    *outer, last = dotted.split(".")
    holder = at(body, *outer)
    return isinstance(holder, dict) and last in holder


def _raw_path(request: RawRequest, capabilities: Capabilities) -> Iterator[Violation]:
    paths = capabilities.raw
    path = request.path or paths.default
    if path is None:
        yield Violation(field="raw.path", rule="is missing", accepted=paths.accepted)
    elif not re.fullmatch(paths.pattern, path) or {".", ".."} & set(path.split("/")):
        yield Violation(field="raw.path", rule=f"{_shown(path)} is not a path for tasks", accepted=paths.accepted)


def _in_case_of(choices: tuple[str, ...], value: str | None) -> str | None:
    """Return the choice that equals `value` but for case, because the adapter sends the provider's own case."""
    return next((choice for choice in choices if value and choice.lower() == value.lower()), value)


def _shown(value: str) -> str:
    """Return a caller's text for one of our messages: short, and without characters that break a log line."""
    return repr(value[:60])
