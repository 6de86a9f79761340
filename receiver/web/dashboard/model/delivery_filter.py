"""The filter of the list of deliveries: from the address to a search, and back. Pure.

Every filter stands in the address, so that a list can be sent to a colleague and each filter can be taken away alone.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from urllib.parse import urlencode

from receiver.events.model.event import EventType
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.task_filter import TIME_FORMS, Chip, SavedView, read_time
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.delivery_search import Answer, DeliverySearch
from receiver.webhooks.model.endpoint_status import notify_host
from submitter.errors import InvalidRequest, Violation
from submitter.model import TaskId

PATH = f"{ROOT}/deliveries"

LONGEST_VALUE = 2_048  # characters of one filter: an address may be that long

#: The names in the address, in the order in which they are written.
NAMES = ("state", "failing", "answer", "subscription", "endpoint", "notify", "type", "task", "since", "until")

_TITLES = {
    "failing": "attempts",
    "answer": "last answer",
    "endpoint": "notify address",
    "notify": "to",
    "type": "event",
}

_FLAGS = {"failing": "failed, made again", "notify": "notify addresses"}

_STATES = tuple(each.value for each in DeliveryState)

_ANSWERS = tuple(each.value for each in Answer)

_TYPE = re.compile(r"[a-z]{1,40}\.[a-z_]{1,40}")

Pairs = Sequence[tuple[str, str]]

#: Each with its filter.
_VIEWS: tuple[tuple[str, Pairs], ...] = (
    ("All", ()),
    ("Dead", (("state", "dead"),)),
    ("Dead at notify addresses", (("state", "dead"), ("notify", "1"))),
    ("Failing now", (("failing", "1"),)),
    ("Pending", (("state", "pending"),)),
)


def filters_of(query: Pairs) -> Pairs:
    """The filters among the fields of an address, in the order of NAMES. Blank ones are left out."""
    given = [(name, value.strip()) for name, value in query if name in NAMES and value.strip()]
    return sorted(dict.fromkeys(given), key=lambda pair: NAMES.index(pair[0]))


def read_search(filters: Pairs, now_ms: int) -> DeliverySearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    violations = list(_violations(filters, now_ms))
    if violations:
        raise InvalidRequest(violations)
    values = {name: [value for each, value in filters if each == name] for name in NAMES}

    def first(name: str) -> str | None:
        return values[name][0] if values[name] else None

    host, task, since, until = first("endpoint"), first("task"), first("since"), first("until")
    return DeliverySearch(
        states=frozenset(map(DeliveryState, values["state"])),
        is_failing=bool(values["failing"]),
        subscription=first("subscription"),
        host=None if host is None else notify_host(host),
        is_notify=bool(values["notify"]),
        event_type=first("type"),
        answers=frozenset(map(Answer, values["answer"])),
        task=None if task is None else TaskId(task),
        since_ms=None if since is None else read_time(since, now_ms),
        until_ms=None if until is None else read_time(until, now_ms),
    )


def _violations(filters: Pairs, now_ms: int) -> Iterator[Violation]:
    for name, value in filters:
        if (wrong := _wrong_value(name, value, now_ms)) is not None:
            yield Violation(field=name, rule=wrong[0], accepted=wrong[1])
    for name in NAMES:
        most = {"state": len(_STATES), "answer": len(_ANSWERS)}.get(name, 1)
        if sum(each == name for each, _ in filters) > most:
            yield Violation(field=name, rule="is given too often", accepted=f"{most} of it")


def _wrong_value(name: str, value: str, now_ms: int) -> tuple[str, str] | None:
    """The rule that a value breaks and what would pass; None for a good one."""
    words = {"state": _STATES, "answer": _ANSWERS, "failing": ("1",), "notify": ("1",)}.get(name)
    if len(value) > LONGEST_VALUE:
        return "is too long", f"at most {LONGEST_VALUE:,} characters"
    if words is not None and value not in words:
        return "is not one of the known words", ", ".join(words)
    wrong_form = _wrong_form(name, value)
    if wrong_form is None and name in {"since", "until"} and read_time(value, now_ms) is None:
        return "is no time", TIME_FORMS
    return wrong_form


def _wrong_form(name: str, value: str) -> tuple[str, str] | None:
    if name in {"subscription", "task"} and not re.fullmatch(r"[A-Za-z0-9_]{1,64}", value):
        return "is no id", "sub_…" if name == "subscription" else "tsk_…"
    if name == "type" and not _TYPE.fullmatch(value):
        return "is no type of an event", ", ".join(EventType)
    if name == "endpoint" and not _is_host(value):
        return "is not the address of a host", "such as https://hooks.example.com"
    return None


def _is_host(text: str) -> bool:
    with suppress(ValueError):
        return bool(notify_host(text))
    return False


def address(filters: Pairs, **more: str) -> str:
    """The list with these filters, and further fields of the address."""
    query = urlencode([*filters, *more.items()])
    return f"{PATH}?{query}" if query else PATH


def chips(filters: Pairs) -> list[Chip]:
    return [
        Chip(
            name=_TITLES.get(pair[0], pair[0]),
            value=_FLAGS.get(pair[0], pair[1]),
            without=address([each for each in filters if each != pair]),
        )
        for pair in filters
    ]


def saved_views(filters: Pairs) -> list[SavedView]:
    return [
        SavedView(name=name, address=address(wanted), is_here=list(filters) == list(wanted)) for name, wanted in _VIEWS
    ]
