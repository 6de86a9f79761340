"""Fetch a picture or a film that a task names, for a person to look at, and never anything else.

The address comes from a provider or a caller. So it is reached through the address guard that webhooks have, also after
each redirect, and without any key. Only the head of the reply that is checked here is handed on.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from submitter.errors import WhenfinalError
from submitter.http.messages import HttpCall
from submitter.http.transport import FileReply, Transport
from submitter.providers.json_reader import origin

AT_ONCE = 4  # in one process; connections for them are apart from those of webhooks

IDLE_S = 20.0  # without a byte

WHOLE_S = 600.0  # for one of them, however slowly it is looked at

MAX_BYTES = 512 * 1024 * 1024

MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: A drawing in SVG can hold a script, and is left out.
_TYPE = re.compile(r"(?:image/(?!svg)|video/)[a-z0-9.+-]{1,40}")

_ASKED = re.compile(r"bytes=[0-9]{0,15}-[0-9]{0,15}")

_GIVEN = re.compile(r"bytes (?:[0-9]{1,15}-[0-9]{1,15}|\*)/(?:[0-9]{1,15}|\*)")


class NoMedia(WhenfinalError):
    """The address gives no picture and no film; the message is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture or a film while its bytes come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def open_media(transport: Transport, url: str, wanted_range: str | None) -> AsyncIterator[Media]:
    """Give the reply to a request for an address. `transport` has the address guard.

    Raise NoMedia or a kind of TransportError, the latter also while the chunks are read.
    """
    asked = wanted_range if wanted_range is not None and _ASKED.fullmatch(wanted_range) else None
    for _ in range(MOST_REDIRECTS + 1):
        if origin(url) is None:
            raise NoMedia("The address is not http(s).")
        headers = () if asked is None else (("range", asked),)
        async with transport.stream(HttpCall(method="GET", url=url, headers=headers), idle_s=IDLE_S) as reply:
            if reply.status not in _REDIRECTS:
                yield Media(status=reply.status, headers=_headers_of(reply, url), chunks=_capped(reply.chunks))
                return
            url = _target(url, reply)
    raise NoMedia(f"{_host(url)} redirects more than {MOST_REDIRECTS} times.")


def _target(url: str, reply: FileReply) -> str:
    try:
        target = urljoin(url, reply.header("location") or "")
    except ValueError:
        target = ""
    if reply.header("location") is None or origin(target) is None:
        raise NoMedia(f"{_host(url)} redirects to no address.")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise NoMedia(f"{_host(url)} redirects from https to http, which is not followed.")
    return target


def _headers_of(reply: FileReply, url: str) -> dict[str, str]:
    """What is handed on of the head. Raise NoMedia for another status, type or packing, and for too many bytes."""
    if reply.status == 416:
        return _ranges(reply)
    if reply.status not in {200, 206}:
        raise NoMedia(f"{_host(url)} answers {reply.status} in place of the file; its link may have ended.")
    kind = (reply.header("content-type") or "").partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        shown = kind if re.fullmatch("[a-z0-9/+.-]{1,60}", kind) else "no known type"
        raise NoMedia(f"{_host(url)} answers with {shown}. Only pictures and films are shown here.")
    if (reply.header("content-encoding") or "identity").strip().lower() not in {"", "identity"}:
        raise NoMedia(f"{_host(url)} sends the file packed, which was not asked for.")
    length = reply.header("content-length") or ""
    is_known = re.fullmatch("[0-9]{1,15}", length) is not None
    if is_known and int(length) > MAX_BYTES:
        raise NoMedia(f"The file has {int(length):,} bytes, and at most {MAX_BYTES:,} are shown here.")
    sizes = {"Content-Length": length} if is_known else {}
    return {"Content-Type": kind, "Accept-Ranges": "bytes", **sizes, **_ranges(reply)}


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


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the server"
