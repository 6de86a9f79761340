"""Read the JSON object at the start of a body that ends too early or is broken further on. Pure.

What stands before the break is as the sender wrote it, so a member counts if its own value is complete: a text with its
closing quote, a number with what follows it. What is cut in the middle is absent.
"""

import json
import re

from submitter.providers.json_reader import JsonObject

#: Documented replies nest three levels. Deeper ones are not read on.
DEPTH_CAP = 32

#: Documented replies have a few hundred bytes. Nothing is read beyond this, because a hostile body must cost little.
READ_CAP_BYTES = 64 * 1024

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<mark>[{}\[\],:])
      | (?P<text>"(?:[^"\\]++|\\.)*+")
      | (?P<word>-?[0-9][0-9.eE+-]*|true|false|null|NaN|-?Infinity)(?=[ \t\r\n,\]}])
    )""",
    re.VERBOSE | re.DOTALL,
)


def read_start(body: bytes) -> JsonObject | None:
    """Return what is readable of the object that the body begins with; None where it begins with anything else.

    A byte that is not UTF-8 becomes U+FFFD. Raise nothing, for any bytes.
    """
    reader = _Reader()
    text = body[:READ_CAP_BYTES].decode("utf-8-sig", errors="replace")
    at = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        if not reader.take(found):
            break
    return reader.root


class _Reader:
    """Builds the object token by token, and stops at the first token that JSON does not allow there."""

    def __init__(self) -> None:
        self.root: dict[str, object] | None = None
        self._open: list[dict[str, object] | list[object]] = []
        self._key: str | None = None
        #: What may come next: a value, a key, a colon, or the end of a value's place (comma or bracket).
        self._wants = "value"

    def take(self, found: re.Match[str]) -> bool:
        """Return whether the document goes on after this token."""
        mark = found["mark"]
        if mark is None:
            return self._take_scalar(found)
        if mark in "{[":
            return self._begin({} if mark == "{" else [])
        if mark in "}]":
            return self._end(mark)
        if mark == ":" and self._wants == "colon":
            self._wants = "value"
            return True
        if mark == "," and self._wants == "end":
            self._wants = "key" if isinstance(self._open[-1], dict) else "value"
            return True
        return False

    def _take_scalar(self, found: re.Match[str]) -> bool:
        try:
            value = json.loads(found["text"] or found["word"], strict=False, parse_constant=lambda _: None)
        except ValueError:
            return False
        if self._wants == "key" and isinstance(value, str):
            self._key, self._wants = value, "colon"
            return True
        if self._wants != "value" or not self._open:
            return False
        self._put(value)
        self._wants = "end"
        return True

    def _begin(self, holder: dict[str, object] | list[object]) -> bool:
        if self._wants != "value" or len(self._open) >= DEPTH_CAP:
            return False
        if self._open:
            self._put(holder)
        elif isinstance(holder, dict):
            self.root = holder
        else:
            return False
        self._open.append(holder)
        self._wants = "key" if isinstance(holder, dict) else "value"
        return True

    def _end(self, mark: str) -> bool:
        holder = self._open[-1] if self._open else None
        is_right = isinstance(holder, dict) if mark == "}" else isinstance(holder, list)
        if not is_right or not (self._wants == "end" or not holder):
            return False
        self._open.pop()
        self._wants = "end"
        return bool(self._open)

    def _put(self, value: object) -> None:
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif self._key is not None:
            holder[self._key] = value
