"""Links lead somewhere, and the pages use the words of the field."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, blocks, pages, without_blocks, without_fences

_LINK = re.compile(r"\]\(((?!https?:)[^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")
#: Words of our own that the field does not use.
PRIVATE = re.compile(
    r"\b(lanes?|purses?|dice|owed|owes|by hand|knobs?|journal|moving house|who(ever)? is told|asking)\b", re.IGNORECASE
)
_SETTING = re.compile(r"WHENFINAL_[A-Z_]+[A-Z]")
_NOT_IN_THE_TABLE = {
    "WHENFINAL_TEST_BROWSER",
    "WHENFINAL_KEEP",
    "WHENFINAL_PORT",
}  # of the tests alone; a prefix, with dots after it; what Kubernetes sets

EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


@EVERY_PAGE
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in _LINK.findall(without_fences(page.read_text(encoding="utf-8"))):
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


@EVERY_PAGE
def test_a_page_uses_the_words_of_the_field(page: Path) -> None:
    prose = _CODE.sub("", without_fences(without_blocks(page.read_text(encoding="utf-8"))))
    assert [found[0] for found in PRIVATE.finditer(prose)] == []


@EVERY_PAGE
def test_a_page_names_only_settings_that_are_there(page: Path) -> None:
    known = set(_SETTING.findall(blocks((DOCS / "settings.md").read_text(encoding="utf-8"))["settings"]))
    assert set(_SETTING.findall(page.read_text(encoding="utf-8"))) <= known | _NOT_IN_THE_TABLE


def test_every_page_of_the_docs_folder_is_linked_from_another_page() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in pages()
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
    }
    assert {page for page in DOCS.glob("*.md") if page.resolve() not in linked} == set()


def test_a_private_word_is_seen() -> None:
    assert PRIVATE.search("the lane of what is owed")
    assert not PRIVATE.search("planes, followed")


def _anchors(page: Path) -> set[str]:
    """The ids that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.+)$", without_fences(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
