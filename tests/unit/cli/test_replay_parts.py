"""A long replay is sent in parts, so that no request takes long and each event is in one of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.cli.commands.replay import parts_of
from receiver.cli.event_numbers import StoredNumbers


@pytest.mark.parametrize(
    ("wanted", "oldest_after", "newest", "parts"),
    [
        ({"first_seq": 1}, 0, 10, [{"first_seq": 1}]),
        ({"which": "dead"}, 0, 0, [{"which": "dead"}]),
        ({"first_seq": 3, "last_seq": 2}, 0, 99, [{"first_seq": 3, "last_seq": 2}]),
        (
            {"first_seq": 1},
            0,
            25,
            [{"first_seq": 1, "last_seq": 10}, {"first_seq": 11, "last_seq": 20}, {"first_seq": 21, "last_seq": 25}],
        ),
        (
            {"since": "t"},
            100,
            111,
            [{"since": "t", "last_seq": 110}, {"since": "t", "first_seq": 111, "last_seq": 111}],
        ),
        (
            {"first_seq": 5, "last_seq": 500},
            0,
            16,
            [{"first_seq": 5, "last_seq": 14}, {"first_seq": 15, "last_seq": 16}],
        ),
    ],
)
def test_a_range_is_whole_where_it_is_short_and_in_parts_where_it_is_long(
    wanted: dict[str, Any], oldest_after: int, newest: int, parts: list[dict[str, Any]]
) -> None:
    assert parts_of(wanted, StoredNumbers(oldest_after, newest), 10) == parts


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 90), st.integers(0, 90))
def test_each_stored_event_of_the_range_is_in_exactly_one_part(
    first: int, length: int, oldest_after: int, stored: int
) -> None:
    newest = oldest_after + stored
    parts = parts_of({"first_seq": first, "last_seq": first + length}, StoredNumbers(oldest_after, newest), 7)
    covered = [seq for part in parts for seq in range(part["first_seq"], part["last_seq"] + 1)]
    in_range = [seq for seq in range(oldest_after + 1, newest + 1) if first <= seq <= first + length]
    assert [seq for seq in covered if oldest_after < seq <= newest] == in_range
