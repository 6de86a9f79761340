"""Which due tasks a page of a provider's list is to answer for."""

from receiver.reconcile.model.listing import MARGIN_MS, ListPlan, plan_list
from receiver.tasks.model.task import Task
from submitter.model import ProviderTaskId, TaskState
from submitter.providers import dashscope, hiapi
from tests.support.builders import T0, a_task


def _tasks(count: int) -> list[Task]:
    """Submitted a minute apart, the oldest first."""
    return [
        a_task(
            f"t{number}",
            state=TaskState.RUNNING,
            provider_task_id=ProviderTaskId(f"p{number}"),
            sent_ms=T0 + number * 60_000,
        )
        for number in range(count)
    ]


def _plan(
    tasks: list[Task], worths: list[float], *, adapter: object = dashscope, share: float = 1.0
) -> ListPlan | None:
    by_id = {task.id: worth for task, worth in zip(tasks, worths, strict=True)}
    lists = hiapi if adapter is hiapi else dashscope
    return plan_list(tasks, lists, worth=lambda task: by_id[task.id], share=share, oldest_ms=T0)


def test_the_span_is_the_one_whose_tasks_are_worth_most() -> None:
    tasks = _tasks(25)
    plan = _plan(tasks, [5.0 if 7 <= number < 17 else 1.0 for number in range(25)])
    assert plan is not None
    assert [task.id for task in plan.tasks] == [f"t{number}" for number in range(7, 17)]
    assert (plan.since_ms, plan.until_ms) == (T0 + 7 * 60_000 - MARGIN_MS, T0 + 16 * 60_000 + MARGIN_MS)


def test_a_list_without_spans_shows_the_newest() -> None:
    plan = _plan(_tasks(120), [1.0] * 120, adapter=hiapi)
    assert plan is not None
    assert [task.id for task in plan.tasks] == [f"t{number}" for number in range(20, 120)]


def test_a_single_poll_that_is_worth_more_goes_first() -> None:
    assert _plan(_tasks(4), [1.0, 1.0, 1.0, 9.0]) is not None
    assert _plan(_tasks(4), [1.0, 1.0, 1.0, float("inf")]) is None
    assert _plan(_tasks(4), [1.0, 1.0, 1.0, 9.0], share=0.5) is None
    assert _plan(_tasks(1), [1.0]) is None
    assert _plan([], []) is None


def test_tasks_that_the_list_does_not_reach_or_the_provider_has_not_named_are_on_no_page() -> None:
    old = a_task("old", state=TaskState.RUNNING, provider_task_id=ProviderTaskId("p"), sent_ms=T0 - 1)
    open_submit = a_task("open", state=TaskState.UNCERTAIN, sent_ms=T0 + 5)
    plan = _plan([*_tasks(2), old, open_submit], [1.0] * 4)
    assert plan is not None
    assert [task.id for task in plan.tasks] == ["t0", "t1"]
