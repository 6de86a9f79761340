"""Modules and functions stay small enough to be read at once."""

import ast
from pathlib import Path

import pytest

from tests.architecture.syntax import ROOT, long_functions, modules, read

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50
DRAWERS = frozenset({"base", "common", "core", "helpers", "misc", "util", "utils"})
EVERY_MODULE = pytest.mark.parametrize("path", modules("receiver", "submitter", "tests"), ids=str)


@EVERY_MODULE
def test_a_module_stays_within_its_lines(path: Path) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES


@EVERY_MODULE
def test_a_function_stays_within_its_lines(path: Path) -> None:
    assert long_functions(read(path), limit=MAX_FUNCTION_LINES) == []


@EVERY_MODULE
def test_a_module_is_named_for_its_job(path: Path) -> None:
    assert DRAWERS.isdisjoint(path.with_suffix("").parts)


def test_the_check_sees_a_function_one_line_too_long() -> None:
    inner = "        pass\n" * 3
    tree = ast.parse(f"class A:\n    async def short(self):\n{inner}    def long(self):\n{inner}        pass\n")
    assert long_functions(tree, limit=4) == ["long: 5"]
