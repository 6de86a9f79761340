"""Nothing that a provider or a caller wrote reaches a terminal raw, whichever table or sentence it stands in."""

import io

import pytest
from rich.console import Console, Group, RenderableType

from receiver.cli.display.list_tables import tasks_table
from receiver.cli.display.listing import cell
from receiver.cli.display.tables import next_steps_lines, task_sheet, timeline_table
from receiver.runtime.next_steps import NextSteps
from receiver.runtime.printable import escape_control, escape_json
from receiver.tasks.model.timeline import TimelineEntry
from submitter.model import TaskError, TaskState
from tests.support.builders import T0, a_task

ODD = "a\x1b[2J\x07\x7f\x85\x9b31m\u202e\u2066\u200f\u2028\u2029\ufeff\ud800"
KEPT = "é 你 ✅"


def _shown(*parts: RenderableType) -> str:
    out = Console(file=io.StringIO(), width=400, markup=False, highlight=False, emoji=False, color_system=None)
    for part in parts:
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def _parts() -> dict[str, RenderableType]:
    odd = ODD + KEPT
    error = TaskError(code=odd, message=odd)
    task = a_task(state=TaskState.FAILED, raw_state=odd, error=error, labels={odd: odd}, model=odd)
    detail = {"error": {"code": odd, "message": odd}, "outputs": [{"type": odd, "url": odd}], "response": odd}
    entries = [
        TimelineEntry(at_ms=T0, kind=kind, summary=odd, detail=detail) for kind in ("observation", "attempt", "audit")
    ]
    return {
        "sheet": task_sheet(task, T0),
        "table": tasks_table([task], T0),
        "timeline": timeline_table(entries, T0),
        "steps": Group(*next_steps_lines(NextSteps(automatic=(odd,), manual=(odd,)))),
        "cell": cell(odd),
    }


@pytest.mark.parametrize("part", ["sheet", "table", "timeline", "steps", "cell"])
def test_what_is_not_printable_is_shown_as_an_escape(part: str) -> None:
    shown = _shown(_parts()[part])
    assert {each for each in shown if not each.isprintable()} <= {"\n"}


def test_an_escape_says_which_character_it_was() -> None:
    assert escape_control(ODD) == r"a\x1b[2J\x07\x7f\x85\x9b31m\u202e\u2066\u200f\u2028\u2029\ufeff\ud800"
    assert escape_control(f"{KEPT}\n\t") == f"{KEPT}\n\\t"
    assert escape_control("a\nb", keep="") == r"a\nb"
    assert escape_json('{"a":"\u202e\U000e0041\x85"}') == r'{"a":"\u202e\udb40\udc41\u0085"}'
