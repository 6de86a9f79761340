"""What a status reply says about how its task came to be, for a person who must recognize a task. Pure.

An observation has no such facts, because nothing is decided by them. Each adapter's `ORIGIN` has the places.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from submitter.model import Observation
from submitter.providers.contract import OriginPlaces
from submitter.providers.json_reader import at, read_object, text
from submitter.providers.registry import ORIGINS


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrigin:
    """Each None where the provider does not give it."""

    model: str | None = None
    created_at_ms: int | None = None
    #: Cut and cleaned as `json_reader.text` does.
    prompt: str | None = None


def tells_prompt(adapter: str) -> bool:
    """Whether a status reply of this adapter's provider can hold the prompt."""
    return _places(adapter).prompt is not None


def _at(document: object, path: Sequence[str]) -> object:
    """As `at`; the step `0` is the first item of a list."""
    found = document
    for step in path:
        found = found[0] if step == "0" and isinstance(found, list) and found else at(found, step)
    return found


def origin_of(adapter: str, observation: Observation) -> TaskOrigin:
    """Read the reply that the observation was made from."""
    document, places = read_object(observation.raw), _places(adapter)
    times = (read(_at(document, path)) for path, read in places.created)
    return TaskOrigin(
        model=observation.model,
        created_at_ms=next((found for found in times if found is not None), None),
        prompt=text(at(document, *places.prompt)) or None if places.prompt else None,
    )


def _places(adapter: str) -> OriginPlaces:
    return ORIGINS.get(adapter, OriginPlaces())
