"""What the demo submits: the requests of each provider, and the faults that each of them meets. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request from a page of the provider's documentation, in both forms of a submit."""

    title: str
    #: As the provider's own body.
    raw: Mapping[str, Any]
    #: In our words.
    video: Mapping[str, Any]


#: The members that hold a prompt, at one provider or another.
_PROMPTS = ("prompt", "text", "promptText")

LABEL = "demo"  # its value in a task's labels is the name of the request

NOTIFIED = frozenset({"tokenbay"})  # providers whose requests have a `notify`

LEAST = 12  # requests a provider, so that every fault below is met

#: The provider of the burst: it runs ten tasks at once, so the others wait in the queue.
BURST_PROVIDER = "hiapi"

BURST = 18  # more requests, all in one file

#: The faults that one request meets, for each of its submits in order. A refused submit is sent again.
Faults = tuple[tuple[str, ...], ...]

_NONE: Faults = ((),)

FAULTS: Mapping[str, tuple[Faults, ...]] = {
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
        (("reply_lost",),),  # no idempotency key: the operator searches the console
        (("query_429",),),
        (("unknown_state",),),
        (("submit_429",), ()),
        _NONE,
        (("query_500",),),
        (("not_visible",),),
        (("query_truncated",),),
        (("result_elsewhere",),),
        (("receipt_bad_byte",),),
    ),
    "modellix": (
        _NONE,
        (("fail",),),
        (("query_500",),),
        (("unknown_state",),),
        (("query_html",),),
        (("not_visible",),),
        (("query_reset",),),
        (("receipt_other_code",),),
        (("result_late",),),
        (("query_no_task",),),
        *(_NONE,) * 2,
    ),
    "modelstream": (
        _NONE,
        (("fail",),),
        (("submit_429",), ()),
        (("query_500",),),
        (("unknown_state",),),
        (("query_wrong_id",),),
        (("reply_truncated",),),  # as good as lost
        (("reply_lost", "stuck"),),  # the operator takes this one for the one above, and puts it right
        (("receipt_with_error",),),
        (("two_ids", "other_word"),),
        (("query_403",),),
        _NONE,
    ),
    "tokenbay": (
        _NONE,
        (("fail",),),
        (("submit_reset",), ()),  # nothing was created: the operator finds nothing, and it is submitted again
        (("query_500",),),
        (("unknown_state",),),
        (("query_redirect",),),
        (("query_429",),),
        (("reply_upstream_error",),),  # an error within 200, and yet the task was created
        (("receipt_cut",),),
        (("query_no_task",),),
        (("fail", "reason_elsewhere"),),
        _NONE,
    ),
    "seedance": (
        _NONE,
        (("callback_lost",),),
        (("callback_duplicated",),),
        (("fail",),),
        (("reply_lost",),),  # the operator searches the console
        (("unknown_state", "query_500"),),
    ),
    "minimax": (
        _NONE,
        (("callback_lost",),),
        (("callback_early", "callback_duplicated"),),
        (("fail",),),
        (("submit_429",), ()),
        (("query_truncated", "unknown_state"),),
    ),
    "minimax-v1": (
        _NONE,
        (("callback_overlapping",),),
        (("callback_lost",),),
        (("fail",),),
        (("query_reset",),),
        (("query_html", "unknown_state"),),
    ),
    "runway": (
        _NONE,
        (("submit_429",), ()),
        (("query_429",),),
        (("fail",),),
        (("query_reset",),),
        (("unknown_state",),),
    ),
    "veo": (
        _NONE,
        (("submit_429",), ()),
        (("query_429",),),
        (("fail",),),
        (("query_reset",),),
        (("query_html",),),
    ),
    "fal": (
        _NONE,
        (("callback_lost",),),
        (("callback_wrongly_signed",),),  # refused, so a poll finds the end
        (("callback_overlapping",),),
        (("fail",),),
        (("callback_lost", "fail", "result_late"),),
    ),
    "replicate": (
        _NONE,
        (("callback_lost",),),
        (("callback_duplicated",),),
        (("fail",),),
        (("callback_lost", "query_html"),),
        (("result_elsewhere", "unknown_state"),),
    ),
    "kling": (
        _NONE,
        (("callback_lost",),),
        (("callback_overlapping",),),
        (("fail",),),
        (("callback_early", "callback_duplicated"),),
        (("query_html", "unknown_state"),),
    ),
    "kie": (
        _NONE,
        (("callback_unsigned",),),  # refused, so a poll finds the end
        (("callback_odd_form",),),
        (("fail",),),
        (("query_500",),),
        (("reply_truncated",),),
    ),
}

#: The burst meets these, and then none.
BURST_FAULTS: tuple[Faults, ...] = ((("callback_odd_form",),), (("reply_proxy_503",),), (("receipt_long_headers",),))

#: The operator settles these where the provider has no idempotency key. Only the first dozen requests have them.
NEEDS_OPERATOR = frozenset({"reply_lost", "reply_truncated", "reply_upstream_error", "submit_reset"})


class Via(StrEnum):
    """How a request is submitted."""

    API = "POST /v1/tasks"
    COMMAND = "whenfinal submit"
    CLIENT = "submitter.Client"


VIAS = tuple(Via)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """One video that is wanted once."""

    name: str
    provider: str
    via: Via
    #: The `video` or `raw` member of the submit.
    content: Mapping[str, Any]
    faults: Faults

    @property
    def is_notified(self) -> bool:
        return self.provider in NOTIFIED

    @property
    def prompt(self) -> str:
        """The prompt as written, wherever the content has it."""
        return next(prompts_in(self.content))


def make_requests(
    examples: Mapping[str, Sequence[Example]], *, each: int, shuffle: Callable[[list[Faults]], None]
) -> tuple[DemoRequest, ...]:
    """`each` requests a provider, or fewer: examples in rotation, as `raw` and `video` in turn, via each way in turn.

    After them comes the burst, in one file for the command.
    """
    requests: list[DemoRequest] = []
    for provider, pages in examples.items():
        faults = _faults(provider, each)
        shuffle(faults)
        requests += [_request(provider, number, pages, met) for number, met in enumerate(faults)]
    return (*requests, *_burst(examples[BURST_PROVIDER], after=each))


def _burst(pages: Sequence[Example], *, after: int) -> Iterator[DemoRequest]:
    for number in range(BURST):
        faults = BURST_FAULTS[number] if number < len(BURST_FAULTS) else _NONE
        yield replace(_request(BURST_PROVIDER, after + number, pages, faults), via=Via.COMMAND)


def count_of(provider: str, each: int) -> int:
    """How many requests a provider gets: with a shorter table of faults fewer, in the same ratio."""
    return each * len(FAULTS[provider]) // LEAST


def _faults(provider: str, each: int) -> list[Faults]:
    table = FAULTS[provider]
    mild = [faults for faults in table if NEEDS_OPERATOR.isdisjoint(faults[0])]
    numbers = range(count_of(provider, each))
    return [table[number] if number < len(table) else mild[number % len(mild)] for number in numbers]


def _request(provider: str, number: int, pages: Sequence[Example], faults: Faults) -> DemoRequest:
    page = pages[number // 2 % len(pages)]
    content = {"raw": page.raw} if number % 2 == 0 else {"video": page.video}
    name = f"{provider}-{number + 1:02}"
    return DemoRequest(name=name, provider=provider, via=VIAS[number % len(VIAS)], content=content, faults=faults)


def by_provider(requests: Sequence[DemoRequest]) -> dict[str, list[DemoRequest]]:
    """In their order."""
    found: dict[str, list[DemoRequest]] = {}
    for request in requests:
        found.setdefault(request.provider, []).append(request)
    return found


def fault_plan(requests: Sequence[DemoRequest]) -> list[list[str]]:
    """The simulator's plan for the submits of these requests, if they arrive in this order."""
    return [list(faults) for request in requests for faults in request.faults]


def submit_body(request: DemoRequest, *, notify_url: str, secret: str) -> dict[str, Any]:
    """The body of POST /v1/tasks, and a line for the command."""
    notify = {"notify": {"url": notify_url, "secret": secret}} if request.is_notified else {}
    return {"provider": request.provider, **request.content, "labels": {LABEL: request.name}, **notify}


def prompts_in(value: object) -> Iterator[str]:
    """Every prompt in a JSON value, however deep."""
    if isinstance(value, Mapping):
        yield from (value[name] for name in _PROMPTS if isinstance(value.get(name), str))
        for inner in value.values():
            yield from prompts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from prompts_in(inner)
