"""Who is owed an event, by one rule for webhooks, pulls and streams. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from receiver.records import TASK_EVENTS, Event, EventType, Task
from receiver.subscription import EventFilter, Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What filters look at. An event that is about no task has a type only."""

    type: EventType
    provider: str | None = None
    model: str | None = None
    labels: Mapping[str, str]

    @classmethod
    def of_task(cls, kind: EventType, task: Task) -> Self:
        return cls(type=kind, provider=task.provider, model=task.model, labels=task.labels)

    @classmethod
    def of_event(cls, event: Event) -> Self:
        """As they were when it happened, from its body."""
        task = json.loads(event.body)["data"].get("task") or {}
        return cls(
            type=event.type, provider=task.get("provider"), model=task.get("model"), labels=task.get("labels") or {}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One endpoint that is owed an event. `subscription` None: the task's own `notify`."""

    lane: str
    endpoint: str
    subscription: str | None = None


def matches(wanted: EventFilter, facts: Facts) -> bool:
    return (
        (not wanted.types or facts.type in wanted.types)
        and (not wanted.providers or facts.provider in wanted.providers)
        and (not wanted.models or facts.model in wanted.models)
        and all(facts.labels.get(name) == value for name, value in wanted.labels.items())
    )


def subscribes(subscription: Subscription, facts: Facts) -> bool:
    """Whether it is owed such an event; one that names no types gets those about tasks."""
    is_asked_for = bool(subscription.filter.types) or facts.type in TASK_EVENTS
    return is_asked_for and matches(subscription.filter, facts)


def owed_for(facts: Facts, task: Task | None, subscriptions: Iterable[Subscription]) -> Iterator[Owed]:
    """`subscriptions` are the active ones."""
    if task is not None and task.notify is not None:
        yield Owed(lane=notify_lane(task.notify.url), endpoint=task.notify.url)
    for each in subscriptions:
        if subscribes(each, facts):
            yield Owed(lane=each.id, endpoint=each.url, subscription=each.id)


def notify_lane(url: str) -> str:
    """The host of the address: one that hangs is one lane, however many addresses on it the tasks name."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
