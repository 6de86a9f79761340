"""A request for a video, and two properties of its prompt: the weight, and the markers that name pictures.

Pure. The types are checked here, when untrusted JSON is parsed. `providers.validation` checks the limits of a provider
and model.
"""

import re
from collections.abc import Sized
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

Url = Annotated[str, StringConstraints(min_length=1, max_length=30_000_000)]

#: Longer than any provider accepts, so that `providers.validation` names the real limit.
Text = Annotated[str, StringConstraints(max_length=100_000)]

MarkerStyle = Literal["[Image N]", "characterN", "@image_N"]

_BRACKET_MARKER = re.compile(r"\[\s*image\s*([0-9]+)\s*\]", re.IGNORECASE | re.ASCII)

_WORD_MARKER = re.compile(r"(?<![A-Za-z0-9_])character([0-9]+)(?![A-Za-z0-9_])", re.IGNORECASE | re.ASCII)

_WORD_CHARACTER = re.compile(r"[A-Za-z0-9_]")

#: Han characters: the unified ideographs, their extensions and the compatibility block.
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


#: Members that a model does not know and still names one by one; it names none of more.
MOST_UNKNOWN = 20


def at_most(count: int) -> BeforeValidator:
    """Check a length before what is in the list or object, because each wrong item would be an error of its own."""

    def check(value: object) -> object:
        if isinstance(value, Sized) and not isinstance(value, str) and len(value) > count:
            context = {"field_type": "Value", "max_length": count, "actual_length": len(value)}
            raise PydanticKnownError("too_long", context)
        return value

    return BeforeValidator(check)


class CheckedRequest(BaseModel):
    """Base of the models of untrusted JSON: no conversion, no unknown member, and few errors at most."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _check_members(cls, value: object) -> object:
        most = len(cls.model_fields) + MOST_UNKNOWN
        if isinstance(value, dict) and len(value) > most:
            raise PydanticCustomError("members", "has too many members", {"max_length": most})
        return value


class VideoRequest(CheckedRequest):
    """A request for one video, in words that all providers share. None leaves a field to the provider.

    Text to video has only a prompt, image to video a `first_frame` and perhaps a `last_frame`, reference to video
    `reference_images`, which the prompt names as `[Image 1]` or `character1`. `duration` is in seconds of video.
    """

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    prompt: Text | None = None
    reference_images: Annotated[tuple[Url, ...], Field(strict=False, max_length=100, fail_fast=True), at_most(100)] = ()
    first_frame: Url | None = None
    last_frame: Url | None = None
    negative_prompt: Text | None = None
    audio: bool | None = None
    resolution: Annotated[str, StringConstraints(max_length=50)] | None = None
    ratio: Annotated[str, StringConstraints(max_length=50)] | None = None
    duration: int | None = None
    seed: int | None = None
    watermark: bool | None = None
    reference_type: Annotated[str, StringConstraints(max_length=50)] | None = None


class RawRequest(CheckedRequest):
    """The body for any other model. It is sent unchanged, except that our callback is added.

    `path` is relative to the provider's base URL; the default is the adapter's submit path.
    """

    body: dict[str, Any]
    path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)+$", max_length=300)] | None = None

    @property
    def model(self) -> str | None:
        """The `model` of the body, if it has one."""
        model = self.body.get("model")
        return model if isinstance(model, str) else None


class NotifyRequest(CheckedRequest):
    """Where the webhooks of the task's own events go. Without a secret one is made and shown once, in the answer."""

    url: str
    secret: Annotated[str | None, Field(repr=False)] = None


# The names under which the client takes them.
Video = VideoRequest
Raw = RawRequest
Notify = NotifyRequest


def prompt_weight(prompt: str) -> int:
    """Return the length as the providers count it: a Chinese character counts two, any other one."""
    return len(prompt) + len(_CHINESE.findall(prompt))


def referenced_images(prompt: str, *, words_too: bool) -> frozenset[int]:
    """Return the numbers of the pictures that a prompt names. With `words_too`, `characterN` is a marker as well."""
    digits = _BRACKET_MARKER.findall(prompt) + (_WORD_MARKER.findall(prompt) if words_too else [])
    return frozenset(_number(each) for each in digits)


def with_markers(prompt: str, style: MarkerStyle) -> str:
    """Return the prompt with every marker in the provider's style. Markers that have it stay as they are."""
    if style == "characterN":
        return _BRACKET_MARKER.sub(_as_word, prompt)
    if style == "@image_N":
        return _BRACKET_MARKER.sub(_as_name, _WORD_MARKER.sub(lambda found: f"[Image {_number(found[1])}]", prompt))
    return _WORD_MARKER.sub(lambda found: f"[Image {_number(found[1])}]", prompt)


def prompt_as_sent(request: VideoRequest, style: MarkerStyle) -> str | None:
    """Return the prompt to send. Without reference images `character1` is a plain word and stays."""
    if request.prompt is None or not request.reference_images:
        return request.prompt
    return with_markers(request.prompt, style)


def _number(digits: str) -> int:
    """Use seven digits at most, because `int` refuses text of thousands of digits."""
    return int(digits.lstrip("0")[:7] or "0")


def _as_word(found: re.Match[str]) -> str:
    return _apart(found, f"character{_number(found[1])}")


def _as_name(found: re.Match[str]) -> str:
    return _apart(found, f"@image_{_number(found[1])}")


def _apart(found: re.Match[str], word: str) -> str:
    """Add spaces, because a bracket can touch its neighbours and a word cannot, as in `[Image 1][Image 2]`."""
    start, end = found.span()
    before, after = found.string[max(start - 1, 0) : start], found.string[end : end + 1]
    left = " " if before == "]" or _WORD_CHARACTER.match(before) else ""
    right = " " if _WORD_CHARACTER.match(after) else ""
    return f"{left}{word}{right}"
