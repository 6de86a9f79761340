"""Eleven folders at the receiver's root, one pure part in each capability, a docstring in each folder."""

import ast
from pathlib import Path

import pytest

from tests.architecture.syntax import ROOT, modules, read

FOLDERS = {
    "callbacks",
    "cli",
    "config",
    "events",
    "metrics",
    "reconcile",
    "runtime",
    "store",
    "tasks",
    "web",
    "webhooks",
}
CAPABILITIES = ("callbacks", "events", "reconcile", "tasks", "webhooks")
SPEAK_SQL = ("fan_out", "ledger", "log", "outbox", "publisher")
PACKAGES = [path.parent for path in modules("receiver", "submitter") if path.name == "__init__.py"]
THEORY_LINES = 8
_STATEMENTS = {"fetch_all", "fetch_one", "fetch_many", "execute", "execute_many"}


def test_the_receiver_is_its_folders_and_nothing_beside() -> None:
    root = ROOT / "receiver"
    assert {path.name for path in root.iterdir() if (path / "__init__.py").exists()} == FOLDERS
    assert {path.name for path in root.iterdir() if path.suffix in {".py", ".typed"}} == {"__init__.py", "py.typed"}


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_a_capability_has_one_pure_part(capability: str) -> None:
    place = ROOT / "receiver" / capability
    assert (place / "model.py").exists() != (place / "model" / "__init__.py").exists()


@pytest.mark.parametrize("capability", [*CAPABILITIES, "store", "runtime", "web", "cli", "config", "metrics"])
def test_a_folder_opens_with_its_theory(capability: str) -> None:
    text = ast.get_docstring(read(Path("receiver") / capability / "__init__.py")) or ""
    assert len(text.splitlines()) >= THEORY_LINES


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_every_package_says_what_it_holds(package: Path) -> None:
    assert len(ast.get_docstring(read(package / "__init__.py")) or "") > len("TODO.")


@pytest.mark.parametrize("path", [path for name in CAPABILITIES for path in modules(f"receiver/{name}")], ids=str)
def test_only_repositories_ledger_log_outbox_publisher_and_fan_out_speak_sql(path: Path) -> None:
    calls = (node.func for node in ast.walk(read(path)) if isinstance(node, ast.Call))
    speaks = any(isinstance(call, ast.Attribute) and call.attr in _STATEMENTS for call in calls)
    assert not speaks or path.stem.endswith("repository") or path.stem in SPEAK_SQL
