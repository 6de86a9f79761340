"""Read untrusted JSON by path. For any bytes, every function returns a value and raises nothing. Pure.

The values are safe to store and to show: text of bounded length without lone surrogates and control characters, times
as plausible unix milliseconds, URLs that parse as http(s). Anything else counts as absent.
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import urlsplit

from submitter.model import ProviderTaskId, TaskState
from submitter.timestamps import EPOCH

JsonObject = Mapping[str, object]

StateWords = Mapping[str, TaskState]

#: How much of a body an observation stores: a status body has a few hundred bytes, an error page can have any size.
RAW_CAP_BYTES = 64 * 1024

#: Ids in the documents have 12 to 40 characters, the video ids of LiteLLM 242 to 262 (BerriAI/litellm,
#: litellm/types/videos/utils.py: base64 of provider, model and upstream id). One of this length fits any URL.
TASK_ID_CAP = 1_000

#: A row of a Postgres index has at most 2,704 bytes (https://www.postgresql.org/docs/current/btree.html).
_TASK_ID_BYTES = 2_000

TEXT_CAP = 2_000

#: The longest URL that servers and proxies commonly accept.
URL_CAP = 8_192

#: A task has a few files. The cap limits what a hostile reply can store.
ITEMS_CAP = 100

BEIJING = timezone(timedelta(hours=8))

_CONTAINERS = (dict, list, tuple)

#: Made once, because `json.loads` makes one for each body that it reads with options.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None, strict=False)

#: The years 2010 to 2100: a number outside has another unit or is not a time.
_EARLIEST_MS, _LATEST_MS = 1_262_304_000_000, 4_102_444_800_000

_PERCENT = re.compile(r"([0-9]{1,3})(\.[0-9]+)?\s*%?")

_EXPIRES = re.compile(r"(?:^|&)Expires=([0-9]{9,11})(?:&|$)", re.ASCII)

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")

_NOT_IN_URL = re.compile("[\x00-\x20\x7f\\\\\ud800-\udfff]")

#: A URL that has nothing to be cut off, left out or escaped, and no part that can be wrong.
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,4})?(?:[/?#][!-\[\]-~]*)?")

_LINE_ENDS = re.compile("[\t\n\r]")

_BLANKS = "".join(map(chr, range(0x21)))


def read_object(body: bytes) -> JsonObject | None:
    """Return the JSON object in the body, None for anything else. NaN and Infinity count as null.

    A byte that is not UTF-8 costs nothing but itself: it becomes U+FFFD, or is left out where that is no JSON. Control
    characters may stand in a text as they are.
    """
    body = body.removeprefix(BOM_UTF8)
    readable = body.decode("utf-8", "replace")
    value = _loaded(readable)
    if value is None and "\N{REPLACEMENT CHARACTER}" in readable:
        value = _loaded(body.decode("utf-8", "ignore"))
    return value if isinstance(value, dict) else None


def is_nested_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists are nested deeper than `levels`.

    It goes level by level, because recursion would fail on the depth that it measures. Millions of numbers cost little.
    """
    level = [value]
    for _ in range(levels):
        level = [child for each in level for child in _children(each) if isinstance(child, _CONTAINERS)]
        if not level:
            return False
    return True


def capped(body: bytes) -> bytes:
    return body[:RAW_CAP_BYTES]


def at(value: object, *path: str) -> object:
    """Return the value at the path, None where the path ends early."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def items_at(value: object, *path: str) -> list[object]:
    found = at(value, *path)
    return found[:ITEMS_CAP] if isinstance(found, list) else []


def text(value: object) -> str:
    """Return a string or an integer as clean text; empty for anything else."""
    if isinstance(value, str) and len(value) <= TEXT_CAP and value.isprintable():
        return value.strip()  # nearly every text: nothing to replace and nothing to cut
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int) and abs(value) >= 10**18:
        return ""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value)[:TEXT_CAP]).strip()


def text_at(value: object, *path: str) -> str:
    return text(at(value, *path))


def first_text(*values: object) -> str:
    return next((found for found in map(text, values) if found), "")


def usable_id(value: object) -> ProviderTaskId | None:
    """Return a task id that can stand in a URL: of bounded length, printable, and not a dot segment; else None.

    Blanks around it are cut off. An id with a byte that was not UTF-8 (U+FFFD) is none, because the provider would not
    know it.
    """
    found = value.strip() if isinstance(value, str) and len(value) <= 2 * TASK_ID_CAP else ""
    if not 0 < len(found) <= TASK_ID_CAP or not found.isprintable() or "\N{REPLACEMENT CHARACTER}" in found:
        return None
    return ProviderTaskId(found) if found.strip(". ") and len(found.encode()) <= _TASK_ID_BYTES else None


def state_of(word: str, words: StateWords) -> tuple[TaskState, bool]:
    """Return the state, and whether any document names the word. An unknown word is never terminal. Case is ignored."""
    known = words.get(word.lower())
    return (TaskState.RUNNING, False) if known is None else (known, True)


def waiting_or_running(word: str, words: StateWords) -> TaskState:
    """Return the first state of a task from its receipt. Only an observation can end a task."""
    state, _ = state_of(word, words)
    return TaskState.RUNNING if word and state is TaskState.RUNNING else TaskState.SUBMITTED


def percent(value: object) -> int | None:
    """Return 0 to 100 from a number, or from text such as `50%`."""
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    found = _PERCENT.fullmatch(text(value))
    return int(found[1]) if found and int(found[1]) <= 100 else None


def ms_from_s(value: object) -> int | None:
    """Read unix seconds. HiAPI and new-api send 0 for a time in the future."""
    number = _number(value)
    return None if number is None else _plausible(int(number * 1000))


def ms_from_ms(value: object) -> int | None:
    number = _number(value)
    return None if number is None else _plausible(int(number))


def ms_from_text(value: object, zone: timezone = UTC) -> int | None:
    """Read ISO 8601, with `T` or a space. `zone` applies where the text names none."""
    try:
        moment = datetime.fromisoformat(text(value))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return _plausible((aware - EPOCH) // timedelta(milliseconds=1))
    except (ValueError, OverflowError):
        return None


def http_url(value: object) -> str | None:
    """Return an absolute http(s) URL without user information; None for a path, an error text or anything else.

    As in browsers (https://url.spec.whatwg.org/#url-parsing, read 2026-11-26), blanks around it are cut off, tabs and
    line ends in it are left out, and a blank in its path or query is escaped. A host holds none.
    """
    if not isinstance(value, str):
        return None
    if len(value) <= URL_CAP and _PLAIN_URL.fullmatch(value):
        return value
    url = _LINE_ENDS.sub("", value.strip().strip(_BLANKS)).replace(" ", "%20")
    if len(url) > URL_CAP or _NOT_IN_URL.search(url) or not origin(url):
        return None
    return None if "%" in urlsplit(url).netloc else url


def origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port, or its default; None where the text is not a plain http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def signed_until_ms(url: str) -> int | None:
    """Return the end of a signed object-store link, from its `Expires` parameter in unix seconds."""
    found = _EXPIRES.search(urlsplit(url).query)
    return ms_from_s(int(found[1])) if found else None


def _loaded(readable: str) -> object:
    try:
        return _DECODER.decode(readable)
    except (ValueError, RecursionError):
        return None


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 10**18 else None  # false for NaN and infinity as well


def _plausible(at_ms: int) -> int | None:
    return at_ms if _EARLIEST_MS <= at_ms <= _LATEST_MS else None
