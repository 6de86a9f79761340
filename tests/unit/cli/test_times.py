"""Points in time as they are written."""

import pytest

from receiver.runtime.durations import parse_moment
from receiver.web.problems import Kind, Problem
from receiver.web.schemas.subscriptions import ReplayRequest
from receiver.web.validation import check
from submitter.timestamps import find_rfc3339_ms
from tests.support.builders import T0


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-09-21T14:13:20Z", T0),
        ("2026-09-21t14:13:20z", T0),
        ("2026-09-21 14:13:20.250Z", T0 + 250),
        ("2026-09-21T16:13:20.000000001+02:00", T0),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_time_in_rfc_3339_is_read_to_the_millisecond(text: str, at_ms: int) -> None:
    assert find_rfc3339_ms(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-09-21",
        "2026-09-21T14:13:20",
        "2026-02-30T00:00:00Z",
        "2026-09-21T25:00:00Z",
        "2026-09-21T14:13:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+99:99",
        "2026-09-21T14:13:20Z ",
        "２026-09-21T14:13:20Z",
        "1790000000000",
        "x" * 5_000,
    ],
)
def test_what_is_no_time_is_refused_with_the_form(text: str) -> None:
    assert find_rfc3339_ms(text) is None
    with pytest.raises(Problem) as refused:
        check(ReplayRequest, {"since": text}, Kind.INVALID)
    (violation,) = refused.value.errors
    assert (
        str(violation) == "since: is not a time in RFC 3339; accepted: a time with its offset, as 2026-09-21T14:13:20Z"
    )


@pytest.mark.parametrize(
    ("text", "at_ms"), [("2h", T0 - 7_200_000), ("90s", T0 - 90_000), ("2026-09-21T14:13:21Z", T0 + 1000)]
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, at_ms: int) -> None:
    assert parse_moment(text).resolve(T0) == at_ms


@pytest.mark.parametrize("text", ["yesterday", "2", "-2h", "2026-09-21"])
def test_what_is_no_moment_is_refused_with_both_forms(text: str) -> None:
    with pytest.raises(ValueError, match="how long ago, as 90s"):
        parse_moment(text)
