"""Look for lost submits in the lists of their providers, and settle those that can be one task only.

What a look finds is kept with its run, so it is read as often as wanted without another request to the provider.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from receiver.runtime.operator_runs.acts.act import Condition
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services
from receiver.store.codec import to_json
from receiver.tasks.lost_submits import NoList
from receiver.tasks.model.candidates import Candidate, Search
from receiver.tasks.model.settle import OperatorId
from receiver.tasks.model.task import SettleRefused, Task
from submitter.model import ProviderTaskId, TaskId, TaskState

LOOK = "look-candidates"

LOOKED_FOR_MOST = 20  # tasks of one look: those of a page of the dashboard

CANDIDATES_KEPT = 5  # of one task, the likeliest

PROMPT_KEPT = 120  # characters

LOOK_MOST_S = 240.0  # at one provider: less than the lease of a run


async def tasks_to_look_for(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    """All at once, so that no part of a list is read twice."""
    return RunItems(items=tuple(condition["tasks"]))


async def look(services: Services, items: Sequence[str], _condition: Condition, _actor: str) -> Sequence[ItemResult]:
    """Search each provider's list. One that can not be asked says so beside its own tasks only."""
    tasks = [await services.store.tasks.task(TaskId(item)) for item in items]
    lost = [task for task in tasks if task is not None and task.state is TaskState.UNCERTAIN]
    by_provider = groupby(sorted(lost, key=lambda task: (task.provider, task.id)), key=lambda task: task.provider)
    works = [_look_at(services, provider, list(own)) for provider, own in by_provider]
    results = [result for found in await asyncio.gather(*works) for result in found]
    seen = {result.item for result in results}
    return [*results, *(ItemResult(item=item, words="it was settled meanwhile") for item in items if item not in seen)]


async def _look_at(services: Services, provider: str, lost: Sequence[Task]) -> list[ItemResult]:
    configured = services.providers.get(provider)
    if configured is None:
        return [_not_seen(task, f"{provider} is not configured, so it can not be asked") for task in lost]
    try:
        async with asyncio.timeout(LOOK_MOST_S):
            found = await services.lost_submits.search(lost, configured)
    except TimeoutError:
        return [_not_seen(task, f"its list was not read within {LOOK_MOST_S:.0f} s: look at fewer") for task in lost]
    if isinstance(found, NoList):
        title = configured.adapter.CAPABILITIES.title
        return [_not_seen(task, f"{title} documents no list of tasks: search its console") for task in lost]
    return [_seen(search) for search in found]


def _not_seen(task: Task, problem: str) -> ItemResult:
    return ItemResult(
        item=task.id,
        is_done=False,
        words=problem,
        found=to_json({"provider": task.provider, "problem": problem, "candidates": []}),
    )


def _seen(search: Search) -> ItemResult:
    clear, why = search.clear, search.why_not_clear
    words = f"{search.listing.listed} listed; {why}"
    if clear is not None:
        words = f"{search.listing.listed} listed; exactly one fits: {clear.listed.provider_task_id}"
    found = {
        "provider": search.task.provider,
        "problem": search.listing.problem,
        "why": why,
        "listed": search.listing.listed,
        "clear": None if clear is None else clear.listed.provider_task_id,
        "candidates": [_candidate(search, each) for each in search.found[:CANDIDATES_KEPT]],
        "more": max(0, len(search.found) - CANDIDATES_KEPT),
    }
    return ItemResult(item=search.task.id, is_done=not search.listing.problem, words=words, found=to_json(found))


def _candidate(search: Search, each: Candidate) -> dict[str, Any]:
    row = each.listed
    return {
        "id": row.provider_task_id,
        "state": row.raw_state,
        "model": row.model,
        "created_ms": row.created_at_ms,
        "after_ms": each.after_ms,
        "same_model": each.same_model,
        "same_prompt": each.same_prompt,
        "prompt": None if row.prompt is None else row.prompt[:PROMPT_KEPT],
        "fits": each.fits,
        "rivals": list(search.rivals.get(row.provider_task_id, ()))[:CANDIDATES_KEPT],
    }


async def accepted_tasks(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    return RunItems(items=tuple(condition["accepted"]))


async def accept(services: Services, items: Sequence[str], condition: Condition, actor: str) -> Sequence[ItemResult]:
    """Settle each with the id that the condition has for it. What is not free any more is left alone."""
    return [await _accept(services, item, condition["accepted"][item], actor) for item in items]


async def _accept(services: Services, item: str, named: Mapping[str, str], actor: str) -> ItemResult:
    provider_task_id = ProviderTaskId(named["id"])
    given = OperatorId(provider_task_id=provider_task_id, instead_of=None, found=named["found"])
    settled = await services.store.submissions.settle_adopt(TaskId(item), given, actor=actor, now_ms=services.clock())
    if isinstance(settled, SettleRefused):
        return ItemResult(item=item, is_done=False, words=settled.reason)
    return ItemResult(item=item, words=f"it is {settled.provider}'s {provider_task_id}")
