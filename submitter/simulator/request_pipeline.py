"""The steps of a request, the same for every platform and in this order.

A submit: key, rate, idempotency key, fields, balance and concurrency, refusing faults, creation, faults of the answer.
A query: key, rate, existence, faults, the state. A submit that the platform itself refuses uses up no planned faults.
"""

import hmac
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from submitter.simulator.callbacks import CallbackRules, post_callbacks
from submitter.simulator.corruption import GATEWAYS, DroppedConnection, corrupt_receipt, corrupt_status, odd_status
from submitter.simulator.faults import REFUSALS, UnknownFaultError
from submitter.simulator.odd_replies import long_id
from submitter.simulator.rate_limit import Allowance
from submitter.simulator.task import THROTTLINGS, Draft, Reason, Refusal, Task, View
from submitter.simulator.world import World, world_of

MAX_BODY_BYTES = 320 * 1024 * 1024  # where no document states a limit: nine pictures of 20 MB as data URIs

Endpoint = Callable[[Request], Awaitable[Response]]

Render = Callable[[Request, View], Response]

#: Processes a submit. The task is None when none was created.
Process = Callable[[], Awaitable[tuple[Response, Task | None]]]

Call = Literal["submit", "task_call", "download"]

_REFUSED_BY_FAULT = {
    "submit_403": (Reason.FORBIDDEN, "this account may not do that"),
    "submit_429": (Reason.RATE, "too many requests, try again later"),
    "submit_503": (Reason.UNAVAILABLE, "temporarily unavailable"),
    "submit_500": (Reason.INTERNAL, "internal error"),
}

#: Answers to a status query that speak of the account. Sources of the kinds, read 2026-11-25: DashScope's error codes
#: (AccessDenied, AccessDenied.Unpurchased), HiAPI's and Modellix's error pages (not allowed), and
#: https://tokenbay.com/docs/reference/errors (banned, group, model, IP).
_QUERY_REFUSED = {
    "query_429": (Reason.RATE, "try again later"),
    "query_500": (Reason.INTERNAL, "try again later"),
    "query_401": (Reason.BAD_KEY, "the API key is not valid"),
    "query_403_account": (Reason.DENIED, "access denied"),
    "query_403_model": (Reason.FORBIDDEN, "no access to the model"),
    "query_403_group": (Reason.FORBIDDEN, "no access to the group"),
    "query_403_ip": (Reason.FORBIDDEN, "your IP is not in the list of allowed addresses"),
    "query_403_banned": (Reason.FORBIDDEN, "the user has been banned"),
}


def no_such_task(task_id: str) -> Response:
    """Refuse a status query for an id that the platform does not know."""
    raise Refusal(Reason.NO_TASK, "task not found")


def has_bearer_key(request: Request, world: World, platform: str) -> bool:
    """Whether a request has the platform's key in the usual form."""
    return has_key(request, "authorization", f"Bearer {world.config.key(platform)}")


def has_key(request: Request, header: str, wanted: str) -> bool:
    """Whether a header of a request has exactly this value."""
    return hmac.compare_digest(request.headers.get(header, "").encode(), wanted.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The functions and facts that differ between platforms."""

    platform: str
    #: Reads and checks the body of a submit; raises Refusal.
    parse: Callable[[Request, bytes], Draft]
    new_id: Callable[[], str]
    receipt: Render
    #: Answers with the platform's status and error envelope.
    refuse: Callable[[Request, Refusal], Response]
    #: Answers a status query for an id that the platform does not know, or raises Refusal.
    unknown: Callable[[str], Response] = no_such_task
    #: The longest body of a submit.
    max_body_bytes: int = MAX_BODY_BYTES
    #: Whether status queries do not know a task whose result has expired.
    forgets: bool = False
    #: Header names for limit, remaining and reset; an empty name is not sent.
    rate_headers: tuple[str, str, str] = ("", "", "")
    #: Processes a submit at most once for each idempotency key; None: the platform has no such key.
    process_once: Callable[[Request, bytes, Process], Awaitable[Response]] | None = None
    #: When and how the platform calls back; None: it never does.
    callbacks: CallbackRules | None = None
    #: Whether the answer to a status query never holds the result, see `result_endpoint`.
    result_is_apart: bool = False
    #: Whether a request has the key of the account.
    is_authorized: Callable[[Request, World, str], bool] = has_bearer_key


def endpoint(dialect: Dialect, respond: Endpoint, call: Call = "task_call") -> Endpoint:
    """Return an endpoint that checks key and rate, answers with `respond`, and turns a Refusal into an answer."""

    async def answer(request: Request) -> Response:
        allowance = _count(request, dialect, call)
        try:
            _check_key_and_rate(request, dialect, allowance)
            answered = await respond(request)
        except Refusal as refusal:
            answered = await _refused(request, dialect, refusal, call)
        if allowance is not None:
            values = (allowance.limit, allowance.remaining, math.ceil(allowance.reset_s))
            headers = zip(dialect.rate_headers, values, strict=True)
            answered.headers.update({name: str(value) for name, value in headers if name})
        return answered

    return answer


def submit_endpoint(dialect: Dialect) -> Endpoint:
    """Return the endpoint of a submit."""

    async def submit(request: Request) -> Response:
        raw = await request.body()

        async def process() -> tuple[Response, Task | None]:
            return await _process(request, dialect, raw)

        if dialect.process_once is not None:
            return await dialect.process_once(request, raw, process)
        answer, _ = await process()
        return answer

    return endpoint(dialect, submit, "submit")


def status_endpoint(dialect: Dialect, render: Render) -> Endpoint:
    """Return the endpoint of a status query. The path holds the `task_id`."""

    async def query(request: Request) -> Response:
        return await _status(request, dialect, render)

    return endpoint(dialect, query)


def result_endpoint(dialect: Dialect, render: Render, not_ended: str) -> Endpoint:
    """Return the endpoint of a platform's call for the result of a task. `not_ended` refuses one about an open task."""

    async def result(request: Request) -> Response:
        world, task_id = world_of(request), request.path_params["task_id"]
        task = world.find(dialect.platform, task_id)
        if task is None:
            return dialect.unknown(task_id)
        view = world.view(task)
        if "unknown_after" in task.faults or (dialect.forgets and view.now_s >= view.expires_s):
            return dialect.unknown(task_id)
        if not view.phase.is_terminal:
            raise Refusal(Reason.NOT_ENDED, not_ended)
        return odd_status(task, view.phase, render(request, view))

    return endpoint(dialect, result)


def _count(request: Request, dialect: Dialect, call: Call) -> Allowance | None:
    """Count the request against the platform's rate limit; None when calls of this kind are not limited."""
    world = world_of(request)
    counted = {"task_calls": "task_call", "submits": "submit"}.get(world.config.limit(dialect.platform).counts, call)
    if counted != call:
        return None
    return world.windows.count(dialect.platform, world.now_s())


def _check_key_and_rate(request: Request, dialect: Dialect, allowance: Allowance | None) -> None:
    if not dialect.is_authorized(request, world_of(request), dialect.platform):
        raise Refusal(Reason.BAD_KEY, "the API key is missing or wrong")
    if allowance is not None and allowance.is_over:
        raise Refusal(Reason.RATE, "request limit reached")


async def _refused(request: Request, dialect: Dialect, refusal: Refusal, call: Call) -> Response:
    """Return the platform's answer to a refused request. Refused submits and throttled requests are recorded."""
    world, reason = world_of(request), refusal.reason.value
    if refusal.reason in THROTTLINGS:
        world.record_throttling(dialect.platform, request, reason)
    answer = dialect.refuse(request, refusal)
    if call == "submit":
        world.record_refusal(dialect.platform, await request.body(), reason=reason, status=answer.status_code)
    return answer


async def _process(request: Request, dialect: Dialect, raw: bytes) -> tuple[Response, Task | None]:
    if len(raw) > dialect.max_body_bytes:
        raise Refusal(Reason.TOO_LARGE, "the body is too large")
    draft = dialect.parse(request, raw)
    world = world_of(request)
    _check_capacity(world, dialect.platform)
    try:
        faults = world.faults_for(dialect.platform, draft, raw)
    except UnknownFaultError as error:
        raise Refusal(Reason.INVALID, str(error), field="prompt") from error
    hit = next((name for name in REFUSALS if name in faults), None)
    if hit == "submit_reset":
        world.record_refusal(dialect.platform, raw, reason=hit, status=None)
        return DroppedConnection(request, by_reset=True), None
    if hit is not None:
        raise Refusal(*_REFUSED_BY_FAULT[hit])
    task_id = _new_id(dialect, faults)
    task = world.create(dialect.platform, request, draft=draft, raw=raw, faults=faults, task_id=task_id)
    if draft.callback_url is not None and dialect.callbacks is not None:
        world.spawn(post_callbacks(world, task, dialect.callbacks))
    receipt = dialect.receipt(request, world.view(task))
    task.receipt = bytes(receipt.body)
    return await corrupt_receipt(request, task, receipt), task


def _new_id(dialect: Dialect, faults: frozenset[str]) -> str:
    if "receipt_number_id" in faults and dialect.platform in GATEWAYS:
        return str(secrets.randbelow(9 * 10**11) + 10**11)
    return long_id(dialect.new_id()) if "receipt_long_id" in faults else dialect.new_id()


def _check_capacity(world: World, platform: str) -> None:
    quota = world.config.quota.get(platform)
    if quota is not None and len(world.of(platform)) >= quota:
        raise Refusal(Reason.NO_BALANCE, "the balance is too low")
    concurrent = world.config.limit(platform).concurrent
    if concurrent is not None and world.unfinished(platform) >= concurrent:
        raise Refusal(Reason.CONCURRENCY, "too many tasks at once")


async def _status(request: Request, dialect: Dialect, render: Render) -> Response:
    world, task_id = world_of(request), request.path_params["task_id"]
    task = world.find(dialect.platform, task_id)
    if task is None or task.is_deleted:
        return dialect.unknown(task_id)
    task.status_queries += 1
    fault = task.next_query_fault()
    if fault == "not_visible":
        return dialect.unknown(task_id)
    if fault in _QUERY_REFUSED:
        raise Refusal(*_QUERY_REFUSED[fault])
    if fault is not None:
        return await corrupt_status(request, task, name=fault, render=render)
    view = world.view(task)
    is_forgotten = view.phase.is_terminal and "unknown_after" in task.faults
    if is_forgotten or (dialect.forgets and view.now_s >= view.expires_s):
        return dialect.unknown(task_id)
    answer = render(request, view)
    return answer if dialect.result_is_apart else odd_status(task, view.phase, answer)
