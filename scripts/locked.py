#!/usr/bin/env python3
"""Print the part of the lock that the service needs with these extras: `scripts/locked.py postgres`.

It has exact versions and hashes, and none of the tools of tests. `--build` prints what builds the wheel instead.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: An entry of the lock: a requirement at the beginning of a line, with the lines that belong to it.
_ENTRY = re.compile(r"^[a-z0-9].*\n(?:[ ].*\n)*", re.MULTILINE)
_VIA = re.compile(r"# (?:via)? *([A-Za-z0-9][\w.-]*)(?: \(.*\))?$", re.MULTILINE)


def main(words: Sequence[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "scripts/requirements.lock").read_text(encoding="utf-8")
    entries = {_name_of(entry): entry for entry in _ENTRY.findall(lock)}
    wanted = _closed(map(_name_of, _roots(project, words)), entries)
    sys.stdout.write("".join(entry for name, entry in entries.items() if name in wanted))


def _roots(project: Mapping[str, Mapping[str, object]], words: Sequence[str]) -> list[str]:
    if words == ["--build"]:
        return list(project["build-system"]["requires"])
    extras = project["project"]["optional-dependencies"]
    if unknown := [word for word in words if word not in extras]:
        sys.exit(f"locked: no extra {', '.join(unknown)}; there are {', '.join(extras)}")
    return [*project["project"]["dependencies"], *(each for word in words for each in extras[word])]


def _closed(roots: Iterable[str], entries: Mapping[str, str]) -> set[str]:
    """The roots and all that they need: each entry of the lock names what it is needed by."""
    wanted = set(roots)
    while more := {name for name, entry in entries.items() if name not in wanted and wanted & _needed_by(entry)}:
        wanted |= more
    return wanted


def _needed_by(entry: str) -> set[str]:
    return set(_VIA.findall(entry)) - {"whenfinal"}


def _name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    return "" if found is None else found[0].lower()


if __name__ == "__main__":
    main(sys.argv[1:])
