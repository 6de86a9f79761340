"""Wheels as people install them: built from a folder, and installed in an environment of their own."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LIMIT_S = 600
_PINNED = re.compile(r"^([a-z0-9][^\s=]*==[^\\\n]+?) *\\?$", re.MULTILINE)
_PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--constraint")


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """What a command prints, which must succeed. `more` are variables of its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | more
    done = subprocess.run(
        command, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=_LIMIT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a folder with a `pyproject.toml`; it is put into another folder."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install it in a new environment, with what it asks for in the versions of the lock. Return the `bin` folder."""
    versions = folder / "versions.txt"
    versions.write_text("\n".join(_PINNED.findall((ROOT / "scripts/requirements.lock").read_text())))
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv/bin"
    run(programs / "python", *_PIP_INSTALL, versions, wheel, cwd=folder)
    return programs
