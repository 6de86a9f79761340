"""What the files of a task are called where they are downloaded. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from submitter.model import Output

EXTENSIONS: Mapping[str, str] = {"video": "mp4", "image": "png", "audio": "mp3"}

_ENDING = re.compile(r"\.([a-z0-9]{2,4})")


def file_names(task_id: str, outputs: Sequence[Output]) -> tuple[str, ...]:
    """A name for each output: our task id, the kind of file, and a number where there are several of a kind."""
    kinds = [_kind(output) for output in outputs]
    numbers: Counter[str] = Counter()
    names: list[str] = []
    for output, kind in zip(outputs, kinds, strict=True):
        numbers[kind] += 1
        number = f"-{numbers[kind]}" if kinds.count(kind) > 1 else ""
        names.append(f"{task_id}-{kind}{number}.{_extension(output)}")
    return tuple(names)


def _kind(output: Output) -> str:
    return re.sub("[^a-z0-9]+", "-", output.type.lower()).strip("-")[:30] or "file"


def _extension(output: Output) -> str:
    found = _ENDING.fullmatch(PurePosixPath(urlsplit(output.url).path).suffix.lower())
    return found[1] if found else EXTENSIONS.get(output.type, "bin")
