"""The steps that every platform takes with a request, in this order.

Submit: key, rate, what the platform remembers of an idempotency key, fields, balance and concurrency, refusing faults,
creation, faults of the answer. Query: key, rate, existence, faults, the state. A submit refused on its own account
uses up no planned faults.
"""

import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from submitter.simulator import callbacks
from submitter.simulator.corruption import Dropped, spoiled_query, spoiled_receipt
from submitter.simulator.faults import REFUSALS, UnknownFaultError
from submitter.simulator.rate_limit import Allowance
from submitter.simulator.refusal import THROTTLINGS, Reason, Refusal
from submitter.simulator.task import Draft, Task, View
from submitter.simulator.world import Arrival, World, world_of

MAX_BODY_BYTES = 10 * 1024 * 1024  # HiAPI's documented limit, used for all

Render = Callable[[Request, View], Response]

Call = Literal["submit", "task_call", "download"]

_REFUSED_BY_FAULT = {
    "submit_429": Refusal(reason=Reason.RATE, message="too many requests, try again later"),
    "submit_503": Refusal(reason=Reason.UNAVAILABLE, message="temporarily unavailable"),
    "submit_500": Refusal(reason=Reason.INTERNAL, message="internal error"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one platform speaks.

    `rate_headers` are the header names for limit, remaining and reset; an empty name is not sent.
    `recall` answers a submit from memory or opens a new entry; `settle` stores the receipt, or forgets (None).
    `forgets`: status queries know nothing of a task whose result has expired.
    """

    platform: str
    parse: Callable[[Request, bytes], Draft | Refusal]
    new_id: Callable[[], str]
    receipt: Render
    refuse: Callable[[Request, Refusal], Response]
    unknown: Callable[[Request, str], Response]
    forgets: bool = False
    rate_headers: tuple[str, str, str] = ("", "", "")
    recall: Callable[[Request, bytes], Response | None] | None = None
    settle: Callable[[Request, Task | None, Response | None], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A submit worked off; `receipt` and `task` are there only when a task was created."""

    answer: Response
    task: Task | None = None
    receipt: Response | None = None


async def take_submit(request: Request, dialect: Dialect) -> Response:
    """Answer a submit."""
    raw = await request.body()
    allowance = count(request, dialect, "submit")
    refusal = admit(request, dialect, allowance)
    answer = (
        refused_submit(request, dialect, refusal=refusal, raw=raw)
        if refusal is not None
        else await _remembered(request, dialect, raw)
    )
    return paced(answer, dialect, allowance)


async def take_query(request: Request, dialect: Dialect, task_id: str, render: Render) -> Response:
    """Answer a question about one task."""
    allowance = count(request, dialect, "task_call")
    refusal = admit(request, dialect, allowance)
    if refusal is not None:
        return paced(refused(request, dialect, refusal), dialect, allowance)
    task = world_of(request).find(dialect.platform, task_id)
    answer = dialect.unknown(request, task_id) if task is None else await _status(request, dialect, task, render)
    return paced(answer, dialect, allowance)


def count(request: Request, dialect: Dialect, call: Call) -> Allowance | None:
    """Count the request against the platform's window; None when calls of this kind are not limited."""
    world = world_of(request)
    if world.config.limit(dialect.platform).counts == "task_calls" and call != "task_call":
        return None
    return world.windows.count(dialect.platform, world.now_s())


def admit(request: Request, dialect: Dialect, allowance: Allowance | None) -> Refusal | None:
    """The key first, then the rate."""
    given = request.headers.get("authorization", "").encode()
    wanted = f"Bearer {world_of(request).config.key(dialect.platform)}".encode()
    if not hmac.compare_digest(given, wanted):
        return Refusal(reason=Reason.BAD_KEY, message="the API key is missing or wrong")
    if allowance is not None and allowance.is_over:
        return Refusal(reason=Reason.RATE, message="request limit reached")
    return None


def refused(request: Request, dialect: Dialect, refusal: Refusal) -> Response:
    """The platform's answer, booked if it throttles."""
    if refusal.reason in THROTTLINGS:
        world_of(request).book_throttling(dialect.platform, request, refusal.reason.value)
    return dialect.refuse(request, refusal)


def refused_submit(request: Request, dialect: Dialect, *, refusal: Refusal, raw: bytes) -> Response:
    """The platform's answer to a submit, booked."""
    answer = refused(request, dialect, refusal)
    world_of(request).book_refusal(dialect.platform, raw, reason=refusal.reason.value, status=answer.status_code)
    return answer


def paced(answer: Response, dialect: Dialect, allowance: Allowance | None) -> Response:
    """The answer with the platform's rate headers."""
    if allowance is None or allowance.limit is None:
        return answer
    values = (allowance.limit, allowance.remaining, math.ceil(allowance.reset_s))
    for name, value in zip(dialect.rate_headers, values, strict=True):
        if name:
            answer.headers[name] = str(value)
    return answer


async def _remembered(request: Request, dialect: Dialect, raw: bytes) -> Response:
    if dialect.recall is None or dialect.settle is None:
        return (await _work(request, dialect, raw)).answer
    recalled = dialect.recall(request, raw)
    if recalled is not None:
        return recalled
    task, receipt = None, None
    try:
        done = await _work(request, dialect, raw)
        task, receipt = done.task, done.receipt
    finally:
        dialect.settle(request, task, receipt)
    return done.answer


async def _work(request: Request, dialect: Dialect, raw: bytes) -> Done:
    draft = _draft(request, dialect, raw)
    if isinstance(draft, Refusal):
        return Done(answer=refused_submit(request, dialect, refusal=draft, raw=raw))
    world = world_of(request)
    try:
        faults = world.faults_for(dialect.platform, draft, raw)
    except UnknownFaultError as error:
        wrong = Refusal(reason=Reason.INVALID, message=str(error), field="prompt")
        return Done(answer=refused_submit(request, dialect, refusal=wrong, raw=raw))
    hit = next((name for name in REFUSALS if name in faults), None)
    if hit is not None:
        return Done(answer=_refused_by_fault(request, dialect, name=hit, raw=raw))
    task = _created(request, dialect, draft=draft, raw=raw, faults=faults)
    receipt = dialect.receipt(request, world.view(task))
    return Done(answer=await spoiled_receipt(request, task, receipt), task=task, receipt=receipt)


def _draft(request: Request, dialect: Dialect, raw: bytes) -> Draft | Refusal:
    if len(raw) > MAX_BODY_BYTES:
        return Refusal(reason=Reason.TOO_LARGE, message="the body is too large")
    draft = dialect.parse(request, raw)
    return draft if isinstance(draft, Refusal) else _no_room(world_of(request), dialect.platform) or draft


def _no_room(world: World, platform: str) -> Refusal | None:
    quota = world.config.quota.get(platform)
    if quota is not None and world.created(platform) >= quota:
        return Refusal(reason=Reason.NO_BALANCE, message="the balance is too low")
    concurrent = world.config.limit(platform).concurrent
    if concurrent is not None and world.unfinished(platform) >= concurrent:
        return Refusal(reason=Reason.CONCURRENCY, message="too many tasks at once")
    return None


def _refused_by_fault(request: Request, dialect: Dialect, *, name: str, raw: bytes) -> Response:
    refusal = _REFUSED_BY_FAULT.get(name)
    if refusal is not None:
        return refused_submit(request, dialect, refusal=refusal, raw=raw)
    world_of(request).book_refusal(dialect.platform, raw, reason=name, status=None)
    return Dropped(request, by_reset=True)


def _created(request: Request, dialect: Dialect, *, draft: Draft, raw: bytes, faults: frozenset[str]) -> Task:
    world = world_of(request)
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    arrival = Arrival(raw=raw, headers=headers, origin=origin_of(request))
    task = world.create(dialect.platform, draft=draft, arrival=arrival, faults=faults, task_id=dialect.new_id())
    if draft.callback_url is not None:
        world.spawn(callbacks.follow(world, task))
    return task


def origin_of(request: Request) -> str:
    """Scheme and host as the caller wrote them, so that links work from where the caller is."""
    return f"{request.url.scheme}://{request.url.netloc}"


async def _status(request: Request, dialect: Dialect, task: Task, render: Render) -> Response:
    world = world_of(request)
    task.status_queries += 1
    fault = task.next_query_fault()
    if fault == "not_visible":
        return dialect.unknown(request, task.task_id)
    if fault in {"query_429", "query_500"}:
        reason = Reason.RATE if fault == "query_429" else Reason.INTERNAL
        return refused(request, dialect, Refusal(reason=reason, message="try again later"))
    if fault is not None:
        return await spoiled_query(request, task, name=fault, render=render)
    view = world.view(task)
    if world.is_forgotten(view) or (dialect.forgets and view.now_s >= view.expires_s):
        return dialect.unknown(request, task.task_id)
    return render(request, view)
