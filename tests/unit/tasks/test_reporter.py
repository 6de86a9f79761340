"""What is told of a task that ended: it is counted once, and each has its ids in the log."""

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.metrics import shared_lines
from receiver.metrics.registry import Metrics
from receiver.metrics.shared_lines import MOST_A_SECOND, SharedLines
from receiver.tasks.model.task import Recorded, RecordOutcome, Task, UnknownTask, Verdict
from receiver.tasks.reporter import TaskReporter
from submitter.model import Refusal, Refused, Source, TaskError, TaskState, Uncertain
from tests.support.builders import T0, a_receipt, a_report, a_task


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["hiapi"])


def _ended(number: int = 1, **changes: Any) -> Task:
    values = {"state": TaskState.SUCCEEDED, "sent_ms": T0, "final_ms": T0 + 60_000, "provider_task_id": f"p{number}"}
    return a_task(f"tsk_{number}", **(values | changes))


def _values(metrics: Metrics, name: str) -> Mapping[tuple[str, ...], int]:
    families = [family for family in metrics.by_minute() if family.name == name]
    return {labels: count for family in families for labels, count in family.values() if count}


async def test_an_end_is_counted_with_who_reported_it_and_its_duration(metrics: Metrics) -> None:
    reporter = TaskReporter(metrics)
    reporter.ended(_ended(callback_expected=True), Source.CALLBACK, completed_at_ms=T0 + 58_000)
    reporter.ended(_ended(), Source.POLL)
    counts = _values(metrics, "whenfinal_tasks_final")
    assert counts == {
        ("hiapi", "succeeded", "callback", "true"): 1,
        ("hiapi", "succeeded", "poll", "false"): 1,
    }
    assert metrics.distribution("whenfinal_task_duration_seconds", "hiapi", "succeeded").sum == 120
    assert metrics.distribution("whenfinal_detection_delay_seconds", "hiapi", "callback").sum == 2


async def test_a_provider_that_is_not_configured_adds_no_series_of_its_own(metrics: Metrics) -> None:
    reporter = TaskReporter(metrics)
    for name in ("one", "two"):
        reporter.ended(_ended(provider=name), Source.POLL)
    assert _values(metrics, "whenfinal_tasks_final") == {("other", "succeeded", "poll", "false"): 2}


async def test_only_observations_that_ended_their_task_are_ends(metrics: Metrics) -> None:
    batch = [a_report(source=Source.CALLBACK)] * 3
    outcomes: list[RecordOutcome] = [
        Recorded(task=_ended(), verdict=Verdict.APPLIED, event_seq=7),
        Recorded(task=_ended(), verdict=Verdict.DUPLICATE),
        UnknownTask(),
    ]
    TaskReporter(metrics).recorded(batch, outcomes)
    assert _values(metrics, "whenfinal_tasks_final") == {("hiapi", "succeeded", "callback", "false"): 1}


async def test_the_line_of_an_end_has_the_ids_of_the_task() -> None:
    with capture_logs() as lines:
        TaskReporter().ended(_ended(final_event="evt_1"), Source.POLL)
    assert lines == [
        {
            "event": "task_ended",
            "log_level": "info",
            "task": "tsk_1",
            "provider": "hiapi",
            "provider_task": "p1",
            "state": "succeeded",
            "by": "poll",
            "event_id": "evt_1",
        }
    ]


async def test_ends_beyond_the_first_of_a_second_share_lines_and_keep_their_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_lines, "TOGETHER", 7)
    reporter = TaskReporter()
    with capture_logs() as lines:
        for number in range(MOST_A_SECOND + 10):
            reporter.ended(_ended(number), Source.CALLBACK)
        reporter.flush()
        reporter.flush()
    single = [line["task"] for line in lines if line["event"] == "task_ended"]
    shared = [each for line in lines if line["event"] == "tasks_ended" for each in line["tasks"].split(", ")]
    told = single + [each.split()[0] for each in shared]
    assert told == [f"tsk_{number}" for number in range(MOST_A_SECOND + 10)]
    assert shared[0] == f"tsk_{MOST_A_SECOND} hiapi p{MOST_A_SECOND} succeeded by callback"
    assert len(lines) <= MOST_A_SECOND + 10


async def test_what_was_gathered_is_written_by_itself_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_lines, "MOST_A_SECOND", 0)
    written: list[str] = []
    lines = SharedLines(written.append)
    assert not lines.may_write()
    lines.share("a")
    timer = lines._timer
    assert timer is not None
    timer._run()
    assert written == ["a"]
    lines.flush()
    assert written == ["a"]


async def test_a_batch_is_counted_with_its_size_and_time(metrics: Metrics) -> None:
    outcomes: list[RecordOutcome] = [UnknownTask(), UnknownTask()]
    TaskReporter(metrics).committed([a_report(), a_report()], outcomes, 0.5)
    assert metrics.distribution("whenfinal_commit_batch_size").sum == 2
    assert metrics.distribution("whenfinal_commit_duration_seconds").sum == 0.5


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (a_receipt(), "accepted"),
        (Refused(refusal=Refusal.QUOTA, error=TaskError(code="402", message="no credit")), "refused"),
        (Uncertain(reason="the reply was lost"), "uncertain"),
    ],
)
async def test_a_submit_is_counted_by_its_outcome(metrics: Metrics, outcome: Any, word: str) -> None:
    TaskReporter(metrics).submitted("hiapi", outcome, 1500)
    assert _values(metrics, "whenfinal_submits") == {("hiapi", word): 1}
    assert metrics.distribution("whenfinal_submit_duration_seconds", "hiapi").sum == 1.5
