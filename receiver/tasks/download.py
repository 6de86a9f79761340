"""The files of a finished task, fetched to a folder.

Flow. A file is a `.part` until it is whole, and a part that is there is gone on with. The key goes where the adapter
sends it, which is its own origin; any other host is reached through the guard that webhooks have, since the address is
a provider's word. No redirect is followed.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from receiver.tasks.model.task import Task
from submitter.errors import WhenfinalError
from submitter.http.messages import HttpCall
from submitter.http.transport import FileReply
from submitter.model import Output
from submitter.providers.contract import Account, ServesFiles
from submitter.providers.json_reader import origin

IDLE_S = 30.0  # without a byte; a content proxy may take seconds until its upstream sends the first

EXTENSIONS: Mapping[str, str] = {"video": "mp4", "image": "png", "audio": "mp3"}

_ENDING = re.compile(r"\.([a-z0-9]{2,4})")

_PIECE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")

#: Told with the bytes that are on disk and, where it is known, the size of the whole file.
OnBytes = Callable[[int, int | None], None]


class DownloadFailed(WhenfinalError):
    """A file could not be had; what came of it is kept."""


class Streams(Protocol):
    def stream(self, call: HttpCall, *, idle_s: float) -> AbstractAsyncContextManager[FileReply]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An output and the place for it."""

    output: Output
    path: Path

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What a reply holds: bytes from `start` on; `size` of the whole file where it is known."""

    start: int
    size: int | None


def plan(task: Task, folder: Path) -> tuple[Planned, ...]:
    """A name for each output: the task, what the file is, and a number where there are several of a kind."""
    kinds = [_kind(output) for output in task.outputs]
    numbers: Counter[str] = Counter()
    planned = []
    for output, kind in zip(task.outputs, kinds, strict=True):
        numbers[kind] += 1
        number = f"-{numbers[kind]}" if kinds.count(kind) > 1 else ""
        planned.append(Planned(output=output, path=folder / f"{task.id}-{kind}{number}.{_extension(output)}"))
    return tuple(planned)


def _kind(output: Output) -> str:
    return re.sub("[^a-z0-9]+", "-", output.type.lower()).strip("-")[:30] or "file"


def _extension(output: Output) -> str:
    found = _ENDING.fullmatch(Path(urlsplit(output.url).path).suffix.lower())
    return found[1] if found else EXTENSIONS.get(output.type, "bin")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Download:
    """`files` is the adapter's, where it serves files; `own` reaches the provider, `guarded` everybody else."""

    account: Account
    files: ServesFiles | None
    own: Streams
    guarded: Streams

    async def fetch(self, planned: Planned, on_bytes: OnBytes) -> int:
        """The size of the file in bytes. Raise DownloadFailed or TransportError; the part stays for the next time."""
        try:
            size = await self._fetch_part(planned, on_bytes)
            _place(planned)
        except OSError as error:
            raise DownloadFailed(f"{planned.path}: {error.strerror or error}") from error
        return size

    async def _fetch_part(self, planned: Planned, on_bytes: OnBytes) -> int:
        _refuse_to_overwrite(planned)
        begun = planned.part.stat().st_size if planned.part.exists() else 0
        way = self.own if origin(planned.output.url) == origin(self.account.base_url) else self.guarded
        async with way.stream(self._call(planned.output, begun), idle_s=IDLE_S) as reply:
            piece = _piece(reply, begun, planned)
            if piece is None:
                return begun
            return await _keep(planned.part, reply.chunks, piece, on_bytes)

    def _call(self, output: Output, begun: int) -> HttpCall:
        call = HttpCall(method="GET", url=output.url)
        if self.files is not None:
            call = self.files.build_download(output, self.account)
        return replace(call, headers=(*call.headers, ("range", f"bytes={begun}-"))) if begun else call


def _piece(reply: FileReply, begun: int, planned: Planned) -> _Piece | None:
    """None when the part is the whole file already."""
    if reply.status == 416 and reply.header("content-range") == f"bytes */{begun}":
        return None
    host = urlsplit(planned.output.url).hostname
    if reply.status not in {200, 206}:
        raise DownloadFailed(f"{host} answers {reply.status} in place of the file; {_advice(reply.status, planned)}")
    kind = (reply.header("content-type") or "").lower()
    if kind.startswith(("application/json", "text/")):
        raise DownloadFailed(f"{host} answers with {kind.partition(';')[0]} in place of the file")
    if reply.status == 200:
        length = reply.header("content-length") or ""
        return _Piece(start=0, size=int(length) if re.fullmatch("[0-9]{1,18}", length) else None)
    found = _PIECE.fullmatch(reply.header("content-range") or "")
    if found is None or int(found[1]) != begun:
        raise DownloadFailed(f"{host} answers with another piece of the file than the one asked for")
    return _Piece(start=begun, size=None if found[2] == "*" else int(found[2]))


def _advice(status: int, planned: Planned) -> str:
    if status == 416:
        return f"{planned.part} is not the beginning of it: delete it and try again"
    if 300 <= status < 400:
        return "redirects are not followed"
    return "its link may have ended"


async def _keep(part: Path, chunks: AsyncIterator[bytes], piece: _Piece, on_bytes: OnBytes) -> int:
    kept = piece.start
    on_bytes(kept, piece.size)
    file = await asyncio.to_thread(_opened, part, piece.start)
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
            kept += len(chunk)
            on_bytes(kept, piece.size)
    finally:
        await asyncio.to_thread(file.close)
    if piece.size is not None and kept != piece.size:
        raise DownloadFailed(f"{part} has {kept} bytes and should have {piece.size}: delete it and try again")
    return kept


def _opened(part: Path, start: int) -> BinaryIO:
    """At `start`, with nothing behind it. Made with its folder where it is not there."""
    part.parent.mkdir(parents=True, exist_ok=True)
    file = part.open("r+b" if part.exists() else "wb")
    file.seek(start)
    file.truncate()
    return file


def _place(planned: Planned) -> None:
    _refuse_to_overwrite(planned)
    planned.part.rename(planned.path)


def _refuse_to_overwrite(planned: Planned) -> None:
    if planned.path.exists():
        raise DownloadFailed(f"{planned.path} is there already, and is not overwritten")
