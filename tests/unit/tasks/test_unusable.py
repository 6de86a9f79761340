"""Answers that could not be used: counted, bounded, and never more than a few lines of a timeline."""

import json
from collections.abc import Mapping
from typing import Any

from receiver.tasks.model.unusable import MOST_LINES, line_to_change

AT = 1_790_000_000_000


def _row(number: int, raw: str = "", **detail: Any) -> Mapping[str, Any]:
    return {"id": f"obs_{number}", "raw": raw, "detail": json.dumps({"reason": f"r{number}", **detail})}


def _rows(count: int) -> list[Any]:
    return [_row(number) for number in range(count, 0, -1)]


def test_another_reason_or_other_bytes_are_a_line_of_their_own() -> None:
    assert line_to_change([], {"reason": "r1"}, "", AT) is None
    assert line_to_change([_row(1)], {"reason": "r2"}, "", AT) is None
    assert line_to_change([_row(1, "a")], {"reason": "r1"}, "b", AT) is None
    assert line_to_change([_row(1)], {"reason": "r1", "task_id": "p1"}, "", AT) is None


def test_ways_out_of_the_queue_are_counted_beside_the_answers() -> None:
    rows = [_row(3), {**_row(2), "detail": json.dumps({"from_queue": True})}, _row(1)]
    changed = line_to_change(rows, {"from_queue": True}, "", AT)
    assert changed is not None
    assert (changed.id, changed.detail["times"]) == ("obs_2", 2)
    assert line_to_change(rows, {"again": True}, "", AT) is None
    assert line_to_change(rows, {"queued": "x"}, "", AT) is None


def test_the_same_answer_again_is_counted_with_its_time() -> None:
    changed = line_to_change([_row(1, "a", times=4, last_at="then")], {"reason": "r1"}, "a", AT)
    assert changed is not None
    assert changed.id == "obs_1"
    assert changed.detail == {"reason": "r1", "times": 5, "last_at": "2026-09-21T14:13:20.000Z"}


def test_only_the_newest_line_counts_so_that_the_order_stays_true() -> None:
    assert line_to_change([_row(2), _row(1)], {"reason": "r1"}, "", AT) is None


def test_without_room_the_newest_line_is_overwritten_and_says_how_many_it_stands_for() -> None:
    rows = _rows(MOST_LINES)
    changed = line_to_change(rows, {"reason": "new"}, "", AT)
    assert changed is not None
    assert changed.id == rows[0]["id"]
    assert changed.detail["left_out"] == 1
    rows[0] = {**rows[0], "detail": json.dumps({"reason": "new", "left_out": 1, "times": 3})}
    again = line_to_change(rows, {"reason": "newer"}, "", AT)
    assert again is not None
    assert again.detail["left_out"] == 4


def test_a_line_that_proves_something_is_not_overwritten_while_another_is_there() -> None:
    rows = _rows(MOST_LINES)
    rows[0] = _row(MOST_LINES, task_id="p1")
    rows[1] = _row(MOST_LINES - 1, accepted=True)
    changed = line_to_change(rows, {"reason": "new"}, "", AT)
    assert changed is not None
    assert changed.id == rows[2]["id"]
    proofs = [_row(number, task_id=f"p{number}") for number in range(MOST_LINES)]
    only = line_to_change(proofs, {"reason": "new"}, "", AT)
    assert only is not None
    assert only.id == proofs[0]["id"]


def test_lines_about_other_things_are_never_changed() -> None:
    intent = {"id": "obs_0", "raw": "", "detail": '{"callback_expected":true}'}
    assert line_to_change([intent], {"reason": "r1"}, "", AT) is None
    refusal = {"error": {"code": "E", "message": "m"}}
    assert line_to_change(_rows(MOST_LINES), refusal, "", AT) is None
