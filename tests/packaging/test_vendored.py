"""Each file of others in the package is the one that is named, with its licence beside it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from receiver.web.dashboard.rendering import FILE_TYPES

ROOT = Path(__file__).resolve().parents[2]
PLACES = (ROOT / "receiver/web/dashboard/static", ROOT / "tests/browser/vendored")
OWN = {"icon.svg", "ops.css", "ops.js", "vendored.json"}


def _listed(place: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((place / "vendored.json").read_text())
    return found


@pytest.mark.parametrize(("place", "entry"), [(place, entry) for place in PLACES for entry in _listed(place)])
def test_a_vendored_file_has_its_hash_its_version_and_its_licence(place: Path, entry: dict[str, Any]) -> None:
    content = (place / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["version"] in entry["package"]
    assert entry["address"].startswith("https://")
    assert entry["licence"]
    assert len((place / entry["licence_file"]).read_text()) > 300


@pytest.mark.parametrize("place", PLACES)
def test_no_file_of_others_is_left_out_of_the_list(place: Path) -> None:
    listed = {entry[name] for entry in _listed(place) for name in ("file", "licence_file")}
    assert {path.name for path in place.iterdir()} - OWN == listed


def test_every_file_that_browsers_are_served_is_in_the_package() -> None:
    assert all((PLACES[0] / name).is_file() for name in FILE_TYPES)
