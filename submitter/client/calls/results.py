"""Read the files of a finished task through the service, and go on where a connection broke."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from submitter.client import conversation
from submitter.client.conversation import (
    RETRYABLE,
    Call,
    Give,
    NoReply,
    Open,
    Pause,
    Read,
    Reply,
    Series,
    Step,
)
from submitter.client.requests import api_path
from submitter.client.stream import Lost, lost_by, lost_to
from submitter.errors import FileChanged, ReceiverUnreachable

SILENCE_S = 60.0  # without a byte

#: Bytes that are there already and are sent again, so that no two files are put together.
OVERLAP = 1024

_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")

_NAME = re.compile(r'attachment; filename="([A-Za-z0-9_-][A-Za-z0-9._-]{0,120})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes of a file, from `at` on."""

    at: int
    data: bytes
    #: Of the whole file; None where it is not known.
    size: int | None
    #: What the service calls the file.
    name: str | None


def pieces(task_id: str, /, *, number: int = 0, start: int = 0, known: bytes = b"") -> Series[Piece]:
    """Give a file from `start` on, in order; its first piece may be empty. Number 0 is the first output.

    `known` are bytes that are there before `start`; the last of them are compared with those of the file. A piece `at`
    0 after others means that the file is not sent in parts, and begins anew. Raise FileChanged when it is shorter than
    `start` or other bytes stand there, ReceiverRefused for a task without that file, and ReceiverUnreachable after
    tries in vain.
    """
    reader, failures = _Reader(task_id, number, start, known), 0
    while True:
        before = reader.at
        lost = yield from reader.read()
        if lost is None:
            return
        failures = 1 if reader.at > before else failures + 1
        if failures > len(conversation.RETRY_PAUSES_S):
            raise lost.error
        pause_s = conversation.RETRY_PAUSES_S[failures - 1]
        yield Pause(max(pause_s, min(lost.retry_after_s or 0.0, conversation.RETRY_AFTER_CAP_S)))


def chunks(task_id: str, /, *, number: int = 0) -> Series[bytes]:
    """Give the bytes of a file in order, each once. Raise as for a download."""
    source, answer, given = pieces(task_id, number=number), None, _Known(0)
    while True:
        try:
            step = source.send(answer)
        except StopIteration:
            return
        if not isinstance(step, Give):
            answer = yield step
            continue
        answer, piece = None, step.item
        new = given.add(piece.at, piece.data)
        if new:
            yield Give(new)


class _Known:
    """The end of the bytes that are there, with which those of a later answer are compared."""

    def __init__(self, size: int, end: bytes = b"") -> None:
        self.size = size
        self._end = end[-OVERLAP:]

    def add(self, at: int, data: bytes) -> bytes:
        """Return what of the data is new. Raise FileChanged where the rest is not what is there."""
        first = self.size - len(self._end)
        low, high = max(at, first), min(at + len(data), self.size)
        if low < high and data[low - at : high - at] != self._end[low - first : high - first]:
            raise FileChanged(f"the file is another one than that of which {self.size} bytes are there")
        new = data[max(0, self.size - at) :]
        self.size += len(new)
        self._end = (self._end + new[-OVERLAP:])[-OVERLAP:]
        return new


class _Reader:
    """Reads one file over several connections. `at` bytes were read."""

    def __init__(self, task_id: str, number: int, start: int, known: bytes) -> None:
        self._path = api_path("tasks", task_id, "files", number)
        self._known = _Known(start, known)

    @property
    def at(self) -> int:
        return self._known.size

    def read(self) -> Generator[Step | Give[Piece], Any, Lost | None]:
        """Give what one connection brings. Return None at the end of the file. Raise a ClientError."""
        asked_from = max(1, self.at - OVERLAP) if self.at > 1 else 0
        reply: Reply | NoReply = yield Open(call=self._call(asked_from), silence_s=SILENCE_S)
        if isinstance(reply, NoReply):
            return lost_by(reply, "file")
        if reply.status not in {200, 206}:
            return (yield from _refused(reply, self.at))
        size, place = _place(reply, asked_from)
        if not place:
            self._known = _Known(0)
        elif size is not None and size < self.at:
            raise _shorter(self.at)
        name = _NAME.fullmatch(reply.headers.get("content-disposition", ""))
        while True:
            data: bytes | NoReply | None = yield Read()
            if isinstance(data, NoReply):
                return lost_by(data, "whole file")
            if data is None:
                return (
                    None if size is None or place >= size else lost_by(NoReply(reason="it ended early"), "whole file")
                )
            at = self.at
            new = self._known.add(place, data)
            place += len(data)
            yield Give(Piece(at=at, data=new, size=size, name=name[1] if name else None))

    def _call(self, asked_from: int) -> Call[bytes]:
        wanted = (("Range", f"bytes={asked_from}-"),) if asked_from else ()
        headers = (("Accept-Encoding", "identity"), *wanted)
        return Call(method="GET", path=self._path, read=bytes, headers=headers, may_be_repeated=True)


def _place(reply: Reply, asked_from: int) -> tuple[int | None, int]:
    """The size of the whole file, and where the body begins. Raise ReceiverUnreachable for another part."""
    if reply.status == 200:
        length = reply.headers.get("content-length", "")
        return (int(length) if re.fullmatch("[0-9]{1,18}", length) else None), 0
    found = _RANGE.fullmatch(reply.headers.get("content-range", ""))
    if found is None or int(found[1]) != asked_from:
        raise ReceiverUnreachable("the answer cannot be read: it is another part of the file")
    return (None if found[2] == "*" else int(found[2])), asked_from


def _refused(reply: Reply, at: int) -> Generator[Step, Any, Lost]:
    if reply.status == 416:
        raise _shorter(at)
    lost = yield from lost_to(reply, "file")
    if reply.status not in RETRYABLE:
        raise lost.error
    return lost


def _shorter(at: int) -> FileChanged:
    return FileChanged(f"the file is shorter than the {at} bytes that are there")
