"""Lines that anybody can cause: the first of a second in full, the others as a number."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from receiver.web.bounded_lines import MOST_A_SECOND, BoundedLines


class _Loop:
    """Time moves only when a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, call: Callable[[], None]) -> None:
        self.calls.append((when_s, call))


@pytest.fixture(name="loop")
def _loop(monkeypatch: pytest.MonkeyPatch) -> _Loop:
    loop = _Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


def test_the_first_of_a_second_are_written_and_the_others_counted_at_its_end(loop: _Loop) -> None:
    told: list[Mapping[str, int]] = []
    lines = BoundedLines(told.append)
    assert [lines.may_write("204") for _ in range(MOST_A_SECOND)] == [True] * MOST_A_SECOND
    assert [lines.may_write(what) for what in ("204", "401", "204")] == [False] * 3
    ((when_s, tell),) = loop.calls
    assert when_s == loop.now_s + 1.0
    tell()
    assert told == [{"204": 2, "401": 1}]


def test_the_next_second_has_lines_again_and_a_number_of_its_own(loop: _Loop) -> None:
    told: list[Mapping[str, int]] = []
    lines = BoundedLines(told.append)
    for _ in range(2):
        assert [lines.may_write("x") for _ in range(MOST_A_SECOND + 1)] == [True] * MOST_A_SECOND + [False]
        loop.calls.pop()[1]()
        loop.now_s += 1.0
    assert told == [{"x": 1}, {"x": 1}]


def test_where_nothing_was_left_out_nothing_is_told(loop: _Loop) -> None:
    lines = BoundedLines(lambda _: pytest.fail("nothing was left out"))
    assert all(lines.may_write("x") for _ in range(MOST_A_SECOND))
    assert loop.calls == []
