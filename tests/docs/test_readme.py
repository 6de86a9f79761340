"""The README stays short, in the agreed order; the glossary stays small."""

import re

from receiver.cli.demo.scenario import BURST, FAULTS
from submitter.simulator import PLATFORMS
from tests.docs.pages import README, RECEIVER, without_fences

TEXT = README.read_text(encoding="utf-8")
MAX_LINES = 150
MAX_WORDS = 900  # beside code
MAX_GLOSSARY = 20
SECTIONS = (
    "Quickstart without a key",
    "Being told",
    "Python client",
    "Your provider",
    "Production",
    "When something is wrong",
    "Guarantees",
)


def test_the_readme_stays_within_its_lines_and_words() -> None:
    assert len(TEXT.splitlines()) <= MAX_LINES
    assert len(without_fences(TEXT).split()) <= MAX_WORDS


def test_the_readme_has_its_sections_in_the_agreed_order() -> None:
    assert tuple(re.findall(r"^## (.+)$", TEXT, re.MULTILINE)) == SECTIONS


def test_the_readme_names_six_guarantees_and_five_commands_for_trouble() -> None:
    assert len(re.findall(r"^\d\. ", _section(TEXT, "Guarantees"), re.MULTILINE)) == 6
    assert len(re.findall(r"^\| `whenfinal ", _section(TEXT, "When something is wrong"), re.MULTILINE)) == 5


def test_the_readme_counts_the_tasks_and_the_platforms_that_are_simulated() -> None:
    assert f"The demo runs {sum(map(len, FAULTS.values())) + BURST} tasks " in TEXT
    assert f"simulating {len(PLATFORMS)} platforms " in TEXT
    assert list(FAULTS) == sorted(FAULTS, key=PLATFORMS.index)


def test_the_demo_runs_every_simulated_platform() -> None:
    assert set(FAULTS) == set(PLATFORMS)


def test_the_glossary_has_at_most_twenty_words_and_no_word_twice() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", _section(RECEIVER.read_text(encoding="utf-8"), "Glossary"), re.MULTILINE)
    words.remove("word")
    assert 0 < len(words) == len(set(words)) <= MAX_GLOSSARY


def _section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
