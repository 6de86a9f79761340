"""How many reports about one task are stored: the first few whole, some more without their bodies, the rest counted.

Pure. A provider, or whoever has a callback's address, may report the same end any number of times. What ends a task is
always stored whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from receiver.tasks.model.lifecycle import Change
from receiver.tasks.model.task import Verdict
from submitter.values import changed


class Stored(StrEnum):
    """What becomes of a report that the timeline is for."""

    WHOLE = "whole"
    WITHOUT_BODY = "without body"
    COUNTED = "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLimits:
    """How many reports of one verdict a task's timeline holds."""

    whole: int
    lines: int


#: Contradictions say something new more often than the others; applied ones are words that are new or not documented.
LIMITS: Mapping[Verdict, ReportLimits] = {
    Verdict.APPLIED: ReportLimits(whole=20, lines=200),
    Verdict.DUPLICATE: ReportLimits(whole=3, lines=20),
    Verdict.STALE: ReportLimits(whole=3, lines=20),
    Verdict.CONTRADICTION: ReportLimits(whole=20, lines=100),
}


def counted(change: Change) -> tuple[Change, Stored]:
    """The change with its report counted in the task, and how the report is stored. An end is not counted."""
    if not change.should_record:
        return change, Stored.COUNTED
    if change.event is not None:
        return change, Stored.WHOLE
    verdict = change.verdict
    number = change.task.reports.get(verdict.value, 0) + 1
    task = changed(change.task, {"reports": {**change.task.reports, verdict.value: number}})
    return Change(task=task, verdict=verdict, event=None, should_record=True), _stored(verdict, number)


def _stored(verdict: Verdict, number: int) -> Stored:
    limits = LIMITS[verdict]
    if number <= limits.whole:
        return Stored.WHOLE
    return Stored.WITHOUT_BODY if number <= limits.lines else Stored.COUNTED


def left_out(reports: Mapping[str, int]) -> Mapping[str, int]:
    """How many reports of each verdict the timeline does not show."""
    return {
        verdict.value: reports[verdict.value] - limits.lines
        for verdict, limits in LIMITS.items()
        if reports.get(verdict.value, 0) > limits.lines
    }
