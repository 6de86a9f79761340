"""The suite in the background of a script: a shell has SIGINT ignored there, and children inherit that."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_child_of_a_test_ends_by_sigint() -> None:
    assert subprocess.run(["sh", "-c", "kill -INT $$"], check=False).returncode == -signal.SIGINT


def test_so_it_does_where_the_suite_was_started_with_sigint_ignored(pytestconfig: pytest.Config) -> None:
    that_test = f"{Path(__file__)}::{test_a_child_of_a_test_ends_by_sigint.__name__}"
    suite = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--numprocesses", "1", that_test]
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *suite]
    done = subprocess.run(ignoring, cwd=pytestconfig.rootpath, check=False, capture_output=True, text=True)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout
