"""`scripts/setup` says in one line what is missing; the lock serves every machine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HASHED = re.compile(r"^[a-z0-9][^\n]*==[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}", re.MULTILINE)
REQUIREMENT = re.compile(r"^[a-z0-9][^\n]*", re.MULTILINE)

NO_NETWORK = {"PIP_REQUIRE_VIRTUALENV": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `scripts/setup` needs of a checkout, and no .venv."""
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "scripts/setup", "scripts/requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def stamped(clone: Path) -> Path:
    """A clone whose .venv bears the stamp of its pyproject.toml and lock."""
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/python").symlink_to(sys.executable)
    stamp = "{ pwd -P; cat pyproject.toml scripts/requirements.lock | cksum; } >.venv/.setup"
    subprocess.run(["sh", "-c", stamp], cwd=clone, check=True)
    return clone


def _setup(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(clone / "scripts/setup")]
    environment = dict(os.environ) | environment
    return subprocess.run(command, cwd="/", env=environment, check=False, capture_output=True, text=True)


def test_a_python_that_is_too_old_is_named_in_one_line(clone: Path) -> None:
    old = clone / "python-too-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    run = _setup(clone, PYTHON=str(old))
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "Python 3.11" in run.stderr
    assert not (clone / ".venv").exists()


def test_a_missing_network_is_named_in_one_line(clone: Path) -> None:
    run = _setup(clone, PYTHON=sys.executable, **NO_NETWORK)
    assert run.returncode == 1
    assert "network" in run.stderr.splitlines()[-1]
    assert len(run.stderr.splitlines()) == 2
    assert not (clone / ".venv/.setup").exists()


def test_an_up_to_date_environment_is_left_alone_without_a_word(stamped: Path) -> None:
    run = _setup(stamped, **NO_NETWORK)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/requirements.lock"])
def test_a_changed_requirement_makes_the_environment_due_again(stamped: Path, name: str) -> None:
    with (stamped / name).open("a") as changed:
        changed.write("# changed\n")
    assert "installing" in _setup(stamped, PYTHON=sys.executable, **NO_NETWORK).stderr


def test_every_locked_version_is_exact_and_hashed() -> None:
    lock = (ROOT / "scripts/requirements.lock").read_text()
    assert len(REQUIREMENT.findall(lock)) == len(HASHED.findall(lock)) > 0


def _locked(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/locked.py"), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_part_of_the_lock_for_the_service_has_what_it_needs_with_hashes_and_no_tool() -> None:
    run = _locked("postgres", "otel")
    names = {line.split("==")[0] for line in REQUIREMENT.findall(run.stdout)}
    assert (run.returncode, len(REQUIREMENT.findall(run.stdout))) == (0, len(HASHED.findall(run.stdout)))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]} <= names
    assert {"psycopg", "psycopg-binary", "opentelemetry-sdk", "h11", "aiosignal"} <= names
    assert not names & {"pytest", "mypy", "ruff", "playwright", "hatchling", "openai", "pgserver"}
    assert {line.split("==")[0] for line in REQUIREMENT.findall(_locked("--build").stdout)} >= {
        "hatchling",
        "packaging",
    }


def test_an_extra_that_is_not_there_is_named_in_one_line() -> None:
    run = _locked("mysql")
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (1, "", 1)
    assert "mysql" in run.stderr


def test_the_lock_names_no_address_and_no_file() -> None:
    lock = (ROOT / "scripts/requirements.lock").read_text()
    assert not re.search(r"://|^ *-[^-]|--(index|extra|find|trusted)|@ file", lock, re.MULTILINE)
