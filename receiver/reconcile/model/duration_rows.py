"""Rows of `durations`, and ends of tasks as the ledger tells them. Pure.

What can not be read is None, never an error: a histogram that is damaged or of another version is learned anew.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from receiver.reconcile.model.distribution import EDGES
from receiver.reconcile.model.durations import CallbackCounts, DurationKey, Finish, Histogram
from receiver.store.codec import to_json
from submitter.model import Source

VERSION = 1

MOST_ENDS = 1_000_000.0  # in a bin; decay keeps real ones below 300

MOST_COUNTED = 2**53  # more can not have been counted, and would in the end not fit the column

KEY_CHARACTERS = 200  # of a model or a resolution; both come from requests

#: An unfinished task is polled sooner. After a longer gap we were down or a clock was set, and the callback may be old.
PROMPT_MS = 3_600_000

MAX_CLOCK_DIFFERENCE_MS = 5_000  # between the provider and us, within which its own finish time is believed

Row = Mapping[str, Any]

_CALLBACKS = tuple(each.name for each in fields(CallbackCounts))


def key_of(row: Row) -> DurationKey:
    """Of a row of `durations`."""
    return DurationKey(*(str(row[each.name]) for each in fields(DurationKey)))  # SQLite stores any bytes in them


def histogram_of(row: Row) -> Histogram | None:
    """None where the row is damaged, or was written by a version that this one does not know."""
    stored = json_object_of(row["learned"])
    ended, opened, places, callbacks = (
        _numbers(stored.get(name), most=most)
        for name, most in (("ended", MOST_ENDS), ("open", MOST_ENDS), ("places", 1), ("callbacks", MOST_ENDS))
    )
    count, learned_ms = row["count"], row["learned_ms"]  # SQLite stores any text in them
    if not isinstance(count, int) or not isinstance(learned_ms, int) or not 0 <= count <= MOST_COUNTED:
        return None
    if stored.get("version") != VERSION or ended is None or opened is None or places is None or callbacks is None:
        return None
    if not (len(ended) == len(opened) == len(EDGES) and len(callbacks) == len(fields(CallbackCounts))):
        return None
    return Histogram(
        ended=ended,
        open=opened,
        count=count,
        places=places,
        is_drifting=stored.get("drifting") is True,
        callbacks=CallbackCounts(**dict(zip(_CALLBACKS, callbacks, strict=True))),
        learned_ms=learned_ms,
    )


def _numbers(stored: object, *, most: float) -> tuple[float, ...] | None:
    """None for anything but numbers from 0 to `most`."""
    if not isinstance(stored, list):
        return None
    if not all(isinstance(each, int | float) and 0 <= each <= most for each in stored):
        return None
    return tuple(map(float, stored))


def row_of(key: DurationKey, histogram: Histogram) -> dict[str, Any]:
    """A row of `durations`, rounded so that it stays small."""
    stored = {
        "version": VERSION,
        "ended": _rounded(histogram.ended),
        "open": histogram.open,
        "places": _rounded(histogram.places),
        "drifting": histogram.is_drifting,
        "callbacks": _rounded([getattr(histogram.callbacks, name) for name in _CALLBACKS]),
    }
    return {
        "provider": key.provider,
        "model": key.model,
        "resolution": key.resolution,
        "length": key.length,
        "count": histogram.count,
        "learned_ms": histogram.learned_ms,
        "learned": to_json(stored),
    }


def _rounded(numbers: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(each, 4) for each in numbers)


def task_key(provider: str, model: str | None, request: Mapping[str, Any]) -> DurationKey:
    """Of a task with this request; a raw body tells neither resolution nor length."""
    video = request.get("video")
    size = video if isinstance(video, Mapping) else {}
    return DurationKey(
        provider,
        (model or "")[:KEY_CHARACTERS],
        str(size.get("resolution") or "")[:KEY_CHARACTERS] if model else "",
        str(size.get("duration") or "")[:KEY_CHARACTERS] if model else "",
    )


def begun_ms(row: Row) -> int | None:
    """Since when the provider may have had the task; as `poll_times.began_ms`."""
    start_ms: int | None = row["sent_ms"] if row["sent_ms"] is not None else row["submitted_ms"]
    return start_ms


def finish_of(
    task: Row, reports: Sequence[Row], *, has_finish_times: bool, speed: float, since_ms: int = 0
) -> Finish | None:
    """The end of a task, from its row and the reports of it in their order.

    None where it does not tell how long the task took: it was submitted elsewhere or settled by a person. Its times may
    be impossible, because a clock was set. `has_finish_times`: the provider's own finish times can be believed. Without
    one, a task that began before `since_ms` says nothing.
    """
    start_ms, final_ms = begun_ms(task), task["final_ms"]
    told = [each for each in reports if each["source"] in (Source.CALLBACK, Source.POLL, Source.SUBMIT)]
    if task["adopted"] or task["settled"] or start_ms is None or final_ms is None or not told:
        return None
    by_callback = any(each["source"] == Source.CALLBACK for each in told)
    seen_ms = task["seen_open_ms"]
    earliest_ms = max(start_ms, seen_ms) if seen_ms is not None and seen_ms <= final_ms else start_ms
    if told[0]["source"] == Source.CALLBACK and final_ms - earliest_ms <= PROMPT_MS:
        earliest_ms = max(earliest_ms, final_ms)
    named_ms = _finish_time(told[0], start_ms, final_ms) if has_finish_times else None
    if named_ms is not None:
        earliest_ms = final_ms = named_ms
    elif start_ms < since_ms:
        return None
    return Finish(
        key=task_key(task["provider"], task["model"], json_object_of(task["request"])),
        after_s=(earliest_ms - start_ms) / 1000 * speed,
        until_s=(final_ms - start_ms) / 1000 * speed,
        by_callback=by_callback if task["callback_expected"] else None,
    )


def _finish_time(report: Row, start_ms: int, final_ms: int) -> int | None:
    """The provider's own time, if it fits ours."""
    named_ms = json_object_of(report["detail"]).get("completed_at_ms")
    if not isinstance(named_ms, int):
        return None
    if not start_ms - MAX_CLOCK_DIFFERENCE_MS <= named_ms <= final_ms + MAX_CLOCK_DIFFERENCE_MS:
        return None
    return min(max(named_ms, start_ms), final_ms)


def json_object_of(text: str) -> Mapping[str, Any]:
    """An empty object for text that is none."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}
