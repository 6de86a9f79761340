"""Acts on all that a filter finds: how much that is, and the start of a run that does it.

The runs are those of the dashboard. What came after the request is left alone.
"""

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from receiver.runtime.operator_runs.acts.candidates import LOOK, LOOKED_FOR_MOST
from receiver.runtime.operator_runs.acts.tasks import TO_CANCEL, TO_RECONCILE, narrowed
from receiver.runtime.operator_runs.looks import LOOK_OLD_MS, accepted, seen_by_task
from receiver.runtime.operator_runs.model import NOTES_MOST, OperatorRun, RunNote
from receiver.runtime.operator_runs.runner import OperatorRuns
from receiver.tasks.model.search import TaskSearch, search_values
from receiver.tasks.model.task import Task
from receiver.web.api.known_providers import check_filter
from receiver.web.api.owners import kept_search
from receiver.web.api.runs import run_view, sees_run
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import check_account
from receiver.web.problems import Kind, Problem, invalid, not_found
from receiver.web.schemas.acts import FINAL_MOST, RedeliverRequest, SettleTasksRequest, TaskActRequest
from receiver.web.schemas.tasks import NoQuery
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.delivery_search import DeliverySearch, delivery_search_values
from submitter.api_runs import RunPreview, Sampled
from submitter.errors import Violation
from submitter.model import TaskState

COUNTED_MOST = 1000

SAMPLED = 10

_KEY = re.compile("[!-~]{1,255}")

UNCERTAIN = frozenset({TaskState.UNCERTAIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a run would work on now."""

    kind: str
    condition: Mapping[str, Any]
    count: int
    has_more: bool
    #: Only what was created by then.
    until_ms: int
    #: How many one run works on; None for all.
    at_most: int | None = None
    #: Where it works on so many: which.
    ids: Sequence[str] = ()
    sample: Sequence[Sampled] = ()

    @property
    def expected(self) -> int | None:
        if self.at_most is not None:
            return min(self.count, self.at_most)
        return None if self.has_more else self.count


async def reconcile_tasks(context: RequestContext[NoQuery, TaskActRequest]) -> JsonAnswer:
    async def plan() -> Planned:
        search = _search(context, TO_RECONCILE)
        number = await context.services.store.task_search.number(search, most=COUNTED_MOST)
        first = await context.services.store.task_search.page(search, limit=SAMPLED)
        return Planned(
            kind="reconcile-tasks",
            condition={"search": search_values(search)},
            count=number.number,
            has_more=number.has_more,
            until_ms=_until_ms(context, search.until_ms),
            sample=_sampled(first.tasks),
        )

    return await _act(context, plan)


async def cancel_tasks(context: RequestContext[NoQuery, TaskActRequest]) -> JsonAnswer:
    return await _act(context, lambda: _plan_final(context, "cancel-tasks", TO_CANCEL))


async def settle_tasks(context: RequestContext[NoQuery, SettleTasksRequest]) -> JsonAnswer:
    if context.body.look is None:
        return await _act(context, lambda: _plan_final(context, "refuse-tasks", UNCERTAIN))
    return await _act(context, lambda: _plan_accept(context, context.body.look or ""))


async def look_for_tasks(context: RequestContext[NoQuery, TaskActRequest]) -> JsonAnswer:
    check_account(context.caller.limits)

    async def plan() -> Planned:
        found = await _plan_final(context, LOOK, UNCERTAIN, most=LOOKED_FOR_MOST)
        tasks = set(found.condition["tasks"])
        services = context.services
        since_ms = services.clock() - LOOK_OLD_MS
        looks = await services.store.runs.newest_of_kind(LOOK, since_ms=since_ms, limit=LOOKED_FOR_MOST)
        for look in looks:
            if look.is_open and tasks & set(look.condition["tasks"]) and not context.body.dry_run:
                detail = f"{look.actor} looks for some of these already: see run {look.id}."
                raise Problem(Kind.CONFLICT, detail, instance=f"/v1/runs/{look.id}")
        return replace(found, condition={"tasks": found.condition["tasks"]})

    return await _act(context, plan)


async def redeliver_of_tasks(context: RequestContext[NoQuery, TaskActRequest]) -> JsonAnswer:
    """The dead letters of the tasks that the filter finds."""

    async def plan() -> Planned:
        search, store = _search(context, frozenset(TaskState)), context.services.store
        tasks = await store.task_search.page(search, limit=FINAL_MOST)
        dead = await store.deliveries.dead_letters_of_tasks([task.id for task in tasks.tasks])
        return Planned(
            kind="redeliver-tasks",
            condition={"search": search_values(search)},
            count=len(dead),
            has_more=tasks.next_cursor is not None,
            until_ms=_until_ms(context, search.until_ms),
            sample=tuple(Sampled(id=each, note="dead") for each in dead[:SAMPLED]),
        )

    return await _act(context, plan)


async def redeliver(context: RequestContext[NoQuery, RedeliverRequest]) -> JsonAnswer:
    """Without a state only dead letters are meant: to send all again has to be asked for."""

    async def plan() -> Planned:
        body, services = context.body, context.services
        search = await kept_search(context, body.delivery_search(ids=body.ids))
        until_ms = _until_ms(context, search.until_ms)
        search = replace(search, until_ms=until_ms)
        if not body.state and not search.is_failing and not body.ids:
            search = replace(search, states=frozenset({DeliveryState.DEAD}))
        page = await services.store.delivery_search.page(search, limit=COUNTED_MOST)
        return Planned(
            kind="redeliver-deliveries",
            condition={"deliveries": delivery_search_values(search)},
            count=len(page.deliveries),
            has_more=page.next_cursor is not None,
            until_ms=until_ms,
            sample=tuple(
                Sampled(id=each.id, note=f"{each.event_type}, {each.state.value}") for each in page.deliveries[:SAMPLED]
            ),
        )

    return await _act(context, plan)


def _until_ms(context: RequestContext[NoQuery, Any], given_ms: int | None) -> int:
    """The end of a filter, but no later than now."""
    now_ms = context.services.clock()
    return now_ms if given_ms is None else min(given_ms, now_ms)


def _search(context: RequestContext[NoQuery, Any], states: frozenset[TaskState]) -> TaskSearch:
    """The tasks of the filter in these states, as of now. Raise a problem for a filter of other states only."""
    body: TaskActRequest = context.body
    now_ms = context.services.clock()
    search = replace(body.task_search(now_ms, ids=body.ids), limits=context.caller.limits)
    within = narrowed(replace(search, until_ms=_until_ms(context, search.until_ms)), states)
    if within is None:
        rule, accepted = "has no state in which this can be done", ", ".join(sorted(states))
        raise invalid(Kind.INVALID, Violation(field="state", rule=rule, accepted=accepted))
    return within


async def _plan_final(
    context: RequestContext[NoQuery, Any], kind: str, states: frozenset[TaskState], *, most: int = FINAL_MOST
) -> Planned:
    """An act that cannot be taken back works on the newest `most` that the filter finds now, and on no other."""
    search, tasks = _search(context, states), context.services.store.task_search
    number = await tasks.number(search, most=COUNTED_MOST)
    first = (await tasks.page(search, limit=most)).tasks
    return Planned(
        kind=kind,
        condition={"search": search_values(search), "tasks": [task.id for task in first]},
        count=number.number,
        has_more=number.has_more,
        until_ms=_until_ms(context, search.until_ms),
        at_most=most,
        ids=tuple(task.id for task in first),
        sample=_sampled(first),
    )


async def _plan_accept(context: RequestContext[NoQuery, SettleTasksRequest], look_id: str) -> Planned:
    """The uncertain tasks of the filter that the look found exactly one candidate for."""
    services = context.services
    look, now_ms = await services.store.runs.run(look_id), services.clock()
    if look is None or look.kind != LOOK or not sees_run(context, look):
        raise not_found("look")
    instance = f"/v1/runs/{look.id}"
    if look.is_open:
        raise Problem(Kind.CONFLICT, "The look has not ended yet.", instance=instance)
    seen = seen_by_task([look])
    if seen and all(now_ms - each.at_ms > LOOK_OLD_MS for each in seen.values()):
        detail = f"The look ended more than {LOOK_OLD_MS // 60_000} minutes ago; look again."
        raise Problem(Kind.CONFLICT, detail, instance=instance)
    search = _search(context, UNCERTAIN)
    tasks = await services.store.task_search.fitting(search, list(look.condition["tasks"]))
    wanted = set(context.body.ids)
    clear = accepted([task for task in tasks if not wanted or task.id in wanted], seen, now_ms)
    sample = [Sampled(id=name, note=f"as {each['id']}") for name, each in clear.items()]
    return Planned(
        kind="settle-candidates",
        condition={"accepted": clear},
        count=len(clear),
        has_more=False,
        until_ms=_until_ms(context, search.until_ms),
        ids=tuple(clear),
        sample=tuple(sample[:SAMPLED]),
    )


def _sampled(tasks: Sequence[Task]) -> tuple[Sampled, ...]:
    return tuple(Sampled(id=task.id, note=f"{task.state.value} at {task.provider}") for task in tasks[:SAMPLED])


async def _act(context: RequestContext[NoQuery, Any], plan: Callable[[], Awaitable[Planned]]) -> JsonAnswer:
    """Answer with a preview, or start a run. The same key and body lead to the same run, whatever is left to do."""
    if isinstance(context.body, TaskActRequest):
        await check_filter(context, context.body.provider, Kind.INVALID)
    if context.body.dry_run:
        planned = await plan()
        return JsonAnswer(body=_preview(planned, await _missing(context)))
    nonce = _nonce(context)
    digest = hashlib.sha256(f"{context.request.url.path}\n{context.body.model_dump_json()}".encode()).hexdigest()
    earlier = await context.services.store.runs.run_of_nonce(nonce)
    if earlier is not None:
        return _started(earlier, digest, replayed=True)
    draft = _draft(context, await plan(), nonce, digest, await _missing(context))
    runs: OperatorRuns = context.request.state.runs
    run = await runs.start(draft)
    return _started(run, digest, replayed=run.id != draft.id)


def _preview(planned: Planned, missing: tuple[str, ...]) -> RunPreview:
    values = {
        "count": planned.count,
        "has_more": planned.has_more,
        "at_most": planned.at_most,
        "until": planned.until_ms,
        "ids": planned.ids,
        "sample": planned.sample,
        "missing": missing,
    }
    return RunPreview.model_validate(values)


async def _missing(context: RequestContext[NoQuery, Any]) -> tuple[str, ...]:
    """The ids of the body of which there is nothing that the caller sees."""
    body, store, limits = context.body, context.services.store, context.caller.limits
    if isinstance(body, RedeliverRequest):
        deliveries = await store.delivery_search.fitting(await kept_search(context, DeliverySearch()), body.ids)
        there = {str(each.id) for each in deliveries}
    else:
        there = {str(each.id) for each in await store.task_search.fitting(TaskSearch(limits=limits), body.ids)}
    return tuple(each for each in dict.fromkeys(body.ids) if each not in there)


def _nonce(context: RequestContext[NoQuery, Any]) -> str:
    """The key is the caller's own: another caller with the same key starts another run."""
    given = context.request.headers.getlist("idempotency-key")
    if len(given) > 1 or not all(map(_KEY.fullmatch, given)):
        accepted = "one of 1 to 255 visible ASCII characters"
        raise invalid(Kind.MALFORMED, Violation(field="Idempotency-Key", rule="is not a key", accepted=accepted))
    return f"{context.caller.key_id or context.actor} {given[0]}" if given else secrets.token_urlsafe(16)


def _draft(
    context: RequestContext[NoQuery, Any], planned: Planned, nonce: str, digest: str, missing: Sequence[str]
) -> OperatorRun:
    """A run that has failed at what is missing before it begins."""
    services = context.services
    now_ms = services.clock()
    return OperatorRun(
        id=services.store.runs.new_run_id(now_ms),
        nonce=nonce,
        kind=planned.kind,
        actor=context.actor,
        condition={**planned.condition, "digest": digest, "key_id": context.caller.key_id},
        expected=None if planned.expected is None else planned.expected + len(missing),
        failed=len(missing),
        notes=tuple(RunNote(item=each, words="there is nothing of that id") for each in missing)[:NOTES_MOST],
        created_ms=now_ms,
    )


def _started(run: OperatorRun, digest: str, *, replayed: bool) -> JsonAnswer:
    if run.condition.get("digest") != digest:
        detail = f"It belongs to run {run.id}, which was started with another body."
        raise Problem(Kind.KEY_REUSED, detail, instance=f"/v1/runs/{run.id}")
    headers = {"Location": f"/v1/runs/{run.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return JsonAnswer(body=run_view(run), status=202, headers=headers)
