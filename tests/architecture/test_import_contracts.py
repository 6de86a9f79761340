"""The import contracts of pyproject.toml break when they should: each is tried on a small tree of the same shape."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.syntax import ROOT


def _names() -> set[str]:
    """Every module of ours that a contract names, and a few that none names."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = {name for c in contracts for key in ("source_modules", "modules") for name in c.get(key, [])}
    return listed | {"receiver.store", "submitter.client", "submitter.providers.newapi"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in (
        "receiver",
        "receiver/demo",
        "receiver/doctor",
        "receiver/store",
        "submitter",
        "submitter/providers",
        "submitter/simulator",
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for name in _names():
        path = tmp_path / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.touch()
    return tmp_path


def _broken_contracts(tree: Path) -> list[str]:
    run = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    return [line.removesuffix(" BROKEN") for line in run.stdout.splitlines() if line.endswith(" BROKEN")]


def test_the_agreed_direction_breaks_no_contract(tree: Path) -> None:
    (tree / "receiver/lifecycle.py").write_text("import submitter.model\n")
    (tree / "receiver/store/sqlite.py").write_text("import asyncio, aiosqlite\n")
    (tree / "submitter/providers/tokenbay.py").write_text("import submitter.providers.newapi\n")
    assert _broken_contracts(tree) == []


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("submitter/client.py", "import receiver.store", "receiver imports submitter"),
        ("submitter/simulator/__init__.py", "from submitter.model import TaskState", "the simulator"),
        ("submitter/simulator/__init__.py", "import receiver.store", "the simulator"),
        ("submitter/providers/hiapi.py", "from submitter.providers import dashscope", "adapters do not import"),
        ("submitter/providers/newapi.py", "import submitter.client, httpx", "pure modules"),
        ("submitter/model.py", "from os import path", "pure modules"),
        ("receiver/schedule.py", "import time", "pure modules"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tree: Path, module: str, line: str, contract: str) -> None:
    (tree / module).write_text(line + "\n")
    assert any(name.startswith(contract) for name in _broken_contracts(tree))
