"""Encode a stream of events as server-sent events; `submitter.client.sse` reads them. Pure.

Source: html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 and 9.2.6, read 2026-11-21.
"""

import json
from collections.abc import Mapping
from typing import Any

from receiver.events.model.event import Event, event_view

MEDIA_TYPE = "text/event-stream"

RETRY_MS = 3000  # how long a client is asked to wait before it connects again

#: Characters that some readers take for the end of a line, though the format does not. JSON escapes all others.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


#: A comment, and no empty line behind it, because some readers take each empty line for an event
#: (@microsoft/fetch-event-source 2.0.1, parse.js, read 2026-11-26).
KEEP_ALIVE = b": keep-alive\n"


def hello(cursor: int) -> bytes:
    """The first block. It holds the cursor, so that a client that is cut off before its first event can resume."""
    return b"retry: %d\n" % RETRY_MS + cursor_frame(cursor)


def cursor_frame(cursor: int) -> bytes:
    """Tell the cursor without an event of ours, for instance past events that the filter left out.

    It is an event with data, because widely used readers (npm eventsource-parser 3.1.1, read 2026-11-26) drop a
    block that only holds an `id`, and its cursor with it.
    """
    return _frame(cursor, "hello", {"after": cursor})


def event_frame(event: Event) -> bytes:
    return _frame(event.seq, event.type, event_view(event))


def reset_frame(requested_after: int, oldest_after: int) -> bytes:
    """The block for a cursor whose next events are not stored. The stream goes on after `oldest_after`."""
    return _frame(oldest_after, "reset", {"requested_after": requested_after, "oldest_after": oldest_after})


def _frame(cursor: int, name: str, data: Mapping[str, Any]) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_LINE_ENDS)
    return f"id: {cursor}\nevent: {name}\ndata: {text}\n\n".encode("utf-8", errors="replace")
