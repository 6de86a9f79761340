"""Numbers become points, the highest at the top and the first at the left."""

import pytest

from receiver.web.dashboard.model.sparkline import points


def test_the_highest_is_at_the_top_and_nothing_is_at_the_bottom() -> None:
    assert points([0, 5, 10]) == "0.0,23.0 60.0,12.0 120.0,1.0"


@pytest.mark.parametrize("values", [[], [3]])
def test_fewer_than_two_numbers_are_no_line(values: list[float]) -> None:
    assert points(values) == ""


def test_nothing_but_zeros_is_a_flat_line() -> None:
    assert points([0, 0]) == "0.0,23.0 120.0,23.0"
