"""Read the bytes of a request body as strict JSON of one content type.

The JSON is stricter than the standard: no duplicate names, no NaN or infinity, no NUL, no lone surrogates, at most 64
levels and 10,000 values, and no number of more than 1,000 digits. So no value can break what stores, signs or shows it
later, and none costs more to check than its bytes are worth.
"""

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

MAX_VALUES = 10_000  # texts, numbers, lists and objects in one body; a request of ours has some thirty

MAX_DIGITS = 1_000  # of one number, because reading a number costs the square of its digits

_FIELD_CHARACTERS = 200  # of a path in the caller's own text

_CHECKED = frozenset({dict, list, str})

_UNFIT_TEXT = re.compile("[\x00\ud800-\udfff]")


class BadJson(Exception):
    """The body is not the JSON that we accept. `field` is a dotted path, empty for the whole body."""

    def __init__(self, rule: str, *, accepted: str, field: str = "") -> None:
        super().__init__(rule)
        self.violation = Violation(field=field[:_FIELD_CHARACTERS] or "body", rule=rule, accepted=accepted)


#: Each value has at most one comma behind it and one bracket before it.
_MARKS = (b",", b"[", b"{")

_MOST_MARKS = 2 * MAX_VALUES


def has_too_many_marks(body: bytes) -> bool:
    """Whether the marks between values show that there are too many, before any value is made.

    The marks within texts do not count.
    """
    if sum(body.count(mark) for mark in _MARKS) <= _MOST_MARKS:
        return False
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = start = 0
    for _ in range(_MOST_MARKS):  # texts: each value has at most one and a name
        text = body.find(b'"', start)
        marks += sum(body.count(mark, start, len(body) if text < 0 else text) for mark in _MARKS)
        if marks > _MOST_MARKS or text < 0:
            break
        start = body.find(b'"', text + 1) + 1
        if not start:
            break  # a text without an end, which the parser names
    else:
        return True
    return marks > _MOST_MARKS


def parse_json(body: bytes) -> object:
    """Return the value. Raise BadJson, and nothing else, for any other bytes."""
    if has_too_many_marks(body):
        raise _too_many()
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except UnicodeDecodeError as error:
        raise BadJson(f"is not UTF-8 at byte {error.start}", accepted="JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadJson(f"is not JSON at character {error.pos}: {error.msg}", accepted="one JSON value") from None
    except RecursionError:
        raise _too_deep() from None
    if is_nested_deeper(value, MAX_LEVELS + 1):
        raise _too_deep()
    if _count_values(value) > MAX_VALUES:
        raise _too_many()
    # Unescaped, JSON refuses NUL and UTF-8 refuses lone surrogates, so only escapes can bring them in.
    if b"\\u" in body:
        _check_texts(value)
    return value


def _count_values(value: object) -> int:
    count, pending = 0, [value]
    while pending:
        each = pending.pop()
        count += 1
        if isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return count


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


def _whole(text: str) -> int:
    _check_digits(text)
    return int(text)


def _check_digits(text: str) -> None:
    if len(text) > MAX_DIGITS:
        raise BadJson("holds a number of thousands of digits", accepted=f"numbers of up to {MAX_DIGITS} digits")


def _finite(text: str) -> float:
    _check_digits(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadJson("holds a number that is too large", accepted="finite numbers")
    return number


def _too_many() -> BadJson:
    return BadJson(f"holds more than {MAX_VALUES} values", accepted=f"up to {MAX_VALUES} values")


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
