"""Between rows and values. Pure: JSON is text, booleans are 0 or 1, and no engine's types come through."""

import json
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

#: Raw messages are kept for people to read; longer ones are cut there.
RAW_CHARACTERS = 65_536


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def readable(raw: bytes) -> str:
    """Any bytes as text that every engine can hold: bad bytes escaped, NUL shown, cut to `RAW_CHARACTERS`."""
    return raw[:RAW_CHARACTERS].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")[:RAW_CHARACTERS]
