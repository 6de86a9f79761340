"""The way in for bodies that callers write: what they may be, how large, and how long they may take to come."""

import asyncio
import re

from starlette.requests import Request

from receiver.web.problems import Kind, Problem, ProblemError

#: A body may take this long and what it needs at the slowest speed; no stranger's may be waited for without an end.
#: With the callbacks' cap of 1 MiB that is less than a stop allows the requests in flight.
BODY_WITHIN_S = 10.0
SLOWEST_BYTES_S = 128 * 1024
JSON_TYPES = frozenset({"application/json"})


def check_type(request: Request, types: frozenset[str]) -> None:
    """Exactly one content type, of those taken, with any parameters; a charset must be UTF-8. No content coding."""
    given = request.headers.getlist("content-type")
    accepted = " or ".join(sorted(types))
    essence, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]*)", parameters, re.IGNORECASE)
    if essence.strip().lower() not in types or (charset and charset[1].lower() not in {"utf-8", "utf8"}):
        raise ProblemError(Problem(Kind.MEDIA, f"Send one Content-Type: {accepted}, in UTF-8."))
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
        raise ProblemError(Problem(Kind.MEDIA, "Send the body without a Content-Encoding."))


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The whole body, however it is framed. Stops reading at the cap, and when it comes too slowly."""
    too_large = ProblemError(Problem(Kind.TOO_LARGE, f"At most {max_bytes} bytes are taken here."))
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > len(str(max_bytes)) or int(length) > max_bytes):
        raise too_large
    body = bytearray()
    within_s = BODY_WITHIN_S + max_bytes / SLOWEST_BYTES_S
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        detail = f"A body is waited for {within_s:.0f} s at most."
        raise ProblemError(Problem(Kind.TOO_SLOW, detail, headers={"Connection": "close"})) from None
    return bytes(body)
