"""A page names only files and folders that are there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages, without_fences

#: In code: a folder, or a file of ours in a folder.
_PATH = re.compile(r"`(\.?[a-z_][\w.-]*(?:/[\w.-]+)*/(?:[\w-]+\.(?:py|sql|md|yml|json|lock))?)`")
#: What the reader chooses.
_NAMED_BY_READERS = re.compile("NAME|NNNN")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    assert _missing(page.read_text(encoding="utf-8"), page.parent) == []


def _missing(text: str, folder: Path) -> list[str]:
    """Paths are from the repository's root or from the page's own folder."""
    named = [path for path in _PATH.findall(without_fences(text)) if not _NAMED_BY_READERS.search(path)]
    return [path for path in named if not (ROOT / path).exists() and not (folder / path).exists()]


def test_a_missing_path_is_seen() -> None:
    assert _missing("`receiver/nothing.py` and `receiver/nothing/`, not `receiver/`", ROOT) == [
        "receiver/nothing.py",
        "receiver/nothing/",
    ]
