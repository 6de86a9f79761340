"""The timeline of a task in a terminal: offsets, clocks, and details below each entry."""

from typing import Any

from rich.console import Console

from receiver.cli.display.tables import entry_details, timeline_table
from receiver.runtime.durations import format_offset
from submitter.api import TimelineEntry
from submitter.timestamps import rfc3339
from tests.support.builders import T0


def _entry(**fields: Any) -> TimelineEntry:
    values = {"at": T0 + 4_200, "kind": "observation", "summary": "poll says running", "detail": {}}
    return TimelineEntry.model_validate(values | fields)


def _drawn(*entries: TimelineEntry) -> str:
    out = Console(width=80, force_terminal=False)
    with out.capture() as captured:
        out.print(timeline_table(entries, rfc3339(T0) or "", T0 + 9_000))
    return captured.get()


def test_the_timeline_counts_from_the_tasks_creation_and_has_the_clock() -> None:
    assert _drawn(_entry()).split("  ") == ["+4.2 s", "14:13:24", "observation", "poll says running\n"]
    assert format_offset(-80) == "-80 ms"


def test_errors_outputs_and_answers_are_shown_below_the_entry() -> None:
    failed = _entry(
        detail={"error": {"code": "E1", "message": "no"}, "outputs": [{"type": "video", "url": "https://x/v"}]}
    )
    answered = _entry(kind="attempt", detail={"response": "go away"})
    audited = _entry(kind="audit", detail={"refused": True})
    assert [tuple(entry_details(entry)) for entry in (failed, answered, audited)] == [
        ("E1: no", "video: https://x/v"),
        ("answer: go away",),
        ("refused: True",),
    ]


def test_details_of_another_form_than_ours_are_no_trouble() -> None:
    odd = _entry(detail={"error": "words", "outputs": [7, "https://x/v"], "reply": 3})
    assert list(entry_details(odd)) == ["reply: 3", "7", "https://x/v"]
    assert list(entry_details(_entry(detail={"outputs": "none"}))) == []


def test_the_reply_that_could_not_be_used_is_one_line_of_the_entry() -> None:
    entry = _entry(detail={"reason": "502", "reply": "<html>\r\n\t502</html>"})
    assert list(entry_details(entry)) == [r"reply: <html>\r\n\t502</html>"]
    drawn = _drawn(_entry(detail={"reply": "\x1b[2J" + "x" * 1024}))
    assert "\x1b[2J" not in drawn
    assert r"\x1b[2J" in drawn
    assert drawn.count("x") >= 1024
