"""Which due tasks a page of a provider's list is to answer for."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from receiver.reconcile.model.listing import (
    FRESH_MS,
    FURTHER_PAGES,
    LAST_PAGE,
    MARGIN_MS,
    Listed,
    ListPlan,
    Reading,
    listed,
    plan_list,
    reading_of,
)
from receiver.tasks.model.task import Task
from submitter.model import ListedTask, ListPage, ProviderTaskId, TaskState
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
    tasks: list[Task],
    worths: list[float],
    *,
    adapter: object = dashscope,
    share: float = 1.0,
    reading: Reading | None = None,
    now_ms: int = T0,
) -> ListPlan | None:
    by_id = {task.id: worth for task, worth in zip(tasks, worths, strict=True)}
    lists = hiapi if adapter is hiapi else dashscope
    return plan_list(
        tasks, lists, worth=lambda task: by_id[task.id], share=share, oldest_ms=T0, now_ms=now_ms, reading=reading
    )


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


MINUTE_MS = 60_000
NOW_MS = T0 + 400 * MINUTE_MS

#: The first page went back to the task that was submitted at minute 300, and a page covers a hundred minutes.
READING = Reading(
    since_ms=0,
    until_ms=NOW_MS,
    page=1,
    at_ms=NOW_MS,
    oldest_ms=T0 + 300 * MINUTE_MS,
    page_ms=100 * MINUTE_MS,
    first_reaches_ms=100 * MINUTE_MS,
)


def _further(worth: Callable[[int], float], reading: Reading = READING, now_ms: int = NOW_MS) -> ListPlan | None:
    tasks = [task for number, task in enumerate(_tasks(400)) if worth(number) > 0]
    worths = [worth(number) for number in range(400) if worth(number) > 0]
    return _plan(tasks, worths, adapter=hiapi, reading=reading, now_ms=now_ms)


def _numbers(plan: ListPlan | None) -> tuple[int, list[int]]:
    assert plan is not None
    return plan.page, [int(task.id[1:]) for task in plan.tasks]


def test_the_next_page_is_read_for_the_tasks_that_are_old_enough_to_be_on_it() -> None:
    plan = _further(lambda number: 1.0 if number < 350 else 0.0)
    assert _numbers(plan) == (2, list(range(201, 301)))


def test_a_page_further_on_goes_first_where_it_covers_more() -> None:
    assert _numbers(_further(lambda number: 5.0 if number < 90 else 1.0)) == (4, list(range(1, 101)))
    assert _numbers(_further(lambda number: 5.0 if number > 320 else 1.0))[0] == 1


def test_a_further_page_that_is_worth_less_than_a_poll_is_not_read() -> None:
    assert _further(lambda number: {10: 1.0, 20: 1.0, 250: 9.0}.get(number, 0.0)) is None
    assert _further(lambda number: {210: 1.0}.get(number, 0.0)) is None


def test_no_list_is_read_beyond_its_last_page() -> None:
    def is_old(number: int) -> float:
        return float(number < 290)

    assert _further(is_old, replace(READING, page=LAST_PAGE)) is None
    assert _numbers(_further(is_old, replace(READING, page=LAST_PAGE - 1)))[0] == LAST_PAGE


def test_no_page_is_read_that_is_too_far_behind_the_last_one() -> None:
    is_oldest, page_ms = lambda number: float(number < 50), 50 * MINUTE_MS
    assert _further(is_oldest, replace(READING, page_ms=page_ms)) is None
    near = replace(READING, page_ms=page_ms, oldest_ms=T0 + 60 * MINUTE_MS)
    assert _numbers(_further(is_oldest, near))[0] <= 1 + FURTHER_PAGES


@pytest.mark.parametrize("later_ms", [FRESH_MS, -1, -86_400_000])
def test_a_list_that_was_read_a_while_ago_or_before_the_clock_was_set_back_begins_again(later_ms: int) -> None:
    assert _numbers(_further(lambda number: float(number < 290), now_ms=NOW_MS + later_ms))[0] == 1


def test_a_page_of_a_list_without_spans_moves_with_the_time() -> None:
    plan = _further(lambda number: float(150 < number < 300), replace(READING, at_ms=NOW_MS - 59_000))
    assert _numbers(plan) == (2, list(range(201, 300)))


def _page(*created_ms: int | None, has_more: bool = True) -> ListPage:
    rows = [
        ListedTask(provider_task_id=ProviderTaskId(f"p{n}"), raw_state="handling", created_at_ms=created)
        for n, created in enumerate(created_ms)
    ]
    return ListPage(rows=tuple(rows), has_more=has_more)


PLAN = ListPlan(tasks=(), since_ms=5, until_ms=9)


def test_a_list_goes_on_where_it_says_so_and_tells_how_old_its_tasks_are() -> None:
    reading = reading_of(PLAN, _page(T0 + 9_000, None, T0 + 2_000), None, T0 + 10_000)
    assert reading == Reading(
        since_ms=5, until_ms=9, page=1, at_ms=T0 + 10_000, oldest_ms=T0 + 2_000, page_ms=7_000, first_reaches_ms=8_000
    )
    second = reading_of(replace(PLAN, page=2), _page(T0 + 1_000, T0), reading, T0 + 10_500)
    assert second is not None
    assert (second.page, second.oldest_ms, second.first_reaches_ms) == (2, T0, 8_000)
    assert reading_of(PLAN, _page(T0, has_more=False), None, T0) is None
    assert reading_of(PLAN, _page(None), None, T0) is None
    assert reading_of(PLAN, _page(), None, T0) is None


@pytest.mark.parametrize("created_ms", [(10**15, 10**15), (0, 0), (0, 10**15)])
def test_creation_times_that_lie_give_a_page_some_time(created_ms: tuple[int, int]) -> None:
    reading = reading_of(PLAN, _page(*created_ms), None, T0)
    assert reading is not None
    assert reading.oldest_ms <= T0
    assert 1000 <= reading.page_ms <= T0


def test_a_page_says_of_each_task_that_it_runs_has_ended_is_missing_or_may_be_behind() -> None:
    page = ListPage(
        rows=tuple(
            ListedTask(provider_task_id=ProviderTaskId(f"p{n}"), raw_state=word)
            for n, word in [(390, "handling"), (391, "success"), (392, "success"), (392, "handling")]
        ),
        has_more=True,
    )
    running = {ProviderTaskId("p390")}
    tasks = _tasks(400)
    wanted = [tasks[n] for n in (390, 391, 392, 393, 10)]
    assert [listed(task, page, running, READING) for task in wanted] == [
        Listed.RUNNING,
        Listed.ENDED,
        Listed.MISSING,
        Listed.MISSING,
        Listed.BEHIND,
    ]
    assert listed(tasks[10], page, running, None) is Listed.MISSING


@pytest.mark.parametrize("said", Listed)
def test_a_task_that_was_listed_is_on_no_first_page_and_one_that_is_behind_on_a_further_one(said: Listed) -> None:
    old = _tasks(290)
    known = {task.id: said for task in old}
    plan = plan_list(
        old, hiapi, worth=lambda _: 1.0, share=1.0, oldest_ms=T0, now_ms=NOW_MS, listed=known, reading=READING
    )
    assert (plan is not None) == (said is Listed.BEHIND)
    assert plan_list(old, hiapi, worth=lambda _: 1.0, share=1.0, oldest_ms=T0, now_ms=NOW_MS, listed=known) is None
