"""An empty folder for the command."""

from pathlib import Path

import pytest

from tests.support.cli import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A machine on which nothing is set."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return Cli(folder=folder)
