"""What providers and callers wrote, as a page may show it. Pure.

Control characters become escapes, and a long text is cut with its length. Markup is escaped by the templates.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from receiver.runtime.printable import escape_control

LINE = 300  # characters of a text within a table or a sentence

BLOCK = 20_000  # characters of a text that has a place of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The part of a text that is shown."""

    text: str
    #: Characters of the whole text, where it was cut.
    whole: int | None = None


def one_line(value: object, limit: int = LINE) -> Shown:
    """A text of others in one line; line ends and tabs are escapes too."""
    return _cut(str(value), limit, keep="")


def block(value: object, limit: int = BLOCK) -> Shown:
    """A text of others in its lines. JSON is indented."""
    return _cut(_indented(value), limit, keep="\n")


def _cut(text: str, limit: int, *, keep: str) -> Shown:
    return Shown(text=escape_control(text[:limit], keep=keep), whole=len(text) if len(text) > limit else None)


def _indented(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if len(value) > BLOCK or not value.startswith(("{", "[")):
        return value
    try:
        return json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return value


def link(value: object) -> str | None:
    """The address where a text is an http(s) URL that may stand in a link; None for any other text."""
    text = str(value)
    if not text.isprintable() or any(each.isspace() for each in text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc else None
