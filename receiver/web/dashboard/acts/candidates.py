"""Plans to look for lost submits in the providers' lists, and to accept what can be one task only."""

from dataclasses import replace

from receiver.runtime.explaining import has_list
from receiver.runtime.operator_runs.acts.candidates import LOOK, LOOKED_FOR_MOST
from receiver.runtime.operator_runs.looks import accepted, seen_by_task
from receiver.runtime.operator_runs.model import OperatorRun
from receiver.runtime.services import Services
from receiver.tasks.lost_submits import PAGES_IN_ALL
from receiver.tasks.model.task import Task
from receiver.web.dashboard.acts.plan import ActPlan, Asked, Touched, counted
from receiver.web.dashboard.acts.tasks import TOUCHED_SHOWN, touched
from receiver.web.dashboard.model import doubtful, task_filter
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.doubtful import DOUBTFUL
from submitter.model import TaskState

LOOKS_READ = 5

ACCEPTED_MOST = 250  # tasks of one act


async def _tasks(asked: Asked, most: int) -> tuple[list[tuple[str, str]], tuple[Task, ...]]:
    """The filter and its uncertain tasks, from a place in the list on; what came after the preview is left out."""
    filters = list(DOUBTFUL.given_in(asked.fields))
    search = task_filter.read_search(filters, asked.at_ms)
    until_ms = asked.at_ms if search.until_ms is None else min(search.until_ms, asked.at_ms)
    wanted = replace(search, until_ms=until_ms, states=frozenset({TaskState.UNCERTAIN}))
    page = await asked.services.store.task_search.page(wanted, cursor=asked.value("before") or None, limit=most)
    return filters, page.tasks


async def plan_look(asked: Asked) -> ActPlan:
    filters, tasks = await _tasks(asked, LOOKED_FOR_MOST)
    providers = sorted({task.provider for task in tasks})
    asked_ones = [name for name in providers if has_list(asked.services, name)]
    looks = await recent_looks(asked.services, asked.at_ms)
    wanted = {task.id for task in tasks}
    open_one = next((each for each in looks if each.is_open and wanted & set(each.condition["tasks"])), None)
    refusal = "" if tasks else "No task of this filter is uncertain."
    if open_one is not None:
        refusal = f"{open_one.actor} looks for these already: see run {open_one.id}."
    elif tasks and not asked_ones:
        refusal = "None of these providers can be asked: it documents no list of tasks, or is not configured."
    before = asked.value("before")
    return ActPlan(
        title="Look at the providers' lists",
        button=f"Look for {counted(len(tasks), 'task')}",
        sentences=(
            "The lists of tasks of the providers are read for the time of these submits. No task is changed.",
            f"Each page costs a request of the account's rate budget; at most {PAGES_IN_ALL} pages of a provider.",
            "What is found is shown beside the tasks, with its time.",
        ),
        condition={
            "tasks": [task.id for task in tasks],
            "leads_to": DOUBTFUL.address(filters, **({"before": before} if before else {})),
        },
        expected=len(tasks),
        touched=tuple(map(touched, tasks[:TOUCHED_SHOWN])),
        facts=tuple(
            (name, "its list is read" if name in asked_ones else "has no list, or is not configured: not asked")
            for name in providers
        ),
        refusal=refusal,
        back=DOUBTFUL.address(filters),
    )


async def plan_accept(asked: Asked) -> ActPlan:
    """The looks that have ended by now count, also when the form comes: they may be newer or older than the preview."""
    filters, tasks = await _tasks(asked, ACCEPTED_MOST)
    now_ms = asked.services.clock()
    looks = [each for each in await recent_looks(asked.services, now_ms) if not each.is_open]
    clear = accepted(tasks, seen_by_task(looks), now_ms)
    digest = doubtful.digest_of(clear)
    refusal = "No task of this filter has exactly one candidate in a look of the last 30 minutes: look first."
    if clear:
        is_as_shown = asked.is_preview or asked.value("accepted") == digest
        refusal = "" if is_as_shown else "What would be accepted is not what the preview showed: look at it again."
    shown = [
        Touched(text=name, address=f"{ROOT}/tasks/{name}", note=f"as {each['id']}") for name, each in clear.items()
    ]
    return ActPlan(
        title="Accept the only candidates",
        button=f"Accept the candidate of {counted(len(clear), 'task')}",
        sentences=(
            f"{counted(len(clear), 'uncertain submit')} with exactly one candidate will be settled with its id.",
            "Each is polled at once, and ends as its provider says.",
            "A wrong id gives a caller another caller's film, and its own result is lost.",
            "A task that was settled meanwhile, and an id that another task has, are left alone.",
        ),
        condition={"accepted": clear},
        expected=len(clear),
        touched=shown[:TOUCHED_SHOWN],
        refusal=refusal,
        back=DOUBTFUL.address(filters),
        fields={"accepted": digest},
    )


async def recent_looks(services: Services, now_ms: int) -> list[OperatorRun]:
    since_ms = now_ms - doubtful.LOOK_KEPT_MS
    return await services.store.runs.newest_of_kind(LOOK, since_ms=since_ms, limit=LOOKS_READ)
