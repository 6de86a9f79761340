"""Read request bodies: within a size and a time, of one content type, as strict JSON.

The JSON is stricter than the standard: no duplicate names, no NaN or infinity, no NUL, no lone surrogates, at most 64
levels. So no value can break what stores, signs or shows it later.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from starlette.requests import Request

from receiver.web.problems import Kind, Problem
from submitter.errors import Violation
from submitter.providers.json_reader import is_nested_deeper

JSON_TYPES = frozenset({"application/json"})

MAX_LEVELS = 64  # providers' own bodies have about four

#: Seconds for a body, beside those that it needs at the lowest speed. For a callback of 1 MiB, the largest by default,
#: that is less than a stop allows the requests in flight.
BODY_WITHIN_S = 10.0

SLOWEST_BYTES_S = 128 * 1024

_FIELD_CHARACTERS = 200  # of a path in the caller's own text

_CHECKED = frozenset({dict, list, str})

_UNFIT_TEXT = re.compile("[\x00\ud800-\udfff]")


class BadJson(Exception):
    """The body is not the JSON that we accept. `field` is a dotted path, empty for the whole body."""

    def __init__(self, rule: str, *, accepted: str, field: str = "") -> None:
        super().__init__(rule)
        self.violation = Violation(field=field[:_FIELD_CHARACTERS] or "body", rule=rule, accepted=accepted)


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value. Raise BadJson, and nothing else, for any other bytes."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise BadJson(f"is not UTF-8 at byte {error.start}", accepted="JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadJson(f"is not JSON at character {error.pos}: {error.msg}", accepted="one JSON value") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # the interpreter's own limit to the digits of a number
        raise BadJson("holds a number of thousands of digits", accepted="shorter numbers") from None
    if is_nested_deeper(value, MAX_LEVELS + 1):
        raise _too_deep()
    # Unescaped, JSON refuses NUL and UTF-8 refuses lone surrogates, so only escapes can bring them in.
    if b"\\u" in body:
        _check_texts(value)
    return value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadJson("is given twice", accepted="each name once", field=_visible(_duplicate(pairs)))
    return found


def _duplicate(pairs: Sequence[tuple[str, Any]]) -> str:
    counts = Counter(name for name, _ in pairs)
    return next(name for name, count in counts.items() if count > 1)


def _refuse_constant(word: str) -> NoReturn:
    raise BadJson(f"holds {word}, which is not JSON", accepted="finite numbers")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadJson("holds a number that is too large", accepted="finite numbers")
    return number


def _too_deep() -> BadJson:
    return BadJson(f"is nested more than {MAX_LEVELS} levels deep", accepted=f"up to {MAX_LEVELS} levels")


def _check_texts(value: object) -> None:
    pending: list[tuple[object, tuple[str, ...]]] = [(value, ())]
    while pending:
        each, path = pending.pop()
        if isinstance(each, str):
            _check_text(each, path)
        for name, child in _children(each):
            pending.append((child, (*path, name)))


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, child in value.items():
            _check_text(name, (name,))
            if type(child) in _CHECKED:
                yield name, child
    elif isinstance(value, list):
        yield from ((str(number), child) for number, child in enumerate(value) if type(child) in _CHECKED)


def _check_text(text: str, path: tuple[str, ...]) -> None:
    if _UNFIT_TEXT.search(text):
        rule = "holds NUL or half of a surrogate pair"
        raise BadJson(rule, accepted="text without them", field=_visible(".".join(path)))


def _visible(text: str) -> str:
    return _UNFIT_TEXT.sub("\ufffd", text)


def check_type(request: Request, types: frozenset[str]) -> None:
    """Raise a 415 problem unless there is exactly one content type, of `types`, in UTF-8, and no content coding."""
    given = request.headers.getlist("content-type")
    accepted = " or ".join(sorted(types))
    essence, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]*)", parameters, re.IGNORECASE)
    if essence.strip().lower() not in types or (charset and charset[1].lower() not in {"utf-8", "utf8"}):
        raise Problem(Kind.MEDIA, f"Send one Content-Type: {accepted}, in UTF-8.")
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
        raise Problem(Kind.MEDIA, "Send the body without a Content-Encoding.")


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the whole body. Raise a 413 problem when it is too large, a 408 problem when it comes too slowly."""
    too_large = Problem(Kind.TOO_LARGE, f"The body may have {max_bytes} bytes at most.")
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
        detail = f"The body must come within {within_s:.0f} s."
        raise Problem(Kind.TOO_SLOW, detail, headers={"Connection": "close"}) from None
    return bytes(body)
