"""Nothing that a provider or a caller wrote reaches a terminal raw, whichever table or sentence it stands in."""

import io
from typing import Literal

import pytest
from rich.console import Console, Group, RenderableType

from receiver.cli.display.list_tables import tasks_table
from receiver.cli.display.listing import cell
from receiver.cli.display.run_tables import run_parts
from receiver.cli.display.settle_tables import candidates_table, looks_table
from receiver.cli.display.tables import next_steps_lines, task_sheet, timeline_table
from receiver.runtime.printable import escape_control, escape_json
from submitter.api import TaskDetail, TimelineEntry
from submitter.api_runs import Run, RunNote
from submitter.api_tasks import Candidate, Explanation, Look
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
    odd = ODD.removesuffix("\ud800") + KEPT  # no answer of the API holds half a character
    error = TaskError(code=odd, message=odd)
    task = a_task(state=TaskState.FAILED, raw_state=odd, error=error, labels={odd: odd}, model=odd)
    detail = {"error": {"code": odd, "message": odd}, "outputs": [{"type": odd, "url": odd}], "response": odd}
    shown = TaskDetail.model_validate(task)
    at = shown.created_at
    kinds: tuple[Literal["observation", "attempt", "audit"], ...] = ("observation", "attempt", "audit")
    entries = [TimelineEntry(at=at, kind=kind, summary=odd, detail=detail) for kind in kinds]
    explained = Explanation(task=shown, timeline=tuple(entries), left_out={}, next=(odd,), cure=(odd,))
    candidate = Candidate.model_validate(
        {"task_id": odd, "raw_state": odd, "model": odd, "prompt": odd, "created_at": odd, "after_s": 1.0}
        | {"same_model": None, "same_prompt": None, "fits": True, "also_fits": (odd,)}
    )
    look = Look(task=task.id, provider=odd, listed=1, problem=odd, clear=odd, why=odd, candidates=(candidate,), more=0)
    run = Run.model_validate(
        {"id": odd, "kind": odd, "actor": odd, "state": "failed", "expected": 1, "done": 0, "failed": 1}
        | {"notes": (RunNote(item=odd, words=odd),), "created_at": at, "ended_at": None, "last_error": odd}
    )
    return {
        "sheet": task_sheet(shown, T0),
        "table": tasks_table([shown], T0),
        "timeline": timeline_table(entries, at, T0),
        "steps": Group(*next_steps_lines(explained)),
        "candidates": Group(candidates_table(look), looks_table([look])),
        "run": Group(*(cell(each) if isinstance(each, str) else each for each in run_parts(run, "task"))),
        "cell": cell(odd),
    }


@pytest.mark.parametrize("part", ["sheet", "table", "timeline", "steps", "candidates", "run", "cell"])
def test_what_is_not_printable_is_shown_as_an_escape(part: str) -> None:
    shown = _shown(_parts()[part])
    assert {each for each in shown if not each.isprintable()} <= {"\n"}


def test_an_escape_says_which_character_it_was() -> None:
    assert escape_control(ODD) == r"a\x1b[2J\x07\x7f\x85\x9b31m\u202e\u2066\u200f\u2028\u2029\ufeff\ud800"
    assert escape_control(f"{KEPT}\n\t") == f"{KEPT}\n\\t"
    assert escape_control("a\nb", keep="") == r"a\nb"
    assert escape_json('{"a":"\u202e\U000e0041\x85"}') == r'{"a":"\u202e\udb40\udc41\u0085"}'
