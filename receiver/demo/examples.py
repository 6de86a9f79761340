"""The requests that the demo submits: package data, a file a provider, each naming its page and the day it was read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

PROVIDERS = ("hiapi", "dashscope", "modellix", "modelstream", "tokenbay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """The same request twice: `raw` as the provider's own body, `video` in our words."""

    title: str
    raw: Mapping[str, Any]
    video: Mapping[str, Any]


def load_examples() -> dict[str, tuple[Example, ...]]:
    """By provider, in the order of the pages."""
    return {provider: _of(provider) for provider in PROVIDERS}


def _of(provider: str) -> tuple[Example, ...]:
    page = json.loads(files("receiver.demo").joinpath("requests", f"{provider}.json").read_text(encoding="utf-8"))
    return tuple(Example(**request) for request in page["requests"])
