"""The filter of the list of deliveries: from the address to a search. Pure."""

import re
from contextlib import suppress

from receiver.events.model.event import EventType
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.list_filter import ListFilter, Pairs, first_of, time_of
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.delivery_search import Answer, DeliverySearch
from receiver.webhooks.model.endpoint_status import notify_host
from submitter.model import TaskId

_WORDS = {"state": tuple(each.value for each in DeliveryState), "answer": tuple(each.value for each in Answer)}

_TYPE = re.compile(r"[a-z]{1,40}\.[a-z_]{1,40}")

DELIVERIES = ListFilter(
    path=f"{ROOT}/deliveries",
    names=("state", "failing", "answer", "subscription", "endpoint", "notify", "type", "task", "since", "until"),
    views=(
        ("All", ()),
        ("Dead", (("state", "dead"),)),
        ("Dead at notify addresses", (("state", "dead"), ("notify", "1"))),
        ("Failing now", (("failing", "1"),)),
        ("Pending", (("state", "pending"),)),
    ),
    titles={
        "failing": "attempts",
        "answer": "last answer",
        "endpoint": "notify address",
        "notify": "to",
        "type": "event",
    },
    flags={"failing": "failed, made again", "notify": "notify addresses"},
    most={name: len(words) for name, words in _WORDS.items()},
    longest=2_048,  # an address may be that long
)


def read_search(filters: Pairs, now_ms: int) -> DeliverySearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    DELIVERIES.check(filters, now_ms, _wrong_value)
    values = DELIVERIES.values(filters)
    host, task = first_of(values["endpoint"]), first_of(values["task"])
    return DeliverySearch(
        states=frozenset(map(DeliveryState, values["state"])),
        is_failing=bool(values["failing"]),
        subscription=first_of(values["subscription"]),
        host=None if host is None else notify_host(host),
        is_notify=bool(values["notify"]),
        event_type=first_of(values["type"]),
        answers=frozenset(map(Answer, values["answer"])),
        task=None if task is None else TaskId(task),
        since_ms=time_of(values["since"], now_ms),
        until_ms=time_of(values["until"], now_ms),
    )


def _wrong_value(name: str, value: str) -> tuple[str, str] | None:
    if name in _WORDS and value not in _WORDS[name]:
        return "is not one of the known words", ", ".join(_WORDS[name])
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
