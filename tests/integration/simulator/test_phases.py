"""How time alone moves a task."""

import math

import pytest

from submitter.simulator.task import Clip, Draft, Phase, Task, TaskEndedError, phase_at

QUEUED_SHARE = 0.1


def a_task(ends_s: float = 100.0, outcome: Phase = Phase.SUCCEEDED, *faults: str) -> Task:
    draft = Draft(model="m", prompt="p", body={}, clip=Clip())
    return Task(
        platform="hiapi",
        task_id="t",
        draft=draft,
        raw=b"",
        headers={},
        origin="",
        faults=frozenset(faults),
        created_s=0.0,
        ends_s=ends_s,
        outcome=outcome,
    )


@pytest.mark.parametrize(
    ("now_s", "phase"),
    [(0, "queued"), (9.9, "queued"), (10, "running"), (89.9, "running"), (90, "archiving"), (100, "succeeded")],
)
def test_a_good_task_is_queued_then_runs_then_archives_then_ends(now_s: float, phase: str) -> None:
    assert phase_at(a_task(), now_s, queued_share=QUEUED_SHARE).value == phase


def test_a_task_that_will_fail_never_archives() -> None:
    assert phase_at(a_task(100.0, Phase.FAILED), 95, queued_share=QUEUED_SHARE) is Phase.RUNNING


def test_a_fresh_row_is_not_started_for_as_long_as_configured() -> None:
    phases = [phase_at(a_task(), now_s, queued_share=QUEUED_SHARE, not_started_s=5).value for now_s in (0, 4.9, 5)]
    assert phases == ["not_started", "not_started", "queued"]


def test_a_task_without_an_end_runs_for_ever() -> None:
    assert phase_at(a_task(math.inf), 1e12, queued_share=QUEUED_SHARE) is Phase.RUNNING


def test_a_task_ends_once() -> None:
    task = a_task()
    task.end(Phase.FAILED, 50)
    assert phase_at(task, 50, queued_share=QUEUED_SHARE) is Phase.FAILED
    with pytest.raises(TaskEndedError):
        task.end(Phase.SUCCEEDED, 51)


def test_query_faults_follow_each_other_in_the_order_of_the_menu() -> None:
    task = a_task(100.0, Phase.SUCCEEDED, "query_slow", "not_visible", "fail")
    assert [task.next_query_fault() for _ in range(4)] == ["not_visible", "not_visible", "query_slow", None]


@pytest.mark.parametrize(
    ("resolution", "ratio", "pixels"),
    [("720P", "16:9", (1280, 720)), ("1080P", "9:16", (1080, 1920)), ("720P", "1:1", (720, 720))],
)
def test_a_clips_shorter_side_is_its_resolution(resolution: str, ratio: str, pixels: tuple[int, int]) -> None:
    assert Clip(resolution=resolution, ratio=ratio).pixels == pixels
