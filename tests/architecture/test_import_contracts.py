"""The import contracts of pyproject.toml break when they should: each is tried on a small tree of the same shape."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.syntax import ROOT, modules


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Every module of ours, empty."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path in modules("receiver", "submitter"):
        (tmp_path / path.parent).mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
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
    (tree / "receiver/tasks/model/lifecycle.py").write_text("import submitter.model\n")
    (tree / "receiver/store/sqlite.py").write_text("import asyncio, aiosqlite\n")
    (tree / "receiver/tasks/ledger.py").write_text("import receiver.webhooks.publisher, receiver.events.model.event\n")
    (tree / "submitter/providers/tokenbay.py").write_text("import submitter.providers.newapi\n")
    assert _broken_contracts(tree) == []


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("submitter/client/client.py", "import receiver.store", "one line"),
        ("receiver/store/sqlite.py", "import receiver.config.settings", "one line"),
        ("receiver/events/log.py", "import receiver.webhooks.outbox", "one line"),
        ("receiver/webhooks/outbox.py", "import receiver.tasks.ledger", "one line"),
        ("receiver/callbacks/intake.py", "import receiver.reconcile.poller", "one line"),
        ("receiver/reconcile/poller.py", "import receiver.callbacks.intake", "one line"),
        ("receiver/runtime/services.py", "import receiver.web.app", "one line"),
        ("receiver/web/app.py", "import receiver.cli.console", "one line"),
        ("submitter/simulator/world.py", "from submitter.model import TaskState", "the simulator"),
        ("submitter/simulator/world.py", "import receiver.store", "the simulator"),
        ("submitter/providers/hiapi.py", "from submitter.providers import dashscope", "adapters do not import"),
        ("submitter/providers/newapi.py", "import submitter.client.client, httpx", "pure modules"),
        ("submitter/model.py", "from os import path", "pure modules"),
        ("receiver/tasks/model/lifecycle.py", "import time", "pure modules"),
        ("receiver/webhooks/model/retry.py", "import random", "pure modules"),
        ("receiver/callbacks/model.py", "import asyncio", "pure modules"),
        ("receiver/config/settings.py", "import os", "pure modules"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tree: Path, module: str, line: str, contract: str) -> None:
    (tree / module).write_text(line + "\n")
    assert any(name.startswith(contract) for name in _broken_contracts(tree))
