"""What the demo shows beside its counts, and what is wrong where it was not seen."""

from dataclasses import replace

import pytest

from receiver.cli.demo.shown import Shown, remarks, shown_lines
from tests.support.demo_results import SHOWN


def test_where_all_was_shown_nothing_is_wrong() -> None:
    assert remarks(SHOWN) == []
    assert len(list(shown_lines(SHOWN))) == 9


@pytest.mark.parametrize(
    ("shown", "remark_part"),
    [
        (replace(SHOWN, retried_s=None), "answered 500 was not sent again"),
        (replace(SHOWN, waited_s=None), "answered 429 was not sent again"),
        (replace(SHOWN, waited_s=0.4), "before its Retry-After"),
        (replace(SHOWN, overlapping=0), "no webhook was signed with both secrets"),
        (replace(SHOWN, resumed_at=None), "the stream was not resumed"),
        (replace(SHOWN, queued=0), "no task waited in the queue"),
        (replace(SHOWN, uncertain=0), "no lost reply was reported"),
        (replace(SHOWN, corrected=False), "no wrong settle was put right"),
        (
            replace(SHOWN, faults={"to failures were not about an end": 2}),
            "2 webhooks to failures were not about an end",
        ),
    ],
)
def test_what_was_not_shown_is_wrong(shown: Shown, remark_part: str) -> None:
    (remark,) = remarks(shown)
    assert remark_part in remark


def test_a_run_that_showed_nothing_prints_nothing() -> None:
    assert list(shown_lines(Shown(retry_after_s=1))) == []
