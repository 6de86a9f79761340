"""Fetch a picture or a film that a task names, to look at it or to save it, and never anything else.

Only the head of the reply that is checked here is handed on. A file whose server does not say what it is, as storage
often does not, is recognised by its first bytes.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from receiver.tasks.file_requests import FileNotReached, FilePlace, FileRequests, host_of
from receiver.tasks.model.file_kinds import FIRST_BYTES, SAYS_NOTHING, kind_of
from submitter.errors import WhenfinalError
from submitter.http.transport import FileReply
from submitter.http.unpacking import DEFLATE, GZIP, Unpacker
from submitter.model import Output

AT_ONCE = 4  # in one process

CONNECTIONS = 2 * AT_ONCE  # apart from those of webhooks; a part of a file may need its beginning as well

IDLE_S = 20.0  # without a byte

MAX_BYTES = 16 << 30  # of one file, unpacked; videos of providers have up to some hundred MB

#: A drawing in SVG can hold a script, and is left out.
_TYPE = re.compile(r"(?:image/(?!svg)|video/|audio/)[a-z0-9.+-]{1,40}")

_ASKED = re.compile(r"bytes=[0-9]{0,15}-[0-9]{0,15}")

_LATER_PART = re.compile(r"bytes (?!0-)")

_GIVEN = re.compile(r"bytes (?:[0-9]{1,15}-[0-9]{1,15}|\*)/(?:[0-9]{1,15}|\*)")


#: How a page or a JSON document begins, and no video, picture or sound does.
_TEXT_START = re.compile(rb"(\xef\xbb\xbf)?\s*(<!doctype|<html|<\?xml|<error|\{\s*[\"}]|\[\s*[\"{\]])", re.IGNORECASE)


class NoMedia(WhenfinalError):
    """The address gives no picture and no film; the message is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture or a film while its bytes come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def open_media(requests: FileRequests, output: Output, wanted_range: str | None) -> AsyncIterator[Media]:
    """Give the reply to a request for a file.

    Raise NoMedia or a kind of TransportError, both also while the chunks are read.
    """
    is_asked = wanted_range is not None and _ASKED.fullmatch(wanted_range) is not None
    headers = (("range", wanted_range),) if wanted_range is not None and is_asked else ()
    try:
        async with requests.open(output, headers, idle_s=IDLE_S) as (reply, place):
            file = await _recognised(requests, reply, place)
            head = _headers_of(reply, place.output.url, file)
            yield Media(status=reply.status, headers=head, chunks=_capped(file.chunks))
    except FileNotReached as error:
        words = str(error)
        raise NoMedia(f"{words[:1].upper()}{words[1:]}.") from error


class _File(NamedTuple):
    """`kind` is what the server says or, where it says nothing, what the first bytes do."""

    kind: str
    chunks: AsyncIterator[bytes]
    #: It came packed, so its size and the places of its parts are not those of the reply.
    is_unpacked: bool = False


async def _recognised(requests: FileRequests, reply: FileReply, place: FilePlace) -> _File:
    kind = (reply.header("content-type") or "").partition(";")[0].strip().lower()
    if reply.status not in {200, 206}:
        return _File(kind, reply.chunks)
    coding = (reply.header("content-encoding") or "").strip().lower()
    is_packed = reply.status == 200 and (coding in GZIP or coding == DEFLATE)
    chunks = _unpacked(reply.chunks, coding, place) if is_packed else reply.chunks
    if not _LATER_PART.match(reply.header("content-range") or ""):
        first = await _first_bytes(chunks)
        if _TYPE.fullmatch(kind):
            _check_start(first, place)
        kind = (kind_of(first) or kind) if kind in SAYS_NOTHING else kind
        return _File(kind, _joined(first, chunks), is_packed)
    if kind not in SAYS_NOTHING:
        return _File(kind, chunks)
    asked = (("range", f"bytes=0-{FIRST_BYTES - 1}"),)
    async with requests.open_at(place, asked, idle_s=IDLE_S) as beginning:
        is_begun = beginning.status in {200, 206} and not _LATER_PART.match(beginning.header("content-range") or "")
        first = await _first_bytes(beginning.chunks) if is_begun else b""
    return _File(kind_of(first) or kind, chunks)


def _check_start(first: bytes, place: FilePlace) -> None:
    """Raise NoMedia for an empty file, and for a page or JSON in place of one, whatever type it is said to have."""
    host = host_of(place.output.url)
    if not first:
        raise NoMedia(f"{host} sends an empty file.")
    if _TEXT_START.match(first):
        raise NoMedia(f"{host} answers with a page or JSON in place of the file.")


async def _unpacked(chunks: AsyncIterator[bytes], coding: str, place: FilePlace) -> AsyncIterator[bytes]:
    """Raise NoMedia at the end of packed data that is damaged."""
    unpacker = Unpacker(coding)
    async for chunk in chunks:
        for piece in unpacker.pieces(chunk):
            if piece:
                yield piece
    if unpacker.rest():
        yield unpacker.rest()
    if not unpacker.is_complete:
        raise NoMedia(f"{host_of(place.output.url)} sends the file packed, and the packed data is damaged.")


async def _first_bytes(chunks: AsyncIterator[bytes]) -> bytes:
    """FIRST_BYTES and the rest of their chunk, or all there are."""
    first = b""
    async for chunk in chunks:
        first += chunk
        if len(first) >= FIRST_BYTES:
            break
    return first


async def _joined(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


def _headers_of(reply: FileReply, url: str, file: _File) -> dict[str, str]:
    """What is handed on of the head. Raise NoMedia for another status, type or packing, and for too many bytes."""
    if reply.status == 416:
        return _ranges(reply)
    if reply.status not in {200, 206}:
        raise NoMedia(f"{host_of(url)} answers {reply.status} in place of the file; its link may have ended.")
    if not _TYPE.fullmatch(file.kind):
        shown = file.kind if re.fullmatch("[a-z0-9/+.-]{1,60}", file.kind) else "no known type"
        raise NoMedia(f"{host_of(url)} answers with {shown}. Only pictures, films and sound are shown here.")
    if file.is_unpacked:
        return {"Content-Type": file.kind}
    if (reply.header("content-encoding") or "identity").strip().lower() not in {"", "identity"}:
        raise NoMedia(f"{host_of(url)} sends the file packed, which was not asked for.")
    length = reply.header("content-length") or ""
    is_known = re.fullmatch("[0-9]{1,15}", length) is not None
    if is_known and int(length) > MAX_BYTES:
        raise NoMedia(f"The file has {int(length):,} bytes, and at most {MAX_BYTES:,} are handed on.")
    sizes = {"Content-Length": length} if is_known else {}
    return {"Content-Type": file.kind, "Accept-Ranges": "bytes", **sizes, **_ranges(reply)}


def _ranges(reply: FileReply) -> dict[str, str]:
    given = reply.header("content-range") or ""
    return {"Content-Range": given} if _GIVEN.fullmatch(given) else {}


async def _capped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    count = 0
    async for chunk in chunks:
        count += len(chunk)
        if count > MAX_BYTES:
            raise NoMedia(f"The file has more than {MAX_BYTES:,} bytes.")
        yield chunk
