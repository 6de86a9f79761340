"""The steps of a request, the same for every platform and in this order.

A submit: key, rate, idempotency key, fields, balance and concurrency, refusing faults, creation, faults of the answer.
A query: key, rate, existence, faults, the state. A submit that the platform itself refuses uses up no planned faults.
"""

import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from submitter.simulator import callbacks
from submitter.simulator.corruption import DroppedConnection, corrupt_receipt, corrupt_status
from submitter.simulator.faults import REFUSALS, UnknownFaultError
from submitter.simulator.rate_limit import Allowance
from submitter.simulator.task import THROTTLINGS, Draft, Reason, Refusal, Task, View
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
    """The functions and facts that differ between platforms."""

    platform: str
    #: Checks the body of a submit.
    parse: Callable[[Request, bytes], Draft | Refusal]
    new_id: Callable[[], str]
    receipt: Render
    #: Answers with the platform's status and error envelope.
    refuse: Callable[[Request, Refusal], Response]
    #: Answers a status query for an id that the platform does not know.
    unknown: Callable[[Request, str], Response]
    #: Whether status queries do not know a task whose result has expired.
    forgets: bool = False
    #: Header names for limit, remaining and reset; an empty name is not sent.
    rate_headers: tuple[str, str, str] = ("", "", "")
    #: Answers a submit whose idempotency key is in use; None opens an entry for a new key.
    recall: Callable[[Request, bytes], Response | None] | None = None
    #: Stores the receipt of a new key; None for the receipt removes the key.
    store_receipt: Callable[[Request, Task | None, Response | None], None] | None = None
    #: The body of a callback; None: the platform sends no callbacks.
    callback_body: callbacks.CallbackBody | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What one submit came to."""

    answer: Response
    #: None, as is the receipt, when no task was created.
    task: Task | None = None
    receipt: Response | None = None


async def answer_submit(request: Request, dialect: Dialect) -> Response:
    """Answer a submit."""
    raw = await request.body()
    allowance = count(request, dialect, "submit")
    refusal = check_key_and_rate(request, dialect, allowance)
    answer = (
        refused_submit(request, dialect, refusal=refusal, raw=raw)
        if refusal is not None
        else await _process_once(request, dialect, raw)
    )
    return with_rate_headers(answer, dialect, allowance)


def answer_call(request: Request, dialect: Dialect, call: Call, respond: Callable[[], Response]) -> Response:
    """Answer any other call by `respond`, after the checks of key and rate."""
    allowance = count(request, dialect, call)
    refusal = check_key_and_rate(request, dialect, allowance)
    answer = respond() if refusal is None else refused(request, dialect, refusal)
    return with_rate_headers(answer, dialect, allowance)


async def answer_query(request: Request, dialect: Dialect, task_id: str, render: Render) -> Response:
    """Answer a status query."""
    allowance = count(request, dialect, "task_call")
    refusal = check_key_and_rate(request, dialect, allowance)
    if refusal is not None:
        return with_rate_headers(refused(request, dialect, refusal), dialect, allowance)
    task = world_of(request).find(dialect.platform, task_id)
    answer = dialect.unknown(request, task_id) if task is None else await _status(request, dialect, task, render)
    return with_rate_headers(answer, dialect, allowance)


def count(request: Request, dialect: Dialect, call: Call) -> Allowance | None:
    """Count the request against the platform's rate limit; None when calls of this kind are not limited."""
    world = world_of(request)
    if world.config.limit(dialect.platform).counts == "task_calls" and call != "task_call":
        return None
    return world.windows.count(dialect.platform, world.now_s())


def check_key_and_rate(request: Request, dialect: Dialect, allowance: Allowance | None) -> Refusal | None:
    """Return the refusal of a wrong key or, after that, of too many requests; None when both are right."""
    given = request.headers.get("authorization", "").encode()
    wanted = f"Bearer {world_of(request).config.key(dialect.platform)}".encode()
    if not hmac.compare_digest(given, wanted):
        return Refusal(reason=Reason.BAD_KEY, message="the API key is missing or wrong")
    if allowance is not None and allowance.is_over:
        return Refusal(reason=Reason.RATE, message="request limit reached")
    return None


def refused(request: Request, dialect: Dialect, refusal: Refusal) -> Response:
    """Return the platform's answer to a refused request; a throttled one is recorded."""
    if refusal.reason in THROTTLINGS:
        world_of(request).record_throttling(dialect.platform, request, refusal.reason.value)
    return dialect.refuse(request, refusal)


def refused_submit(request: Request, dialect: Dialect, *, refusal: Refusal, raw: bytes) -> Response:
    """Return the platform's answer to a refused submit, which is recorded."""
    answer = refused(request, dialect, refusal)
    world_of(request).record_refusal(dialect.platform, raw, reason=refusal.reason.value, status=answer.status_code)
    return answer


def with_rate_headers(answer: Response, dialect: Dialect, allowance: Allowance | None) -> Response:
    """Add the platform's rate headers to the answer."""
    if allowance is None or allowance.limit is None:
        return answer
    values = (allowance.limit, allowance.remaining, math.ceil(allowance.reset_s))
    for name, value in zip(dialect.rate_headers, values, strict=True):
        if name:
            answer.headers[name] = str(value)
    return answer


async def _process_once(request: Request, dialect: Dialect, raw: bytes) -> Response:
    if dialect.recall is None or dialect.store_receipt is None:
        return (await _process(request, dialect, raw)).answer
    recalled = dialect.recall(request, raw)
    if recalled is not None:
        return recalled
    task, receipt = None, None
    try:
        done = await _process(request, dialect, raw)
        task, receipt = done.task, done.receipt
    finally:
        dialect.store_receipt(request, task, receipt)
    return done.answer


async def _process(request: Request, dialect: Dialect, raw: bytes) -> SubmitResult:
    draft = _draft(request, dialect, raw)
    if isinstance(draft, Refusal):
        return SubmitResult(answer=refused_submit(request, dialect, refusal=draft, raw=raw))
    world = world_of(request)
    try:
        faults = world.faults_for(dialect.platform, draft, raw)
    except UnknownFaultError as error:
        wrong = Refusal(reason=Reason.INVALID, message=str(error), field="prompt")
        return SubmitResult(answer=refused_submit(request, dialect, refusal=wrong, raw=raw))
    hit = next((name for name in REFUSALS if name in faults), None)
    if hit is not None:
        return SubmitResult(answer=_refused_by_fault(request, dialect, name=hit, raw=raw))
    task = _created(request, dialect, draft=draft, raw=raw, faults=faults)
    receipt = dialect.receipt(request, world.view(task))
    return SubmitResult(answer=await corrupt_receipt(request, task, receipt), task=task, receipt=receipt)


def _draft(request: Request, dialect: Dialect, raw: bytes) -> Draft | Refusal:
    if len(raw) > MAX_BODY_BYTES:
        return Refusal(reason=Reason.TOO_LARGE, message="the body is too large")
    draft = dialect.parse(request, raw)
    return draft if isinstance(draft, Refusal) else _over_capacity(world_of(request), dialect.platform) or draft


def _over_capacity(world: World, platform: str) -> Refusal | None:
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
    world_of(request).record_refusal(dialect.platform, raw, reason=name, status=None)
    return DroppedConnection(request, by_reset=True)


def _created(request: Request, dialect: Dialect, *, draft: Draft, raw: bytes, faults: frozenset[str]) -> Task:
    world = world_of(request)
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    arrival = Arrival(raw=raw, headers=headers, origin=origin_of(request))
    task = world.create(dialect.platform, draft=draft, arrival=arrival, faults=faults, task_id=dialect.new_id())
    if draft.callback_url is not None and dialect.callback_body is not None:
        world.spawn(callbacks.post_callbacks(world, task, dialect.callback_body))
    return task


def origin_of(request: Request) -> str:
    """Return scheme and host as the caller wrote them, so that links work for that caller."""
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
        return await corrupt_status(request, task, name=fault, render=render)
    view = world.view(task)
    if world.is_forgotten(view) or (dialect.forgets and view.now_s >= view.expires_s):
        return dialect.unknown(request, task.task_id)
    return render(request, view)
