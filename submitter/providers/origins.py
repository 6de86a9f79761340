"""What a status reply says about how its task came to be, for a person who must recognize a task. Pure.

An observation has no such facts, because nothing is decided by them. The places are those of the documents that the
adapters name, read 2026-11-21: HiAPI's detail page; DashScope's query page, whose times are Beijing times [inferred]
and whose `orig_prompt` stands in a finished task; the source QuantumNous/new-api, dto/task.go and dto/openai_video.go,
for both shapes of the gateways. Modellix documents neither.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from submitter.model import Observation
from submitter.providers.json_reader import BEIJING, at, ms_from_s, ms_from_text, read_object, text

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrigin:
    """Each None where the provider does not give it."""

    model: str | None = None
    created_at_ms: int | None = None
    #: Cut and cleaned as `json_reader.text` does.
    prompt: str | None = None


def _beijing(value: object) -> int | None:
    return ms_from_text(value, BEIJING)


_NEWAPI: tuple[tuple[_Path, Callable[[object], int | None]], ...] = (
    (("data", "submit_time"), ms_from_s),
    (("data", "created_at"), ms_from_s),
    (("submit_time",), ms_from_s),
    (("created_at",), ms_from_s),
)

#: Where each adapter's status reply has the time of creation; the first that can be read counts.
_CREATED: Mapping[str, tuple[tuple[_Path, Callable[[object], int | None]], ...]] = {
    "hiapi": ((("data", "created"), ms_from_s),),
    "dashscope": ((("output", "submit_time"), _beijing),),
    "modelstream": _NEWAPI,
    "tokenbay": _NEWAPI,
    "newapi": _NEWAPI,
    "runway": ((("createdAt",), ms_from_text),),
}

_PROMPT: Mapping[str, _Path] = {"dashscope": ("output", "orig_prompt")}


def tells_prompt(adapter: str) -> bool:
    """Whether a status reply of this adapter's provider can hold the prompt."""
    return adapter in _PROMPT


def origin_of(adapter: str, observation: Observation) -> TaskOrigin:
    """Read the reply that the observation was made from."""
    document = read_object(observation.raw)
    times = (read(at(document, *path)) for path, read in _CREATED.get(adapter, ()))
    return TaskOrigin(
        model=observation.model,
        created_at_ms=next((found for found in times if found is not None), None),
        prompt=text(at(document, *_PROMPT[adapter])) or None if adapter in _PROMPT else None,
    )
