"""A unit of systemd as its sections and settings, and the system calls that its filter lets through."""

import subprocess
from collections.abc import Iterator
from pathlib import Path


def settings_of(unit: Path) -> list[tuple[str, str]]:
    """Every `Name=value` in its order; a name may stand more than once."""
    lines = (line.strip() for line in unit.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;[")
    return [(name, value) for name, _, value in pairs]


def allowed_calls(unit: Path) -> set[str]:
    """By its lines `SystemCallFilter`: a list is added, and one after `~` is taken away."""
    allowed: set[str] = set()
    for name, value in settings_of(unit):
        if name == "SystemCallFilter":
            listed = {call for word in value.removeprefix("~").split() for call in _calls(word)}
            allowed = allowed - listed if value.startswith("~") else allowed | listed
    return allowed


def _calls(word: str) -> Iterator[str]:
    """The calls of a set such as `@system-service`, and of the sets in it."""
    if not word.startswith("@"):
        yield word
        return
    listing = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True)
    for line in listing.stdout.splitlines()[1:]:
        if (each := line.strip()) and not each.startswith("#"):
            yield from _calls(each)
