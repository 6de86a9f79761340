"""Download the files of a finished task to a folder.

A file is called `.part` until it is complete, and an incomplete one is continued.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from receiver.tasks.file_requests import FileNotReached, FileRequests, host_of
from receiver.tasks.model.task import Task
from submitter.errors import WhenfinalError
from submitter.http.transport import FileReply
from submitter.http.unpacking import DEFLATE, GZIP, Unpacker
from submitter.model import Output

IDLE_S = 30.0  # without a byte; a content proxy may take seconds to send the first one

EXTENSIONS: Mapping[str, str] = {"video": "mp4", "image": "png", "audio": "mp3"}

_UNPACKED = frozenset({"", "identity"})

_ENDING = re.compile(r"\.([a-z0-9]{2,4})")

_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")

#: An answer in words where a file was asked for.
_TEXT_TYPE = re.compile(r"text/.*|application/([\w.-]+\+)?(json|xml)\b.*")

#: How a page or a JSON document begins, and no video, picture or sound does.
_TEXT_START = re.compile(rb"(\xef\xbb\xbf)?\s*(<!doctype|<html|<\?xml|<error|\{\s*[\"}]|\[\s*[\"{\]])", re.IGNORECASE)

#: Called with the bytes that are on disk and the size of the whole file, None where that is not known.
OnBytes = Callable[[int, int | None], None]


class DownloadFailed(WhenfinalError):
    """A file could not be fetched or stored. Its `.part` stays for the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """An output and the file that it is downloaded to."""

    output: Output
    path: Path

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """Which bytes of the file a reply holds: those from `start` on."""

    start: int
    #: Size of the whole file; None where it is not known.
    size: int | None
    #: How the bytes are packed.
    coding: str


def plan(task: Task, folder: Path) -> tuple[PlannedFile, ...]:
    """A path for each output: our task id, the kind of file, and a number where there are several of a kind."""
    kinds = [_kind(output) for output in task.outputs]
    numbers: Counter[str] = Counter()
    planned: list[PlannedFile] = []
    for output, kind in zip(task.outputs, kinds, strict=True):
        numbers[kind] += 1
        number = f"-{numbers[kind]}" if kinds.count(kind) > 1 else ""
        planned.append(PlannedFile(output=output, path=folder / f"{task.id}-{kind}{number}.{_extension(output)}"))
    return tuple(planned)


def _kind(output: Output) -> str:
    return re.sub("[^a-z0-9]+", "-", output.type.lower()).strip("-")[:30] or "file"


def _extension(output: Output) -> str:
    found = _ENDING.fullmatch(Path(urlsplit(output.url).path).suffix.lower())
    return found[1] if found else EXTENSIONS.get(output.type, "bin")


async def download(requests: FileRequests, planned: PlannedFile, on_bytes: OnBytes) -> int:
    """Download one file and return its size in bytes.

    Raise DownloadFailed or TransportError; the incomplete `.part` stays, and the next call continues it.
    """
    try:
        size = await _fetch_part(requests, planned, on_bytes)
        _refuse_to_overwrite(planned)
        planned.part.rename(planned.path)
    except FileNotReached as error:
        raise DownloadFailed(str(error)) from error
    except OSError as error:
        raise DownloadFailed(f"{planned.path}: {error.strerror or error}") from error
    return size


async def _fetch_part(requests: FileRequests, planned: PlannedFile, on_bytes: OnBytes) -> int:
    _refuse_to_overwrite(planned)
    begun = planned.part.stat().st_size if planned.part.exists() else 0
    headers = (("range", f"bytes={begun}-"),) if begun else ()
    async with requests.open(planned.output, headers, idle_s=IDLE_S) as (reply, _):
        content = _content_of(reply, begun, planned)
        return begun if content is None else await _store(planned, reply.chunks, content, on_bytes)


def _content_of(reply: FileReply, begun: int, planned: PlannedFile) -> _Content | None:
    """What the reply holds; None when the `.part` is the whole file already. Raise DownloadFailed."""
    if begun and reply.status == 416 and reply.header("content-range") == f"bytes */{begun}":
        return None
    host = host_of(planned.output.url)
    if reply.status not in {200, 206}:
        raise DownloadFailed(f"{host} answers {reply.status} in place of the file; {_advice(reply.status, planned)}")
    kind = (reply.header("content-type") or "").strip().lower()
    if _TEXT_TYPE.fullmatch(kind):
        raise DownloadFailed(f"{host} answers with {kind.partition(';')[0]} in place of the file")
    coding = (reply.header("content-encoding") or "").strip().lower()
    if coding not in _UNPACKED | GZIP | {DEFLATE} or (reply.status == 206 and coding not in _UNPACKED):
        raise DownloadFailed(f"{host} sends the file packed as {coding}, which was not asked for")
    if reply.status == 200:
        length = "" if coding not in _UNPACKED else reply.header("content-length") or ""
        return _Content(start=0, size=int(length) if re.fullmatch("[0-9]{1,18}", length) else None, coding=coding)
    found = _RANGE.fullmatch(reply.header("content-range") or "")
    if found is None or int(found[1]) != begun:
        raise DownloadFailed(f"{host} answers with another piece of the file than the requested one")
    return _Content(start=begun, size=None if found[2] == "*" else int(found[2]), coding=coding)


def _advice(status: int, planned: PlannedFile) -> str:
    if status == 416:
        return f"{planned.part} is not the beginning of it: delete it and try again"
    return "its link may have ended"


async def _store(planned: PlannedFile, chunks: AsyncIterator[bytes], content: _Content, on_bytes: OnBytes) -> int:
    """Append to the `.part` and return its size. Raise DownloadFailed when it is not the file.

    The `.part` is made only when the first bytes are those of a file.
    """
    part, unpacker = planned.part, Unpacker(content.coding)
    pieces = _unpacked(chunks, unpacker)
    first = await anext(pieces, b"")
    if content.start == 0:
        _check_start(first, planned)
    stored = content.start
    on_bytes(stored, content.size)
    file = await asyncio.to_thread(_open_part, part, content.start)
    try:
        await asyncio.to_thread(file.write, first)
        stored += len(first)
        on_bytes(stored, content.size)
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)
            stored += len(piece)
            on_bytes(stored, content.size)
    finally:
        await asyncio.to_thread(file.close)
    if not unpacker.is_complete:
        await asyncio.to_thread(part.unlink)
        raise DownloadFailed(f"{host_of(planned.output.url)} sends the file packed, and the packed data is damaged")
    if content.size is not None and stored != content.size:
        raise DownloadFailed(f"{part} has {stored} bytes and should have {content.size}: delete it and try again")
    return stored


async def _unpacked(chunks: AsyncIterator[bytes], unpacker: Unpacker) -> AsyncIterator[bytes]:
    """Give pieces that are not empty."""
    async for chunk in chunks:
        for piece in unpacker.pieces(chunk):
            if piece:
                yield piece
    if unpacker.rest():
        yield unpacker.rest()


def _check_start(first: bytes, planned: PlannedFile) -> None:
    """Raise DownloadFailed for an empty file, and for a page or JSON in place of one."""
    host = host_of(planned.output.url)
    if not first:
        raise DownloadFailed(f"{host} sends an empty file")
    if planned.output.type in EXTENSIONS and _TEXT_START.match(first):
        raise DownloadFailed(f"{host} answers with a page or JSON in place of the file")


def _open_part(part: Path, start: int) -> BinaryIO:
    """Opened for writing at `start`, and cut there. The file and its folder are made if they are not there."""
    part.parent.mkdir(parents=True, exist_ok=True)
    file = part.open("r+b" if part.exists() else "wb")
    file.seek(start)
    file.truncate()
    return file


def _refuse_to_overwrite(planned: PlannedFile) -> None:
    if planned.path.exists():
        raise DownloadFailed(f"{planned.path} is there already, and is not overwritten")
