"""Durations as an operator writes and reads them."""

import pytest

from receiver.runtime.durations import format_duration, format_when, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("1.5H", 5400), ("250ms", 0.25)]
)
def test_a_duration_is_a_number_and_its_unit(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-5s", "1e3s", "10 m", "5w", "1h30m", "٣s", "9" * 20 + "s", "infs"])
def test_any_other_text_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and its unit"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("span_ms", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (4_240, "4.2 s"),
        (-4_240, "4.2 s"),
        (59_999, "59 s"),
        (200_000, "3 min 20 s"),
        (3_600_000, "1 h"),
        (3_605_000, "1 h"),
        (93_600_000, "1 d 2 h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(span_ms: int, words: str) -> None:
    assert format_duration(span_ms) == words


def test_a_time_is_shown_relative_to_now() -> None:
    assert [format_when(at_ms, 10_000) for at_ms in (7_000, 10_000, 70_000)] == ["3.0 s ago", "now", "in 1 min"]
