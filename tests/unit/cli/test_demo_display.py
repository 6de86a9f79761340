"""What the demo says was shown, and what it finds amiss."""

from dataclasses import replace

import pytest

from receiver.cli.demo.tally import Shown, remarks, shown_lines

SHOWN = Shown(retried_s=1.2, waited_s=1.3, retry_after_s=1, asymmetric=60, overlapping=30, resumed_at=20, notified=12)


def test_where_all_was_shown_nothing_is_amiss() -> None:
    assert remarks(SHOWN) == []
    assert len(list(shown_lines(SHOWN))) == 6


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (replace(SHOWN, retried_s=None), "answered 500 was not sent again"),
        (replace(SHOWN, waited_s=None), "answered 429 was not sent again"),
        (replace(SHOWN, waited_s=0.4), "before its Retry-After"),
        (replace(SHOWN, overlapping=0), "no webhook was signed with both secrets"),
        (replace(SHOWN, resumed_at=None), "the stream was not resumed"),
        (replace(SHOWN, faults={"to failures told of no end": 2}), "2 webhooks to failures told of no end"),
    ],
)
def test_what_was_not_shown_is_amiss(shown: Shown, words: str) -> None:
    (remark,) = remarks(shown)
    assert words in remark


def test_a_run_that_showed_nothing_says_nothing() -> None:
    assert list(shown_lines(Shown(retry_after_s=1))) == []
