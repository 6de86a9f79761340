"""The plan of an act, before it is done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.runtime.services import Services
from receiver.web.dashboard.model.list_filter import Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """One of the things that an act will touch."""

    text: str
    #: Its page.
    address: str
    #: What is known of it, in a few words.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActPlan:
    """What an act will do, in words. All texts but those of `touched` and `facts` are ours."""

    title: str
    #: The words of the button, such as "Reconcile 213 tasks".
    button: str
    #: What happens, a sentence each.
    sentences: Sequence[str]
    #: What the run works on; see the act.
    condition: Mapping[str, Any]
    #: How many items; None where they were not counted to their end.
    expected: int | None
    #: The first of them.
    touched: Sequence[Touched] = ()
    #: What was found out for this preview: name and value, which may be words of others.
    facts: Sequence[tuple[str, str]] = ()
    #: Why it is not offered; empty where it is.
    refusal: str = ""
    #: It can not be taken back.
    is_final: bool = False
    #: The page to go back to.
    back: str
    #: Names and values that the form needs beside those of the button.
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An act as its button asks for it."""

    services: Services
    fields: Pairs
    #: When the preview was shown: relative times count from then, and what came later is left alone.
    at_ms: int
    #: False: the form has come, and nobody needs to be asked again.
    is_preview: bool

    def value(self, name: str) -> str:
        return next((value.strip() for each, value in self.fields if each == name), "")


#: Raise InvalidRequest or a Problem for fields that make no act.
MakePlan = Callable[[Asked], Awaitable[ActPlan]]


def counted(number: int, noun: str, *, has_more: bool = False) -> str:
    """`1 task`, `213 tasks`, `1,000 or more tasks`."""
    return f"{number:,}{' or more' if has_more else ''} {noun}{'' if number == 1 and not has_more else 's'}"
