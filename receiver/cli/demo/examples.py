"""The example requests of the demo: package data, one file a provider, each with its page and the day it was read."""

import json
from importlib.resources import files

from receiver.cli.demo.scenario import FAULTS, Example

PROVIDERS = tuple(FAULTS)


def load_examples() -> dict[str, tuple[Example, ...]]:
    """By provider, in the order of the pages."""
    return {provider: _load(provider) for provider in PROVIDERS}


def _load(provider: str) -> tuple[Example, ...]:
    page = json.loads(files("receiver.cli.demo").joinpath("requests", f"{provider}.json").read_text(encoding="utf-8"))
    return tuple(Example(**request) for request in page["requests"])
