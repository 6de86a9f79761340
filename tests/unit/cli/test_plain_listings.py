"""What goes to a pipe is drawn without rich where that gives the same lines, and by rich everywhere else."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from receiver.cli.display.listing import PIPED_WIDTH, Listing, cell, plain_lines, state_cell, table
from receiver.cli.display.terminal import print_parts

COLUMNS = ("task", "state", "labels", "next")


def _by_rich(*parts: object) -> list[str]:
    out = Console(width=PIPED_WIDTH, force_terminal=False, markup=False, highlight=False, emoji=False)
    with out.capture() as captured:
        print_parts(out, parts)
    return [line.rstrip() for line in captured.get().splitlines()]


def _plainly(*parts: object) -> list[str] | None:
    lines = plain_lines(parts)
    return None if lines is None else [line.rstrip() for line in lines]


CELLS = st.none() | st.integers() | st.text(string.ascii_letters + string.digits + " :[]/_-.\x1b\n", max_size=90)
ROWS = st.lists(st.tuples(CELLS, st.sampled_from(["failed", "odd"]).map(state_cell), CELLS, CELLS), min_size=1)


@given(ROWS)
def test_a_listing_has_the_lines_that_rich_draws(rows: list[tuple[object, ...]]) -> None:
    parts = (table(*COLUMNS, rows=rows), "", "and a line [red]below[/red] :fox: 你")
    lines = _plainly(*parts)
    assert lines is None or lines == _by_rich(*parts)


@pytest.mark.parametrize(
    ("value", "is_plain"),
    [
        ("job=[red]x[/red]", True),
        ("\x1b[2J", True),  # shown as an escape
        (Text("a text of rich", style="red"), True),
        ("two\nlines", False),
        ("宽", False),
        ("e\u0301", False),
        ("w" * PIPED_WIDTH, False),
    ],
)
def test_only_rich_says_how_wide_a_text_is_that_is_not_ascii(value: object, is_plain: bool) -> None:
    listing = table("task", "labels", rows=[("tsk_1", value), ("tsk_2", None)])
    assert (listing.plain() is not None) == is_plain
    if is_plain:
        assert _plainly(listing) == _by_rich(listing)


@pytest.mark.parametrize(("text", "is_plain"), [("a\n\nb ", True), ("你 ✅", True), ("", True), ("a\tb", False)])
def test_a_text_is_printed_as_it_is(text: str, is_plain: bool) -> None:
    assert (plain_lines([text]) is not None) == is_plain
    if is_plain:
        assert _plainly(text) == _by_rich(text)


def test_what_only_rich_knows_is_left_to_rich() -> None:
    assert plain_lines(["a text", cell("a text of rich")]) is None
    assert isinstance(table("a", rows=[]), Listing)
