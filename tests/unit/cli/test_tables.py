"""Tables on terminals of every width: what is copied into the next command is whole or not there at all."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from receiver.cli.demo.display import Progress, draw
from receiver.cli.display.listing import cell, table
from receiver.cli.display.tables import queue_lines, queued_table, task_sheet
from receiver.cli.display.times import age, clock, clock_and_age, moment, offset, when
from submitter.api import QueuePlace, Task, TaskDetail
from submitter.api_queue import QueuedTask, QueueLength
from submitter.model import Output, TaskState
from submitter.timestamps import rfc3339
from tests.support.builders import T0, a_task

TASK = "tsk_01m7yrqm47904bn5a9g1vxy29m"
PROVIDERS_ID = "08967877-4bbe-4fe6-9461-df02d49f94a5"
ROW = [cell(each) for each in (TASK, "modelstream", "succeeded", "100 %", "1 min 43 s", PROVIDERS_ID, "shop=a")]
URL = "https://cdn.example/" + "v" * 90 + ".mp4"


def _drawn(part: RenderableType, width: int) -> list[str]:
    out = Console(width=width, force_terminal=False)
    with out.capture() as captured:
        out.print(part)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [20, 60, 80, 100, 240])
def test_an_id_to_copy_is_never_broken_and_no_line_is_too_long(width: int) -> None:
    listing = table("task", "provider", "state", "progress", "age", "provider's id", "labels", rows=[ROW])
    lines = _drawn(listing, width)
    assert width < len(TASK) or sum(TASK in line for line in lines) == 1
    assert max(map(len, lines)) <= width


def test_columns_that_do_not_fit_are_named() -> None:
    listing = table("task", "provider", "state", "provider's id", "labels", rows=[(*ROW[:3], *ROW[5:])])
    assert _drawn(listing, 60)[-1] == "too narrow for: provider's id, labels; -o wide shows all"
    assert "too narrow" not in "".join(_drawn(listing, 240))


@pytest.mark.parametrize(("width", "missing"), [(80, ()), (60, ("priority", "waiting"))])
def test_the_list_of_a_queue_shows_the_place_of_each_task_and_the_length_below(
    width: int, missing: tuple[str, ...]
) -> None:
    queued = [_queued(f"{TASK[:-1]}{n}", position=n + 1, priority=9 - n) for n in range(2)]
    length = {"provider": "hiapi", "depth": 340, "oldest_at": T0 - 60_000}
    held = QueueLength.model_validate({**length, "held_until": T0 + 30_000, "held_reason": "throttled: x"})
    lines = _drawn(queued_table(queued, T0), width)
    shown = "\n".join(lines)
    assert ("2 of 340" in shown, TASK[:-1] in shown, max(map(len, lines)) <= width) == (True, True, True)
    assert [word for word in ("place", "priority", "waiting") if word not in lines[0]] == list(missing)
    (below,) = queue_lines([held], T0)
    assert below.plain == (
        "hiapi: 340 queued, the oldest for 1 min; held back, throttled: x; the next one is sent in 30 s"
    )
    (free,) = queue_lines([QueueLength.model_validate({**length, "held_until": None, "held_reason": None})], T0)
    assert free.plain == "hiapi: 340 queued, the oldest for 1 min"


def _queued(task_id: str, *, position: int, priority: int) -> QueuedTask:
    task = TaskDetail.model_validate(a_task(task_id, state=TaskState.QUEUED))
    place = {"position": position, "depth": 340, "priority": priority, "oldest_at": T0 - 60_000}
    queue = QueuePlace.model_validate({**place, "until_at": None, "held_until_at": None, "held_reason": None})
    return QueuedTask.model_validate({**dict(task), "waits_since": T0 - 60_000, "queue": queue})


def test_a_table_without_rows_has_its_headings() -> None:
    assert _drawn(table("task", "state", rows=[]), 60)[0].split() == ["task", "state"]


def test_an_address_is_broken_but_never_cut() -> None:
    task = TaskDetail.model_validate(a_task(state=TaskState.SUCCEEDED, outputs=(Output(type="video", url=URL),)))
    assert URL in "".join(line.strip() for line in _drawn(task_sheet(task, T0), 60)).replace(" ", "")


def test_the_progress_of_the_demo_fits_a_narrow_terminal() -> None:
    progress = Progress(provider="modelstream", wanted=12, submitted=12, ended=7, events=7, webhooks=6)
    drawn = "\n".join(_drawn(draw([progress], 3.0), 60))
    assert all(word in drawn for word in ("modelstream", "submitted", "12/12", "7/12", "webhooks"))


def test_a_task_is_shown_with_what_was_asked_for() -> None:
    video = {
        "model": "m",
        "prompt": "a horse\x1b[2J",
        "reference_images": ["https://a.example/1.png", URL],
        "duration": 5,
    }
    shown = _sheet({"video": video, "deadline_s": 90})
    for words in ("prompt ", r"a horse\x1b[2J", "duration ", "https://a.example/1.png", "1 min 30 s"):
        assert words in shown
    assert shown.count("reference images ") == 2
    raw = {"path": "/v1/x", "body": {"model": "m", "prompt": "日本"}}
    shown = _sheet({"raw": raw})
    assert '{"model": "m", "prompt": "日本"}' in shown
    assert "/v1/x" in shown
    assert "to end within" not in _sheet({})


def _sheet(request: dict[str, Any]) -> str:
    return "\n".join(_drawn(task_sheet(TaskDetail.model_validate(a_task(request=request)), T0), 80))


def test_a_sheet_shows_what_only_the_answer_about_one_task_has() -> None:
    task = a_task(
        state=TaskState.RUNNING,
        notify_url="https://hooks.example/v",
        idempotency_key="film-1",
        next_poll_ms=T0 + 5000,
        overdue_ms=T0 - 5000,
    )
    detail = TaskDetail.model_validate(task)
    shown = "\n".join(_drawn(task_sheet(detail, T0), 100))
    for words in ("webhook to", "https://hooks.example/v", "film-1", "overdue since", "(5.0 s ago)", "next poll"):
        assert words in shown
    listed = "\n".join(_drawn(task_sheet(Task.model_validate(task), T0), 100))
    assert "film-1" not in listed


@pytest.mark.parametrize("time", ["soon", "", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_is_shown_as_it_is(time: str) -> None:
    assert (clock_and_age(time, T0), when(time, T0), age(time, T0), moment(time, T0)) == (time,) * 4
    assert (offset(time, rfc3339(T0) or ""), clock(time, T0)) == (time, time)


def test_a_time_has_its_clock_and_what_is_far_away_its_day() -> None:
    assert clock_and_age(rfc3339(T0 - 180_000), T0) == "14:10:20, 3 min ago"
    assert clock_and_age(rfc3339(T0 - 2 * 86_400_000), T0) == "2026-09-19 14:13:20"
