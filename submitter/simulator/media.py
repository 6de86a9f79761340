"""The targets of result links and redirects, which stand for other hosts and must never receive a bearer key.

A link ends with its result: 404 where the file was temporary (HiAPI), 403 from a signed object-store link elsewhere.
"""

import hashlib
import re
import struct
import zlib

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from submitter.simulator.task import Phase
from submitter.simulator.world import KEY_HEADERS, world_of


async def file(request: Request) -> Response:
    """GET /cdn/{platform}/{task_id}.mp4."""
    _count_leaked_key(request)
    world = world_of(request)
    platform: str = request.path_params["platform"]
    task = world.find(platform, request.path_params["task_id"])
    if task is None or world.view(task).phase is not Phase.SUCCEEDED:
        return PlainTextResponse("no such file", status_code=404)
    if request.query_params.get("Signature") != world.link_signature(task):
        return PlainTextResponse("the signature does not match", status_code=403)
    if world.now_s() >= world.view(task).expires_s:
        return PlainTextResponse("the link has expired", status_code=404 if platform == "hiapi" else 403)
    return ranged(video_of(task.task_id, task.draft.clip.seconds), request.headers.get("range"))


async def elsewhere(request: Request) -> Response:
    """The target of the fault `query_redirect`."""
    _count_leaked_key(request)
    return HTMLResponse("<!doctype html><title>Elsewhere</title><p>This is another host.</p>")


def _count_leaked_key(request: Request) -> None:
    if any(name in request.headers for name in KEY_HEADERS):
        world_of(request).keys_leaked += 1


ROUTES = (
    Route("/cdn/{platform}/{task_id}.mp4", file, methods=["GET"]),
    Route("/elsewhere/{rest:path}", elsewhere),
)

WIDTH, HEIGHT = 64, 36

_TIMESCALE = 1000

_PNG_OBJECT_TYPE = 0x6D

_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def video_of(task_id: str, seconds: int) -> bytes:
    """Return the video file of one task; the same id and length give the same bytes."""
    frame = _png(hashlib.sha256(task_id.encode()).digest()[:3])
    head = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
    moov_bytes = len(_moov(frame, seconds, first_sample=0))
    moov = _moov(frame, seconds, first_sample=len(head) + moov_bytes + 8)
    return head + moov + _box(b"mdat", frame * seconds)


def ranged(content: bytes, wanted: str | None) -> Response:
    """Answer 200 with the whole file, 206 with the requested range, or 416. Several ranges get the whole file."""
    headers = {"Accept-Ranges": "bytes"}
    match = _RANGE.match(wanted) if wanted else None
    if match is None or match.groups() == ("", ""):
        return Response(content, media_type="video/mp4", headers=headers)
    first, last = _bounds(match.group(1), match.group(2), len(content))
    if first > last or first >= len(content):
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], status_code=206, media_type="video/mp4", headers=headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size - 1 if int(last) else -1
    return int(first), min(int(last), size - 1) if last else size - 1


def _png(colour: bytes) -> bytes:
    rows = (b"\0" + colour * WIDTH) * HEIGHT
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + kind + content


def _full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _moov(frame: bytes, seconds: int, *, first_sample: int) -> bytes:
    length = seconds * _TIMESCALE
    movie = struct.pack(">4I", 0, 0, _TIMESCALE, length) + struct.pack(">IH10x", 0x10000, 0x100)
    header = _full_box(b"mvhd", movie, _UNITY_MATRIX, bytes(24), struct.pack(">I", 2))
    return _box(b"moov", header, _box(b"trak", _tkhd(length), _mdia(frame, seconds, first_sample)))


def _tkhd(length: int) -> bytes:
    times = struct.pack(">5I", 0, 0, 1, 0, length)
    size = struct.pack(">II", WIDTH << 16, HEIGHT << 16)
    return _full_box(b"tkhd", times, bytes(16), _UNITY_MATRIX, size, flags=3)


def _mdia(frame: bytes, seconds: int, first_sample: int) -> bytes:
    length = seconds * _TIMESCALE
    language_undetermined = 0x55C4
    header = _full_box(b"mdhd", struct.pack(">4IHH", 0, 0, _TIMESCALE, length, language_undetermined, 0))
    handler = _full_box(b"hdlr", bytes(4), b"vide", bytes(12), b"video\0")
    data_here = _full_box(b"url ", flags=1)
    where = _box(b"dinf", _full_box(b"dref", struct.pack(">I", 1), data_here))
    table = _sample_table(frame, seconds, first_sample)
    return _box(b"mdia", header, handler, _box(b"minf", _full_box(b"vmhd", bytes(8), flags=1), where, table))


def _sample_table(frame: bytes, seconds: int, first_sample: int) -> bytes:
    return _box(
        b"stbl",
        _full_box(b"stsd", struct.pack(">I", 1), _sample_entry()),
        _full_box(b"stts", struct.pack(">3I", 1, seconds, _TIMESCALE)),
        _full_box(b"stsc", struct.pack(">4I", 1, 1, seconds, 1)),
        _full_box(b"stsz", struct.pack(">II", len(frame), seconds)),
        _full_box(b"stco", struct.pack(">II", 1, first_sample)),
    )


def _sample_entry() -> bytes:
    size = struct.pack(">HH", WIDTH, HEIGHT)
    resolution = struct.pack(">II", 0x480000, 0x480000)
    tail = struct.pack(">IH32xHh", 0, 1, 24, -1)
    return _box(b"mp4v", bytes(6), struct.pack(">H", 1), bytes(16), size, resolution, tail, _esds())


def _esds() -> bytes:
    visual_stream = 0x11
    decoder = struct.pack(">BBBBHII", 4, 13, _PNG_OBJECT_TYPE, visual_stream, 0, 0, 0)
    sync = struct.pack(">BBB", 6, 1, 2)
    return _full_box(b"esds", struct.pack(">BBHB", 3, 3 + len(decoder) + len(sync), 1, 0), decoder, sync)
