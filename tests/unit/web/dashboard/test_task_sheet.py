"""What the page of a task shows of a long timeline."""

import pytest

from receiver.tasks.model.timeline import TimelineEntry
from receiver.web.dashboard.model.task_sheet import FIRST_LINES, LAST_LINES, lines_left_out, lines_of

BOTH = FIRST_LINES + LAST_LINES


@pytest.mark.parametrize(("number", "left"), [(0, 0), (1, 0), (BOTH, 0), (BOTH + 1, 1), (5_000, 5_000 - BOTH)])
def test_the_beginning_and_the_end_of_a_timeline_are_shown(number: int, left: int) -> None:
    timeline = [TimelineEntry(at_ms=each, kind="audit", summary=str(each), detail={}) for each in range(number)]
    shown = [int(line.summary) for line in lines_of(timeline, 0, ())]
    assert lines_left_out(timeline) == left
    assert len(shown) == number - left
    assert shown == sorted(set(shown))
    if left:
        assert shown[:FIRST_LINES] == list(range(FIRST_LINES))
        assert shown[FIRST_LINES:] == list(range(number - LAST_LINES, number))
