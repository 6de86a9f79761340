"""Times have one unit where they are ages, so that a fragment stays the same while nothing happens."""

import pytest

from receiver.web.dashboard.model.times import age, clock

NOW_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("away_ms", "words"),
    [
        (0, "just now"),
        (-59_999, "just now"),
        (-60_000, "1 min ago"),
        (-7_200_000, "2 h ago"),
        (-200_000_000, "2 d ago"),
        (30_000, "in under 1 min"),
        (90_000, "in 1 min"),
    ],
)
def test_an_age_has_one_unit(away_ms: int, words: str) -> None:
    assert age(NOW_MS + away_ms, NOW_MS) == words


def test_a_clock_time_of_another_day_has_its_day() -> None:
    assert clock(NOW_MS, NOW_MS) == "14:13:20"
    assert clock(NOW_MS - 86_400_000, NOW_MS) == "2026-09-20 14:13:20"
