"""What a caller asks a provider to make, and the two rules that need only the prompt: its length and its markers.

Pure. Shapes are checked here when untrusted JSON enters; what a certain provider and model take is checked in `limits`.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Url = Annotated[str, StringConstraints(min_length=1, max_length=30_000_000)]

#: Longer than any provider takes, so that `limits` and not the shape check names the real limit.
Text = Annotated[str, StringConstraints(max_length=100_000)]

MarkerStyle = Literal["[Image N]", "characterN"]

_BRACKET_MARKER = re.compile(r"\[\s*image\s*([0-9]+)\s*\]", re.IGNORECASE | re.ASCII)

_WORD_MARKER = re.compile(r"(?<![A-Za-z0-9_])character([0-9]+)(?![A-Za-z0-9_])", re.IGNORECASE | re.ASCII)

_WORD_CHARACTER = re.compile(r"[A-Za-z0-9_]")

#: Han characters: the unified ideographs, their extensions and the compatibility block.
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class VideoRequest(BaseModel):
    """One video in the words that all providers share.

    Text to video has a prompt only, image to video a `first_frame`, reference to video `reference_images`, named in the
    prompt as `[Image 1]` or `character1` in order. `duration` is seconds of film. None leaves it to the provider.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    prompt: Text | None = None
    reference_images: tuple[Url, ...] = Field(default=(), strict=False, max_length=100)
    first_frame: Url | None = None
    resolution: Annotated[str, StringConstraints(max_length=50)] | None = None
    ratio: Annotated[str, StringConstraints(max_length=50)] | None = None
    duration: int | None = None
    seed: int | None = None
    watermark: bool | None = None
    reference_type: Annotated[str, StringConstraints(max_length=50)] | None = None


class RawRequest(BaseModel):
    """Any other model's body, passed through unchanged but for the callback, which stays ours.

    `path` is relative to the provider's base URL and defaults to the adapter's own submit path.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    body: dict[str, Any]
    path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)+$", max_length=300)] | None = None

    @property
    def model(self) -> str | None:
        """The body's own `model`, for tables and learned times."""
        model = self.body.get("model")
        return model if isinstance(model, str) else None


def prompt_weight(prompt: str) -> int:
    """Length as the providers count it: a Chinese character weighs two, any other one."""
    return len(prompt) + len(_CHINESE.findall(prompt))


def referenced_images(prompt: str, *, words_too: bool) -> frozenset[int]:
    """Numbers of the pictures that a prompt names; `words_too` counts `characterN` as a marker."""
    digits = _BRACKET_MARKER.findall(prompt) + (_WORD_MARKER.findall(prompt) if words_too else [])
    return frozenset(_number(each) for each in digits)


def with_markers(prompt: str, style: MarkerStyle) -> str:
    """The same prompt with every picture marker in the provider's style; its own style stays as written."""
    if style == "characterN":
        return _BRACKET_MARKER.sub(_as_word, prompt)
    return _WORD_MARKER.sub(lambda found: f"[Image {_number(found[1])}]", prompt)


def prompt_as_sent(request: VideoRequest, style: MarkerStyle) -> str | None:
    """What leaves for the provider. Without reference pictures `character1` is a plain word and stays."""
    if request.prompt is None or not request.reference_images:
        return request.prompt
    return with_markers(request.prompt, style)


def _number(digits: str) -> int:
    """Cut to seven digits: more pictures than that exist nowhere, and `int` refuses texts of thousands of digits."""
    return int(digits.lstrip("0")[:7] or "0")


def _as_word(found: re.Match[str]) -> str:
    """A bracket may touch its neighbours, a word may not: `[Image 1][Image 2]` needs a space between."""
    start, end = found.span()
    before, after = found.string[max(start - 1, 0) : start], found.string[end : end + 1]
    left = " " if before == "]" or _WORD_CHARACTER.match(before) else ""
    right = " " if _WORD_CHARACTER.match(after) else ""
    return f"{left}character{_number(found[1])}{right}"
