"""Plans of acts on the tasks that a filter finds. One task is a filter by its id."""

from dataclasses import dataclass, replace

from receiver.runtime.operator_runs.acts.tasks import TO_CANCEL, TO_RECONCILE, narrowed
from receiver.tasks.model.search import FoundNumber, TaskSearch, search_values
from receiver.tasks.model.task import Task
from receiver.web.dashboard.acts.plan import ActPlan, Asked, Touched, counted
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.task_filter import TASKS, read_search
from submitter.model import TaskId, TaskState

COUNTED_MOST = 1000

TOUCHED_SHOWN = 10

FINAL_MOST = 500  # tasks of one act that cannot be taken back: its form and its run name each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundForAct:
    """What a filter finds at the time of the preview."""

    search: TaskSearch
    number: FoundNumber
    touched: tuple[Touched, ...]
    back: str
    #: Of an act that cannot be taken back: all that it may touch.
    tasks: tuple[TaskId, ...] = ()

    @property
    def expected(self) -> int | None:
        return None if self.number.has_more else self.number.number

    def words(self, noun: str = "task") -> str:
        return counted(self.number.number, noun, has_more=self.number.has_more)

    @property
    def tasks_in_words(self) -> str:
        return counted(len(self.tasks), "task")

    @property
    def rest(self) -> tuple[str, ...]:
        """A sentence about what an act that cannot be taken back does not reach."""
        if len(self.tasks) >= self.number.number and not self.number.has_more:
            return ()
        most = f"This is done with the newest {len(self.tasks):,}; a narrower filter reaches the others."
        return (f"The filter finds {self.words()}. {most}",)


async def found_for_act(
    asked: Asked, states: frozenset[TaskState] = frozenset(TaskState), *, is_final: bool = False
) -> FoundForAct:
    """The tasks of the filter in these states, those that come later left out. Raise InvalidRequest.

    When the form of an act comes that cannot be taken back, it finds those alone that the preview showed.
    """
    filters = TASKS.given_in(asked.fields)
    search = read_search(filters, asked.at_ms)
    until_ms = asked.at_ms if search.until_ms is None else min(search.until_ms, asked.at_ms)
    within = narrowed(replace(search, until_ms=until_ms), states)
    back = TASKS.address(filters)
    if search.text is not None and [name for name, _ in filters] == ["q"]:
        back = f"{ROOT}/tasks/{search.text}"
    if within is None:
        return FoundForAct(search=search, number=FoundNumber(number=0, has_more=False), touched=(), back=back)
    tasks = asked.services.store.task_search
    if is_final and not asked.is_preview:
        previewed = asked.value("tasks").split(".")[:FINAL_MOST]
        first = tuple(await tasks.fitting(within, previewed))
        number = FoundNumber(number=len(first), has_more=False)
    else:
        number = await tasks.number(within, most=COUNTED_MOST)
        first = (await tasks.page(within, limit=FINAL_MOST if is_final else TOUCHED_SHOWN)).tasks
    shown, ids = tuple(map(touched, first[:TOUCHED_SHOWN])), tuple(task.id for task in first) if is_final else ()
    return FoundForAct(search=within, number=number, touched=shown, back=back, tasks=ids)


def touched(task: Task) -> Touched:
    return Touched(text=task.id, address=f"{ROOT}/tasks/{task.id}", note=f"{task.state.value} at {task.provider}")


async def plan_reconcile(asked: Asked) -> ActPlan:
    found = await found_for_act(asked, TO_RECONCILE)
    return ActPlan(
        title="Reconcile",
        button=f"Reconcile {found.words()}",
        sentences=(
            f"The providers of {found.words()} are polled now, one request for each task.",
            "Each request is taken from the account's rate budget, so regular polls may come later.",
            "What a provider reports is recorded as with any other poll.",
        ),
        condition={"search": search_values(found.search)},
        expected=found.expected,
        touched=found.touched,
        refusal="" if found.number.number else "No task of this filter can be polled: they have ended, or are queued.",
        back=found.back,
    )


async def plan_cancel(asked: Asked) -> ActPlan:
    found = await found_for_act(asked, TO_CANCEL, is_final=True)
    return ActPlan(
        title="Cancel",
        button=f"Cancel {found.tasks_in_words}",
        sentences=(
            f"{found.tasks_in_words.capitalize()} {'is' if len(found.tasks) == 1 else 'are'} to end.",
            *found.rest,
            "A queued task is taken out of the queue, and its provider never gets it.",
            "The provider of any other one is asked to cancel it, where it documents a way.",
            "The provider decides, and may have billed it. The next poll shows the end.",
        ),
        condition={"search": search_values(found.search), "tasks": list(found.tasks)},
        expected=len(found.tasks),
        touched=found.touched,
        refusal="" if found.tasks else "No task of this filter can be canceled: they have ended.",
        is_final=True,
        back=found.back,
        fields={"tasks": ".".join(found.tasks)},
    )


async def plan_refuse(asked: Asked) -> ActPlan:
    found = await found_for_act(asked, frozenset({TaskState.UNCERTAIN}), is_final=True)
    submits = counted(len(found.tasks), "uncertain submit")
    return ActPlan(
        title="Settle as never created",
        button=f"Settle {found.tasks_in_words} as never created",
        sentences=(
            f"{submits} {'ends' if len(found.tasks) == 1 else 'end'} as refused: the provider created nothing.",
            *found.rest,
            "Whoever submitted them is told so, and may submit them again, which is paid again.",
            "Do this only after a look at the provider's own list or console.",
        ),
        condition={"search": search_values(found.search), "tasks": list(found.tasks)},
        expected=len(found.tasks),
        touched=found.touched,
        refusal="" if found.tasks else "No task of this filter is uncertain.",
        is_final=True,
        back=found.back,
        fields={"tasks": ".".join(found.tasks)},
    )
