"""Times of the API as an operator reads them."""

import pytest

from receiver.cli.display.times import clock_and_age, moment, read_ms
from submitter.timestamps import rfc3339
from tests.support.builders import T0

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("away_ms", "shown"),
    [
        (0, "14:13:20, now"),
        (-999, "14:13:19, now"),
        (-42_500, "14:12:37, 42 s ago"),
        (-3 * MINUTE_MS - 30_000, "14:09:50, 3 min ago"),
        (HOUR_MS + MINUTE_MS, "15:14:20, in 1 h"),
        (DAY_MS - 1, "14:13:19, in 23 h"),
        (-DAY_MS, "2026-09-20 14:13:20"),
        (40 * DAY_MS, "2026-10-31 14:13:20"),
    ],
)
def test_a_column_has_the_clock_and_how_far_away_it_is_or_else_the_date(away_ms: int, shown: str) -> None:
    assert clock_and_age(rfc3339(T0 + away_ms), T0) == shown


def test_a_sheet_has_the_time_of_the_api_and_how_far_away_it_is() -> None:
    assert moment("2026-09-21T14:10:00.000Z", T0) == "2026-09-21T14:10:00.000Z (3 min 20 s ago)"


def test_what_is_not_there_has_no_time_and_what_is_no_time_is_refused() -> None:
    assert (clock_and_age(None, T0), moment(None, T0)) == (None, None)
    with pytest.raises(ValueError, match="not a time in RFC 3339"):
        read_ms("soon")
