"""The instructions of a Dockerfile, and which files of the checkout a build may see."""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / ".github/Dockerfile"
DOCKERIGNORE = ROOT / ".dockerignore"


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    rest: str


@dataclass(slots=True, kw_only=True)
class Stage:
    name: str
    base: str
    steps: list[Instruction] = field(default_factory=list)

    def last(self, word: str) -> str:
        return [step.rest for step in self.steps if step.word == word][-1]

    def command(self) -> list[str]:
        """What the image runs; both must be in the exec form, or a shell would get the signals."""
        return [*exec_form(self.last("ENTRYPOINT")), *exec_form(self.last("CMD"))]

    def health_check(self) -> list[str]:
        _, _, command = self.last("HEALTHCHECK").partition("CMD ")
        return exec_form(command)

    def environment(self) -> dict[str, str]:
        pairs = [word for step in self.steps if step.word == "ENV" for word in shlex.split(step.rest)]
        return dict(pair.split("=", 1) for pair in pairs)


def read_stages(text: str) -> list[Stage]:
    """Fail for a line that is no instruction."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        assert re.fullmatch(r"[A-Z]+", word), line
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(name=name, base=base))
        else:
            stages[-1].steps.append(Instruction(word, rest.strip()))
    return stages


def exec_form(text: str) -> list[str]:
    words = json.loads(text)
    assert isinstance(words, list)
    assert all(isinstance(word, str) for word in words)
    return words


def copied(step: Instruction) -> tuple[str | None, list[str], str]:
    """The stage, or None for the checkout, the sources and the target of a COPY."""
    words = shlex.split(step.rest)
    stage = next((word.partition("=")[2] for word in words if word.startswith("--from=")), None)
    *sources, target = [word for word in words if not word.startswith("--")]
    return stage, sources, target


def context() -> list[str]:
    """The files of the checkout that `.dockerignore` lets into a build."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    rules = [line for line in DOCKERIGNORE.read_text().splitlines() if line and not line.startswith("#")]
    return [name for name in names if name and (ROOT / name).is_file() and _is_seen(name, rules)]


def _is_seen(name: str, rules: Sequence[str]) -> bool:
    """The last rule that matches the name, or a folder above it, decides."""
    seen = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = name.split("/")
        above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        if any(fnmatch(each, pattern) for each in above) or (rule.startswith("**/") and pattern in parts):
            seen = rule.startswith("!")
    return seen


def expanded(text: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: environment.get(found[1], ""), text)
