"""Plans to settle one task. Before an id is taken, its provider is asked about it."""

from receiver.tasks.model.settle import read_end, settled_meanwhile, why_not_ended, why_not_settled
from receiver.tasks.model.task import SettleRefused, Task
from receiver.tasks.operator import NotIdentified
from receiver.web.dashboard.acts.plan import ActPlan, Asked
from receiver.web.dashboard.acts.tasks import touched
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.problems import Kind, Problem, not_found
from submitter.errors import InvalidRequest, Violation
from submitter.model import ProviderTaskId, TaskId
from submitter.providers.json_reader import usable_id

WAYS = ("adopt", "refused", "succeeded", "failed", "canceled")

_FINAL = "That is final: what the provider reports later changes nothing."


async def plan_settle(asked: Asked) -> ActPlan:
    """Raise a 404 problem for no task, InvalidRequest for a way or a value that cannot be."""
    task = await asked.services.store.tasks.task(TaskId(asked.value("task")))
    if task is None:
        raise not_found("task")
    way = asked.value("way")
    if way == "adopt":
        return await _plan_adopt(asked, task)
    if way not in WAYS:
        raise _invalid("way", "is not one of the known words", ", ".join(WAYS))
    value, seen = asked.value("value") if way in {"succeeded", "failed"} else "", _seen(asked, task)
    if way == "refused":
        reason = why_not_settled(task, lease_until_ms=None, now_ms=asked.at_ms)
        sentences: tuple[str, ...] = (
            "The submit ends as refused: the provider created nothing.",
            "Whoever submitted it is told so, and may submit it again, which is paid again.",
        )
    else:
        reason = why_not_ended(task, lease_until_ms=None, now_ms=asked.at_ms)
        read_end(
            succeeded=[value] if way == "succeeded" else None,
            failed=value if way == "failed" else None,
            canceled=way == "canceled",
            own_host=None,
        )
        sentences = (f"The task ends as {way}, as you saw it end at {task.provider}.", _FINAL)
    return ActPlan(
        title="Settle",
        button=f"Settle as {'never created' if way == 'refused' else way}",
        sentences=sentences,
        condition={"task": task.id, "way": way, "value": value, "seen": seen},
        expected=1,
        touched=(touched(task),),
        facts=((("file" if way == "succeeded" else "reason", value),) if value else ()),
        refusal=_why_stale(task, seen) if reason is None else f"It can not be settled: {reason}.",
        is_final=True,
        back=f"{ROOT}/tasks/{task.id}",
        fields={"seen": seen},
    )


async def _plan_adopt(asked: Asked, task: Task) -> ActPlan:
    """Ask the provider at the preview alone; the form carries what it answered."""
    named = usable_id(asked.value("value"))
    if named is None:
        raise _invalid("value", "cannot be the id of a task", "printable text as the provider shows it")
    seen = _seen(asked, task)
    found, doubts, refusal = asked.value("found"), "", _why_stale(task, seen)
    if asked.is_preview:
        found, doubts, refusal = await _look(asked, task, named)
    return ActPlan(
        title="Settle",
        button=f"Settle as {named[:60]}",
        sentences=(
            f"The lost submit is taken to have created {task.provider}'s task {named}.",
            "It is polled at once. Until an end is recorded, another id can be given.",
        ),
        condition={"task": task.id, "way": "adopt", "value": named, "seen": seen, "found": found},
        expected=1,
        touched=(touched(task),),
        facts=(*((("the provider says", found),) if found else ()), *((("doubts", doubts),) if doubts else ())),
        refusal=refusal,
        back=f"{ROOT}/tasks/{task.id}",
        fields={"found": found, "seen": seen},
    )


def _seen(asked: Asked, task: Task) -> str:
    """The provider's id that the previewed task had, empty for none; a form without it is none of ours."""
    if asked.is_preview:
        return task.provider_task_id or ""
    seen = dict(asked.fields).get("seen")
    if seen is None:
        raise Problem(Kind.MALFORMED, "The form is not one of ours. Nothing was done.")
    return seen


def _why_stale(task: Task, seen: str) -> str:
    if (task.provider_task_id or "") == seen:
        return ""
    return f"Since the preview {settled_meanwhile(task).reason}: look at it again."


async def _look(asked: Asked, task: Task, named: str) -> tuple[str, str, str]:
    """What the provider answers, what speaks against it, and why the id is not taken."""
    configured = asked.services.providers.get(task.provider)
    if configured is None:
        return "", f"{task.provider} is not configured, so nobody was asked about this id", ""
    seen = await asked.services.operator.identify(task, ProviderTaskId(named), configured)
    if isinstance(seen, SettleRefused):
        return "", "", f"It can not be settled so: {seen.reason}."
    if isinstance(seen, NotIdentified):
        return "", f"{seen.reason}; the id was not checked", ""
    return str(seen), "; ".join(seen.doubts), ""


def _invalid(field: str, rule: str, accepted: str) -> InvalidRequest:
    return InvalidRequest([Violation(field=field, rule=rule, accepted=accepted)])
