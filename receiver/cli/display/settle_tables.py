"""Tables and JSON of what a provider's list shows for lost submits, made from the answers of the API."""

from collections.abc import Sequence
from typing import Any

from receiver.cli.display.listing import Listing, table
from receiver.runtime.durations import format_offset
from submitter.api import Task
from submitter.api_tasks import Candidate, Look

_SAME = {True: "the same", False: "another", None: "not known"}


def candidates_table(look: Look) -> Listing:
    rows = [
        (
            each.provider_task_id,
            each.raw_state,
            _after(each),
            each.model,
            _SAME[each.same_prompt],
            " ".join(each.also_fits),
        )
        for each in look.candidates
    ]
    return table("provider's id", "its state", "created", "model", "prompt", "also fits", rows=rows)


def looks_table(looks: Sequence[Look]) -> Listing:
    rows = [_look_row(each) for each in looks]
    names = ("task", "provider", "result", "best match", "created", "candidates", "same model", "prompt")
    return table(*names, rows=rows)


def _look_row(look: Look) -> tuple[object, ...]:
    best = look.candidates[0] if look.candidates else None
    result = look.why or look.problem or "exactly one candidate"
    if best is None:
        return (look.task, look.provider, result, None, None, 0, None, None)
    fitting = sum(each.fits for each in look.candidates)
    compared = (_SAME[best.same_model], _SAME[best.same_prompt])
    return (look.task, look.provider, result, best.provider_task_id, _after(best), fitting, *compared)


def _after(each: Candidate) -> str | None:
    return None if each.after_s is None else f"{format_offset(round(each.after_s * 1000))} after the submit began"


def look_view(look: Look, reason: str, settled: Task | None) -> dict[str, Any]:
    """The look as in the API, with `reason`, why it is still uncertain, and `settled_as`."""
    settled_as = None if settled is None else settled.provider_task_id
    return {**look.json_values(), "reason": reason, "settled_as": settled_as}
