"""Which of a provider's tasks a lost submit may have created, and when the choice is clear."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.tasks.model.candidates import (
    EARLY_MS,
    LATE_MS,
    Listing,
    Search,
    Window,
    compare,
    doubts,
    merged,
    prompt_of,
    rank,
    search_of,
    window_of,
)
from receiver.tasks.model.task import Task
from submitter.model import ListedTask, ProviderTaskId, TaskState
from tests.support.builders import T0, a_task

PROMPT = {"video": {"prompt": "a horse"}}


def _lost(name: str = "tsk_1", **changes: Any) -> Task:
    return a_task(name, **{"state": TaskState.UNCERTAIN, "model": "m", "request": PROMPT, **changes})


def _row(name: str = "p1", **changes: Any) -> ListedTask:
    values: dict[str, Any] = {"raw_state": "queued", "model": "m", "created_at_ms": T0 + 1_000}
    return ListedTask(provider_task_id=ProviderTaskId(name), **(values | changes))


def _window(task: Task) -> Window:
    return window_of(task, now_ms=T0 + 86_400_000, is_idempotent=False)


def _search(task: Task, *rows: ListedTask, rivals: tuple[Task, ...] = (), problem: str = "") -> Search:
    listing = Listing(rows=rows, listed=len(rows), problem=problem)
    return search_of(task, _window(task), listing, [(each, _window(each)) for each in (task, *rivals)])


def test_our_own_id_decides_alone() -> None:
    own = _row("p1", own_id="tsk_1", model="other", created_at_ms=None)
    search = _search(_lost(), _row("p2", own_id=""), own, _row("p3", own_id="tsk_2"))
    assert (search.clear, [each.listed.provider_task_id for each in search.fitting]) == (compare(_lost(), own), ["p1"])
    assert _search(_lost(), own, rivals=(_lost("tsk_2"),)).clear is not None
    assert _search(_lost(), own, _row("p4", own_id="tsk_1")).why_not_clear == "2 fit"


def test_the_only_candidate_is_clear() -> None:
    search = _search(_lost(), _row())
    assert search.clear == compare(_lost(), _row())
    assert search.why_not_clear == ""


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((), "none that fits"),
        ((_row(model="other"),), "none that fits"),
        ((_row(prompt="another"),), "none that fits"),
        ((_row("p1"), _row("p2")), "2 fit"),
        ((_row("p1"), _row("p2", model=None)), "2 fit"),
        ((_row("p1"), _row("p2", created_at_ms=None)), "2 fit"),
        ((_row(model=None),), "neither its model nor its prompt can be compared, or its time is not known"),
        ((_row(created_at_ms=None),), "neither its model nor its prompt can be compared, or its time is not known"),
        ((_row(created_at_ms=T0 - EARLY_MS - 1),), "none that fits"),
        ((_row(created_at_ms=T0 + LATE_MS + EARLY_MS + 1),), "none that fits"),
    ],
)
def test_what_is_not_the_only_one_is_not_clear(rows: tuple[ListedTask, ...], why: str) -> None:
    search = _search(_lost(), *rows)
    assert (search.clear, search.why_not_clear) == (None, why)


@pytest.mark.parametrize(
    "rows",
    [
        (_row("p1"), _row("p2", model="other")),
        (_row("p1"), _row("p2", prompt="another")),
        (_row("p1", prompt="a horse", model=None), _row("p2", model="other")),
        (_row("p1", created_at_ms=T0 - EARLY_MS), _row("p2", created_at_ms=T0 - EARLY_MS - 1)),
        (_row("p1", created_at_ms=T0 + LATE_MS), _row("p2", created_at_ms=T0 + 2 * LATE_MS)),
    ],
)
def test_what_cannot_be_it_does_not_stand_in_the_way(rows: tuple[ListedTask, ...]) -> None:
    clear = _search(_lost(), *rows).clear
    assert clear is not None
    assert clear.listed.provider_task_id == "p1"


@pytest.mark.parametrize("state", [TaskState.UNCERTAIN, TaskState.SUBMITTING])
def test_a_candidate_that_fits_two_open_submits_counts_for_neither(state: TaskState) -> None:
    one, two = _lost("tsk_1"), _lost("tsk_2", state=state)
    searches = [_search(one, _row(), rivals=(two,)), _search(two, _row(), rivals=(one,))]
    assert [search.clear for search in searches] == [None, None]
    assert [search.why_not_clear for search in searches] == ["it fits tsk_2 as well", "it fits tsk_1 as well"]


@pytest.mark.parametrize(
    "other",
    [_lost("tsk_2", model="x"), _lost("tsk_2", created_ms=T0 + 86_400_000), _lost("tsk_2", request={"raw": {}})],
)
def test_a_submit_that_it_does_not_fit_is_no_rival(other: Task) -> None:
    row = _row(prompt="a horse") if other.request != PROMPT else _row()
    rival = replace(other, request={"video": {"prompt": "x"}}) if other.request == {"raw": {}} else other
    assert _search(_lost(), row, rivals=(rival,)).clear is not None


def test_prompts_tell_two_lost_submits_of_one_moment_apart() -> None:
    one, two = _lost("tsk_1"), _lost("tsk_2", request={"video": {"prompt": "a fox"}})
    rows = (_row("p1", prompt="a fox"), _row("p2", prompt="a horse"))
    clear = [_search(one, *rows, rivals=(two,)).clear, _search(two, *rows, rivals=(one,)).clear]
    assert [each and each.listed.provider_task_id for each in clear] == ["p2", "p1"]


def test_nothing_is_clear_unless_the_whole_time_was_read() -> None:
    search = _search(_lost(), _row(), problem="its list is longer than 20 pages")
    assert (search.clear, search.why_not_clear, len(search.found)) == (None, "its list is longer than 20 pages", 1)


def test_the_same_prompt_comes_first_then_the_same_model_and_then_the_nearest_in_time() -> None:
    rows = [
        _row("other model", model="other", created_at_ms=T0),
        _row("no time", created_at_ms=None),
        _row("later", created_at_ms=T0 + 9_000),
        _row("soon", created_at_ms=T0 + 1_000),
        _row("before", created_at_ms=T0 - 2_000),
        _row("same prompt", model=None, prompt="a horse"),
        _row("other prompt", prompt="a fox"),
    ]
    ranked = [each.listed.provider_task_id for each in rank(_lost(), rows)]
    assert ranked == ["same prompt", "soon", "before", "later", "no time", "other model", "other prompt"]


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        ({"video": {"prompt": " a horse "}}, "a horse"),
        ({"raw": {"body": {"input": {"prompt": "a fox"}}}}, "a fox"),
        ({"raw": {"body": {"prompt": "an owl"}}}, "an owl"),
        ({"raw": {"body": {"input": "x"}}}, None),
        ({}, None),
    ],
)
def test_the_prompt_of_a_request_is_found(request_: dict[str, Any], prompt: str | None) -> None:
    assert prompt_of(_lost(request=request_)) == prompt


@pytest.mark.parametrize(
    ("windows", "spans"),
    [
        ([(5, 9), (1, 3)], [(1, 3), (5, 9)]),
        ([(1, 5), (5, 9)], [(1, 9)]),
        ([(1, 9), (2, 3), (8, 12)], [(1, 12)]),
        ([], []),
    ],
)
def test_overlapping_times_are_read_together(windows: list[tuple[int, int]], spans: list[tuple[int, int]]) -> None:
    found = merged(Window(since_ms=since, until_ms=until) for since, until in windows)
    assert [(span.since_ms, span.until_ms) for span in found] == spans


def test_with_an_idempotency_key_the_task_may_have_been_created_until_now() -> None:
    for is_idempotent, until_ms in ((True, T0 + 86_400_000), (False, T0 + LATE_MS)):
        window = window_of(_lost(), now_ms=T0 + 86_400_000, is_idempotent=is_idempotent)
        assert (window.since_ms, window.until_ms) == (T0 - EARLY_MS, until_ms + EARLY_MS)


def test_what_speaks_against_a_named_task_is_said_in_sentences() -> None:
    task = _lost()
    assert doubts(task, _row(), _window(task)) == ()
    assert doubts(task, _row(model=None, created_at_ms=None), _window(task)) == ()
    all_of_them = doubts(task, _row(model="x", prompt="y", created_at_ms=T0 - 10 * EARLY_MS), _window(task))
    assert all_of_them == (
        "its model is x, and this task's is m",
        "its prompt is another",
        "it was not created at the time of this submit",
    )
