"""Rules for the fields of a submitted body. A rule takes a value and returns None, or what the value must be."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from submitter.simulator.task import Clip, JsonObject, Reason, Refusal

Rule = Callable[[object], str | None]

NINE_RATIOS = ("16:9", "9:16", "3:4", "4:3", "4:5", "5:4", "1:1", "9:21", "21:9")

FIVE_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")

RESOLUTIONS = ("720P", "1080P")

MAX_SEED = 2_147_483_647

#: A prompt weighs at most so much: a Chinese character 2, any other 1. All platforms state 5,000, or 2,500 Chinese.
MAX_PROMPT_WEIGHT = 5_000

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

WEB_URL = re.compile(r"https?://\S+\Z")

WEB_OR_DATA_URL = re.compile(r"(https?://\S+|data:image/(jpeg|jpg|png|webp);base64,[A-Za-z0-9+/=]+)\Z")


def text(least: int = 1) -> Rule:
    """A string of at least `least` characters."""
    return lambda value: None if isinstance(value, str) and len(value) >= least else f"must be text of {least} or more"


def prompt(value: object) -> str | None:
    """Text that is more than blanks."""
    return None if isinstance(value, str) and value.strip() else "must not be empty"


def cut_prompt(value: object) -> str:
    """Return the prompt as platforms use it: what is beyond the documented weight is cut without an error."""
    words, left = str(value or ""), MAX_PROMPT_WEIGHT
    for place, character in enumerate(words):
        left -= 2 if _CHINESE.match(character) else 1
        if left < 0:
            return words[:place]
    return words


def one_of(choices: Sequence[str]) -> Rule:
    """One of the strings, in exactly this case."""
    return lambda value: None if value in choices else f"must be one of {', '.join(choices)}"


def integer(low: int, high: int) -> Rule:
    """A JSON integer within the bounds; true and false are not integers."""

    def rule(value: object) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"must be a whole number from {low} to {high}"

    return rule


def boolean(value: object) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "must be true or false"


def json_mapping(value: object) -> str | None:
    """A JSON object."""
    return None if isinstance(value, dict) else "must be an object"


def url(pattern: re.Pattern[str]) -> Rule:
    """A string that matches `pattern`."""
    return lambda value: None if isinstance(value, str) and pattern.match(value) else "must be a URL"


def urls(pattern: re.Pattern[str], most: int = 9) -> Rule:
    """One to `most` strings that match `pattern`."""
    single = url(pattern)

    def rule(value: object) -> str | None:
        fits = isinstance(value, list) and 1 <= len(value) <= most and not any(single(item) for item in value)
        return None if fits else f"must be 1 to {most} URLs"

    return rule


def media(pattern: re.Pattern[str], kinds: Sequence[str], most: int, max_mb: int) -> Rule:
    """One to `most` objects with a `type` of `kinds` and a `url` that matches `pattern`; data URIs up to `max_mb`."""
    single = url(pattern)

    def fits(item: object) -> bool:
        return isinstance(item, dict) and item.get("type") in kinds and not single(item.get("url"))

    def rule(value: object) -> str | None:
        right = isinstance(value, list) and 1 <= len(value) <= most and all(fits(item) for item in value)
        if not right:
            return f"must be 1 to {most} items of type {' or '.join(kinds)}, each with a URL"
        sizes = [_picture_bytes(item["url"]) for item in value] if isinstance(value, list) else []
        return None if max(sizes) <= max_mb * 1024 * 1024 else f"must be pictures of at most {max_mb} MB each"

    return rule


def _picture_bytes(url: str) -> int:
    """How many bytes a data URI holds; 0 for an address."""
    encoded = url.partition(",")[2] if url.startswith("data:") else ""
    return len(encoded) // 4 * 3


def absent(value: object) -> str | None:
    """Null or left out."""
    return None if value is None else "is not taken by this model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The members of an object, each with its rule."""

    required: Mapping[str, Rule]
    optional: Mapping[str, Rule]
    #: Whether members of other names are refused, as in HiAPI's `input`.
    strict: bool = False


def check_fields(value: Mapping[str, Any], shape: Shape, *, prefix: str = "") -> None:
    """Raise the Refusal of the first broken rule of `value`. A member that is null counts as left out."""
    rules = {**shape.required, **shape.optional}
    for name, rule in rules.items():
        if value.get(name) is None and name not in shape.required:
            continue
        if wrong := rule(value.get(name)):
            raise Refusal(Reason.INVALID, f"{prefix}{name} {wrong}", field=prefix + name)
    for name in value:
        if shape.strict and name not in rules:
            raise Refusal(Reason.INVALID, f"unknown field {prefix}{name}", field=prefix + name)


def json_object(raw: bytes) -> JsonObject:
    """Return the body as a JSON object. Raise the Refusal of any other body.

    NaN, infinities and lone surrogates are not accepted, because no JSON answer could repeat them.
    """
    try:
        value = json.loads(raw)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(Reason.NOT_JSON, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Refusal(Reason.INVALID, "the body must be an object")
    return value


def is_unknown_model(model: str) -> bool:
    """Whether no platform has this model. Names that start with `no-such-` stand for all unknown models."""
    return model.startswith("no-such-")


def clip_of(seconds: object, resolution: object, ratio: object) -> Clip:
    """Return the requested video. Values that no platform offers give the common defaults."""
    return Clip(
        seconds=integer_or(seconds, 5),
        resolution=resolution if isinstance(resolution, str) and resolution in RESOLUTIONS else "1080P",
        ratio=ratio if isinstance(ratio, str) and ratio in NINE_RATIOS else "16:9",
    )


def integer_or(value: object, default: int) -> int:
    """Return a whole number, also one written as text; else `default`.

    The fields of models without a published page are not checked before, so they can hold anything.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else default
