"""Screenshots of the documentation: each is linked, as wide as the others, and small."""

import re
import struct
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, pages
from tests.docs.screenshots import MOST_BYTES, SHOWN, WIDE

_PICTURE = re.compile(r"!\[[^\]]+\]\(([^)\s]+)\)")
PICTURES = sorted(DOCS.glob("*.png"))


def test_the_pictures_are_those_that_the_script_makes_and_each_is_on_a_page() -> None:
    shown = {(page.parent / name).resolve() for page in pages() for name in _PICTURE.findall(page.read_text("utf-8"))}
    assert {path.name for path in PICTURES} == set(SHOWN)
    assert {path.resolve() for path in PICTURES} == shown


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_a_png_of_the_width_of_a_desk_and_small(path: Path) -> None:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", data[16:20]) == (WIDE,)
    assert len(data) <= MOST_BYTES
