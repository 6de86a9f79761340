"""What the page of one task shows: its addresses, its timeline, its deliveries, and the cures that fit. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.runtime.operator_runs.model import NOTE_CHARACTERS
from receiver.tasks.model.redaction import redact_callback_urls
from receiver.tasks.model.settle import is_correctable, why_not_ended, why_not_settled
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import DeliveryEntry, TimelineEntry
from receiver.web.dashboard.model.text import link
from submitter.model import ENDED, UNRESOLVED, Output, TaskState

PICTURES_MOST = 20  # of one request

FIRST_LINES, LAST_LINES = 20, 280  # of a timeline that are shown where it has more than both

DELIVERIES_MOST = 100

_SOUND = re.compile(r"\.(mp3|wav|m4a|ogg|flac)$", re.IGNORECASE)

_FILM = re.compile(r"\.(mp4|mov|webm|m4v|mkv)$", re.IGNORECASE)

#: Members of a request whose addresses are nobody's pictures.
_NOT_PICTURES = frozenset({"notify", "callback", "callback_url", "webhook_url"})

#: What the summary of a line has said already.
_SAID = frozenset({"source", "state", "raw_state", "verdict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the timeline."""

    at_ms: int
    #: Since the task was created.
    after_ms: int
    kind: str
    summary: str
    #: Whether a person should look at it.
    is_odd: bool
    #: Further members; empty where the summary says all.
    detail: Mapping[str, Any]
    #: What a provider sent, as it came; None for a line without it.
    raw: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A delivery with its attempts, the first first."""

    entry: DeliveryEntry
    event: str
    attempts: tuple[TimelineEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cures:
    """What an operator can do with a task in its state."""

    reconcile: bool
    cancel: bool
    #: Say what the lost submit came to.
    settle: bool
    #: Say how it ended.
    end: bool
    #: The provider's id came from an operator, and another one may replace it.
    correct: bool


def cures_of(task: Task, now_ms: int) -> Cures:
    return Cures(
        reconcile=task.state not in ENDED and task.state is not TaskState.QUEUED,
        cancel=task.state not in ENDED and task.state not in UNRESOLVED,
        settle=why_not_settled(task, lease_until_ms=None, now_ms=now_ms) is None,
        end=why_not_ended(task, lease_until_ms=None, now_ms=now_ms) is None,
        correct=is_correctable(task),
    )


def pictures_of(request: Mapping[str, Any]) -> list[str]:
    """The http(s) addresses in a request, each once, in its order."""
    return list(dict.fromkeys(_addresses(request)))[:PICTURES_MOST]


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, str):
        found = link(value)
        if found is not None:
            yield found
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if name not in _NOT_PICTURES:
                yield from _addresses(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _addresses(each)


def media_kind(output_type: str, url: str) -> str:
    """How a file is shown: as video, audio or an image."""
    path = url.partition("?")[0]
    if output_type == "audio" or _SOUND.search(path):
        return "audio"
    return "video" if output_type == "video" or _FILM.search(path) else "image"


def shows_media(output: Output, *, has_key: bool) -> bool:
    """Whether it can be shown; `has_key`: the account that made it is configured."""
    return (has_key or not output.needs_key) and link(output.url) is not None


def lines_of(timeline: Sequence[TimelineEntry], created_ms: int, secrets: Sequence[str]) -> list[Line]:
    """All lines, or the first and the last ones of a long timeline; what providers sent is without our secrets."""
    shown = timeline
    if lines_left_out(timeline):
        shown = [*timeline[:FIRST_LINES], *timeline[-LAST_LINES:]]
    return [_line(entry, created_ms, secrets) for entry in shown]


def lines_left_out(timeline: Sequence[TimelineEntry]) -> int:
    """How many lines `lines_of` leaves out, between the first and the last ones."""
    return max(0, len(timeline) - FIRST_LINES - LAST_LINES)


def _line(entry: TimelineEntry, created_ms: int, secrets: Sequence[str]) -> Line:
    raw = entry.detail.get("raw") or entry.detail.get("reply") or entry.detail.get("response")
    hidden = {"raw", "reply", "response", *(_SAID if entry.kind == "observation" else ())}
    detail = {name: value for name, value in entry.detail.items() if name not in hidden and value not in (None, "")}
    return Line(
        at_ms=entry.at_ms,
        after_ms=entry.at_ms - created_ms,
        kind=entry.kind,
        summary=entry.summary[: 4 * NOTE_CHARACTERS],
        is_odd=_is_odd(entry),
        detail=detail,
        raw=redact_callback_urls(str(raw), secrets) if raw else None,
    )


def _is_odd(entry: TimelineEntry) -> bool:
    if entry.kind == "observation":
        return entry.detail.get("verdict") in {"contradiction", "unusable"} or bool(entry.detail.get("unknown_word"))
    if entry.kind == "attempt":
        status = entry.detail.get("status")
        return status is None or not 200 <= status < 300
    return isinstance(entry, DeliveryEntry) and entry.state.value == "dead"


def receivers_of(timeline: Sequence[TimelineEntry]) -> list[Receiver]:
    """The first DELIVERIES_MOST deliveries; dead letters come first."""
    deliveries = [entry for entry in timeline if isinstance(entry, DeliveryEntry)]
    attempts: dict[str, list[TimelineEntry]] = {}
    for entry in timeline:
        if entry.kind == "attempt":
            attempts.setdefault(str(entry.detail["delivery"]), []).append(entry)
    shown = sorted(deliveries, key=lambda entry: entry.state.value != "dead")[:DELIVERIES_MOST]
    return [
        Receiver(
            entry=entry,
            event=str(entry.detail["event_id"]),
            attempts=tuple(attempts.get(entry.delivery_id, ())),
        )
        for entry in shown
    ]
