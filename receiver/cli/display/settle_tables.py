"""Tables and JSON of what a provider's list shows for lost submits: made from values, without I/O."""

from collections.abc import Sequence
from typing import Any

from receiver.cli.display.listing import Listing, table
from receiver.runtime.next_steps import format_offset
from receiver.tasks.model.candidates import Candidate, Search
from receiver.tasks.model.task import SettleRefused, Task
from submitter.timestamps import rfc3339

_SAME = {True: "the same", False: "another", None: "not known"}


def candidates_table(search: Search) -> Listing:
    rows = [
        (
            each.listed.provider_task_id,
            each.listed.raw_state,
            _after(each),
            each.listed.model,
            _SAME[each.same_prompt],
            " ".join(search.rivals.get(each.listed.provider_task_id, ())),
        )
        for each in search.found
    ]
    return table("provider's id", "its state", "created", "model", "prompt", "also fits", rows=rows)


def searches_table(searches: Sequence[Search]) -> Listing:
    rows = [_search_row(each) for each in searches]
    return table("task", "provider", "candidates", "best match", "created", "same model", "prompt", "result", rows=rows)


def _search_row(search: Search) -> tuple[object, ...]:
    best = search.found[0] if search.found else None
    result = search.why_not_clear or "exactly one candidate"
    facts = (None, None, None, None)
    shown = facts if best is None else (best.listed.provider_task_id, _after(best), *_compared(best))
    return (search.task.id, search.task.provider, len(search.fitting), *shown, result)


def _compared(each: Candidate) -> tuple[str, str]:
    return _SAME[each.same_model], _SAME[each.same_prompt]


def _after(each: Candidate) -> str | None:
    return None if each.after_ms is None else f"{format_offset(each.after_ms)} after the submit began"


def candidate_view(each: Candidate, search: Search) -> dict[str, Any]:
    row = each.listed
    return {
        "task_id": row.provider_task_id,
        "raw_state": row.raw_state,
        "model": row.model,
        "created_at": None if row.created_at_ms is None else rfc3339(row.created_at_ms),
        "after_s": None if each.after_ms is None else each.after_ms / 1000,
        "same_model": each.same_model,
        "same_prompt": each.same_prompt,
        "also_fits": list(search.rivals.get(row.provider_task_id, ())),
    }


def search_view(search: Search, outcome: Task | SettleRefused | None) -> dict[str, Any]:
    return {
        "task": search.task.id,
        "provider": search.task.provider,
        "listed": search.listing.listed,
        "candidates": [candidate_view(each, search) for each in search.found],
        "reason": outcome.reason if isinstance(outcome, SettleRefused) else search.why_not_clear,
        "settled_as": outcome.provider_task_id if isinstance(outcome, Task) else None,
    }
