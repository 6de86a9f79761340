"""Spans of submits, callbacks, polls and deliveries. Here are none; `receiver.runtime.tracing` makes real ones.

A task lasts minutes, so each of these is a trace of its own that links to the span of the task's first submit. The ids
of that span follow from the id of the task, so that every process can name it and nothing is stored for it.
"""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

#: Headers that tell a receiver which span a request belongs to.
TraceHeaders = tuple[tuple[str, str], ...]

LONGEST_TRACEPARENT = 256  # characters; today's version has 55, and a longer one is not kept with a task

#: The `traceparent` with which a caller sent the request that is being served.
caller_trace: ContextVar[str | None] = ContextVar("caller_trace", default=None)


class Spans:
    """Makes no spans."""

    is_on = False

    def submit(
        self, task_id: str, *, number: int, provider: str, incoming: str | None = None
    ) -> AbstractContextManager[None]:
        """Around a POST. `number`: how many the task had before; the first one is what all others link to.

        `incoming` is the `traceparent` of the request that the task came with.
        """
        return nullcontext()

    def about(
        self, name: str, task_id: str | None, attributes: Mapping[str, str], *, incoming: str | None = None
    ) -> AbstractContextManager[TraceHeaders]:
        """Around what is done for a task later. `incoming` is the `traceparent` of whoever asked for it."""
        return nullcontext(())


def submit_ids(task_id: str) -> tuple[int, int]:
    """The ids of the trace and of the span of a task's first submit; neither is 0."""
    digest = hashlib.sha256(b"whenfinal submit " + task_id.encode()).digest()
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1
