"""The requests that the demo submits: package data, a file a provider, each naming its page and the day it was read."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

PROVIDERS = ("hiapi", "dashscope", "modellix", "modelstream", "tokenbay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """The same request twice: `raw` as the provider's own body, `video` in our words."""

    title: str
    raw: Mapping[str, Any]
    video: Mapping[str, Any]


def load_examples() -> dict[str, tuple[Example, ...]]:
    """By provider, in the order of the pages."""
    return {provider: _of(provider) for provider in PROVIDERS}


def _of(provider: str) -> tuple[Example, ...]:
    page = json.loads(files("receiver.cli.demo").joinpath("requests", f"{provider}.json").read_text(encoding="utf-8"))
    return tuple(Example(**request) for request in page["requests"])


LABEL = "demo"  # each task carries its order's name under it

NOTIFIED = frozenset({"tokenbay"})  # whose orders say themselves where to tell of their ends

LEAST = 12  # orders a provider, so that every fault below is met

#: What one order meets: a list of faults for each of its submits, the first first. A refused submit is sent again.
Trouble = tuple[tuple[str, ...], ...]

_NONE: Trouble = ((),)

TROUBLES: Mapping[str, tuple[Trouble, ...]] = {
    "hiapi": (
        _NONE,
        (("callback_lost",),),
        (("callback_duplicated",),),
        (("callback_early",),),
        (("callback_contradicting",),),
        # Settled by the idempotency key: the second submit is a replay and uses up no plan.
        (("reply_lost",),),
        (("fail",),),
        (("submit_429",), ()),
        (("callback_contradicting", "callback_early"),),
        (("callback_lost", "fail", "query_500"),),
        (("callback_overlapping",),),
        (("callback_lost", "unknown_state"),),
    ),
    "dashscope": (
        _NONE,
        (("fail",),),
        (("reply_lost",),),  # no key to settle it by: the operator looks it up
        (("query_429",),),
        (("unknown_state",),),
        (("submit_429",), ()),
        _NONE,
        (("query_500",),),
        (("not_visible",),),
        (("query_truncated",),),
        _NONE,
        _NONE,
    ),
    "modellix": (
        _NONE,
        (("fail",),),
        (("query_500",),),
        (("unknown_state",),),
        (("query_html",),),
        (("not_visible",),),
        (("query_reset",),),
        *(_NONE,) * 5,
    ),
    "modelstream": (
        _NONE,
        (("fail",),),
        (("submit_429",), ()),
        (("query_500",),),
        (("unknown_state",),),
        (("query_wrong_id",),),
        (("reply_truncated",),),  # as good as lost
        *(_NONE,) * 5,
    ),
    "tokenbay": (
        _NONE,
        (("fail",),),
        (("submit_reset",), ()),  # nothing was created: the operator finds nothing, and it is ordered again
        (("query_500",),),
        (("unknown_state",),),
        (("query_redirect",),),
        (("query_429",),),
        *(_NONE,) * 5,
    ),
}

#: A person must settle these where the provider knows no key; beyond the first dozen there are no more of them.
NEEDS_OPERATOR = frozenset({"reply_lost", "reply_truncated", "submit_reset"})


class Door(StrEnum):
    """How an order reaches the service."""

    API = "POST /v1/tasks"
    COMMAND = "whenfinal submit"
    CLIENT = "submitter.Client"


DOORS = tuple(Door)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """One video that is wanted once. `content` is the `video` or `raw` member of the submit."""

    name: str
    provider: str
    door: Door
    content: Mapping[str, Any]
    trouble: Trouble

    @property
    def is_notified(self) -> bool:
        return self.provider in NOTIFIED

    @property
    def prompt(self) -> str:
        """The prompt as written, wherever the content holds it."""
        return next(text for text in _prompts(self.content))


def make_orders(
    examples: Mapping[str, Sequence[Example]], *, each: int, shuffle: Callable[[list[Trouble]], None]
) -> tuple[TaskRequest, ...]:
    """`each` orders a provider: its examples by turns, as `raw` and as `video`, through the doors by turns."""
    orders: list[TaskRequest] = []
    for provider, pages in examples.items():
        troubles = _troubles(provider, each)
        shuffle(troubles)
        orders += [_order(provider, number, pages, trouble) for number, trouble in enumerate(troubles)]
    return tuple(orders)


def _troubles(provider: str, each: int) -> list[Trouble]:
    table = TROUBLES[provider]
    mild = [trouble for trouble in table if NEEDS_OPERATOR.isdisjoint(trouble[0])]
    return [table[number] if number < len(table) else mild[number % len(mild)] for number in range(each)]


def _order(provider: str, number: int, pages: Sequence[Example], trouble: Trouble) -> TaskRequest:
    page = pages[number // 2 % len(pages)]
    content = {"raw": page.raw} if number % 2 == 0 else {"video": page.video}
    name = f"{provider}-{number + 1:02}"
    return TaskRequest(name=name, provider=provider, door=DOORS[number % len(DOORS)], content=content, trouble=trouble)


def by_provider(orders: Sequence[TaskRequest]) -> dict[str, list[TaskRequest]]:
    """In their order."""
    found: dict[str, list[TaskRequest]] = {}
    for order in orders:
        found.setdefault(order.provider, []).append(order)
    return found


def plan_of(orders: Sequence[TaskRequest]) -> list[list[str]]:
    """The simulator's plan for the submits of these orders, if they arrive in this order."""
    return [list(faults) for order in orders for faults in order.trouble]


def submit_body(order: TaskRequest, *, notify_url: str, secret: str) -> dict[str, Any]:
    """The body of POST /v1/tasks, and a line for the command."""
    notify = {"notify": {"url": notify_url, "secret": secret}} if order.is_notified else {}
    return {"provider": order.provider, **order.content, "labels": {LABEL: order.name}, **notify}


def _prompts(value: object) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    own = value.get("prompt")
    return [own] if isinstance(own, str) else [text for inner in value.values() for text in _prompts(inner)]
