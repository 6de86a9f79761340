"""Tables on terminals of every width: what is copied into the next command is whole or not there at all."""

import pytest
from rich.console import Console, RenderableType

from receiver.cli.demo.display import Progress, draw
from receiver.cli.display.listing import cell, table
from receiver.cli.display.tables import queue_lines, queued_table, task_sheet
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueueDepth
from receiver.tasks.model.queue_list import QueuedTask, with_places
from submitter.model import Output, TaskState
from tests.support.builders import a_task

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
    tasks = [a_task(f"{TASK[:-1]}{n}", state=TaskState.QUEUED, priority=9 - n, created_ms=0) for n in range(2)]
    depths = [QueueDepth(provider="hiapi", depth=340, oldest_ms=0)]
    held = AccountStatus(
        provider="hiapi", tokens=1, refilled_ms=0, submits_paused_until_ms=90_000, submits_paused_reason="throttled: x"
    )
    queued = [QueuedTask(task=task, position=at) for at, task in enumerate(tasks, start=1)]
    lines = _drawn(queued_table(with_places(queued, depths, [held], 60_000), 60_000), width)
    shown = "\n".join(lines)
    assert ("2 of 340" in shown, TASK[:-1] in shown, max(map(len, lines)) <= width) == (True, True, True)
    assert [word for word in ("place", "priority", "waiting") if word not in lines[0]] == list(missing)
    (below,) = queue_lines(depths, [held], 60_000)
    assert below.plain == (
        "hiapi: 340 queued, the oldest for 1 min; held back, throttled: x; the next one is sent in 30 s"
    )
    (free,) = queue_lines(depths, [held], 90_000)
    assert free.plain == "hiapi: 340 queued, the oldest for 1 min 30 s"


def test_a_table_without_rows_has_its_headings() -> None:
    assert _drawn(table("task", "state", rows=[]), 60)[0].split() == ["task", "state"]


def test_an_address_is_broken_but_never_cut() -> None:
    task = a_task(state=TaskState.SUCCEEDED, outputs=(Output(type="video", url=URL),))
    assert URL in "".join(line.strip() for line in _drawn(task_sheet(task, 0), 60)).replace(" ", "")


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
    shown = "\n".join(_drawn(task_sheet(a_task(request={"video": video, "deadline_s": 90}), 0), 80))
    for words in ("wanted prompt", r"a horse\x1b[2J", "wanted duration", "https://a.example/1.png", "1 min 30 s"):
        assert words in shown
    assert shown.count("wanted reference images") == 2
    raw = {"path": "/v1/x", "body": {"model": "m", "prompt": "日本"}}
    shown = "\n".join(_drawn(task_sheet(a_task(request={"raw": raw}), 0), 80))
    assert '{"model": "m", "prompt": "日本"}' in shown
    assert "/v1/x" in shown
    assert "wanted" not in "\n".join(_drawn(task_sheet(a_task(request={}), 0), 80))
