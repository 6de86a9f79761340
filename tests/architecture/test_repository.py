"""What the repository holds at its top, and what no file of it may hold."""

import re
import subprocess

import pytest

from tests.architecture.syntax import ROOT

VISIBLE = {
    "CHANGELOG.md",
    "LICENSE",
    "Procfile",
    "README.md",
    "pyproject.toml",
    "receiver",
    "scripts",
    "submitter",
    "tests",
}
MACHINE_PATH = re.compile(r"(?<![\w.~])/(work|opt|root|home|Users|mnt)/\w")
REGISTRY_HOST = re.compile(r"pypi\.org|pythonhosted\.org|npmjs\.(org|com)|deb\.debian\.org|crates\.io")
KNOWN_ONLY_HERE = re.compile(f"{MACHINE_PATH.pattern}|{REGISTRY_HOST.pattern}")


def _tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_the_top_level_is_exactly_the_agreed_one() -> None:
    tops = {name.split("/")[0] for name in _tracked()}
    assert {top for top in tops if not top.startswith(".")} == VISIBLE
    assert ".env.example" in tops


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    texts = {name: (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in _tracked()}
    found = {name: match[0] for name, text in texts.items() if (match := KNOWN_ONLY_HERE.search(text))}
    assert found == {}


@pytest.mark.parametrize(
    "parts", [("https://", "pypi", ".org/simple"), ("see ", "/ho", "me/someone/file"), ("'/wo", "rk/x'")]
)
def test_the_check_sees_what_only_one_machine_knows(parts: tuple[str, ...]) -> None:
    assert KNOWN_ONLY_HERE.search("".join(parts))


@pytest.mark.parametrize("text", ["https://docs.example.com/work/one", "../shared/work/x", "GET /v1/tasks"])
def test_the_check_lets_addresses_and_relative_paths_pass(text: str) -> None:
    assert not KNOWN_ONLY_HERE.search(text)
