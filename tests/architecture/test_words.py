"""The field's own words: private names for standard things stay out of code, docstrings and messages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.syntax import modules, read

#: Word -> what the field calls it. A name is split at underscores and capitals before it is compared.
PRIVATE = {
    "lane": "endpoint",
    "lanes": "endpoints",
    "purse": "rate budget",
    "purses": "rate budgets",
    "dice": "random",
    "owed": "pending, or a recipient",
    "asking": "poller",
    "knob": "setting",
    "knobs": "settings",
    "journal": "log",
    "by hand": "manual",
    "moving house": "transfer",
}
#: Texts that others chose: SQLite's settings, a stored reason that the API shows, and the tables of older ledgers.
ALLOWED = {"journal_mode", "journal_mode = WAL", "journal_size_limit = 67108864", "by hand", "lanes"}
_SPOKEN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, PRIVATE), key=len, reverse=True)) + r")\b", re.IGNORECASE)
#: These hold the words in order to find them.
LISTS_OF_WORDS = {Path("tests/architecture/test_words.py"), Path("tests/docs/test_prose.py")}
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def private_words(tree: ast.Module) -> list[str]:
    """Where a private word stands, as `line: word`, in names and in texts."""
    return sorted({f"{line}: {word}" for line, text in _texts(tree) for word in _found(text)})


def _found(text: str) -> Iterator[str]:
    yield from (match[0].lower() for match in _SPOKEN.finditer(text))


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in ALLOWED:
            yield node.lineno, node.value.replace("_", " ")
        for name in _names(node):
            yield getattr(node, "lineno", 0), _CAPITALS.sub(" ", name).replace("_", " ")


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, _NAMED):
        yield node.name
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.arg | ast.keyword):
        yield node.arg or ""
    elif isinstance(node, ast.alias):
        yield node.asname or node.name


@pytest.mark.parametrize("path", modules("receiver", "submitter", "tests"), ids=str)
def test_a_module_uses_the_words_of_the_field(path: Path) -> None:
    found = [] if path in LISTS_OF_WORDS else private_words(read(path))
    assert found == [], f"say instead: {PRIVATE}"


@pytest.mark.parametrize(
    "sample",
    [
        "class Lane: ...",
        "def wake_lane(): ...",
        "def f(*, dice): ...",
        "f(by_hand=True)",
        "import receiver.journal",
        "x = SubscriptionPurses()",
        '"""Each is asked by hand."""',
        "log.info('knob_read')",
        "a.owed",
    ],
)
def test_the_check_sees_a_private_word(sample: str) -> None:
    assert private_words(ast.parse(sample)) != []


@pytest.mark.parametrize(
    "sample", ["planet = 1", "allowed = True", "'followed by handing over'", "def borrowed(): ..."]
)
def test_the_check_lets_other_words_pass(sample: str) -> None:
    assert private_words(ast.parse(sample)) == []
