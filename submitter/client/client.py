"""Python client of a running receiver.

    async with Client("http://127.0.0.1:8000", key) as client:
        task = await client.submit(provider="hiapi", video={"model": "…", "prompt": "…"})
        task = await client.wait(task.id, timeout_s=900)

Every submit carries an idempotency key, so a request whose answer was lost is sent again and never paid for twice.

Events by cursor, each once, through restarts of either side if you store the cursor:

        async for event in client.events(after=cursor):
            cursor = event.seq  # store it together with what you did about the event

Webhooks, in any framework, from the headers and the unchanged bytes of the body:

    message = client.verify_webhook(request.headers, await request.body())  # Starlette, FastAPI
    message = client.verify_webhook(request.headers, request.get_data())  # Flask
    message = client.verify_webhook(request.headers, request.body)  # Django
    if isinstance(message, Event):
        ...
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from time import monotonic, time
from types import TracebackType
from typing import Protocol, Self, overload
from urllib.parse import quote

import httpx

from submitter import standard_webhooks
from submitter.api import (
    TASK_TYPES,
    AnyEvent,
    Event,
    EventsPage,
    Message,
    SubmittedTask,
    Task,
    TaskDetail,
    TaskEventType,
)
from submitter.client.replies import error_of, read_message, read_problem, read_reply
from submitter.client.stream import EventFollower
from submitter.errors import NotEnded, ReceiverRefused, ReceiverUnreachable, WebhookNotVerified
from submitter.http.messages import read_retry_after_s

#: Seconds before the second, third and fourth try of a request that the receiver did not answer.
RETRY_PAUSES_S = (0.2, 1.0, 3.0)

RETRY_AFTER_CAP_S = 10.0  # of one such pause, where the answer names a longer one

#: One wait at the receiver: shorter than the 60 s and 50 s after which nginx and HAProxy end a request.
WAIT_S = 25

#: Statuses by which the receiver, or a proxy before it, says that it has done nothing yet.
_RETRYABLE = frozenset({502, 503, 504})

_PROVIDER_REFUSED = "urn:whenfinal:problem:provider-"


class HeaderItems(Protocol):
    """Headers as web frameworks give them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class Client:
    """The API of a receiver at `url`, with an API key.

    `timeout_s` bounds each exchange, beside the time of a wait. A submit is answered when the provider has answered, so
    it must be longer than the receiver's own timeout for a provider. `webhook_secrets` are those of `verify_webhook`:
    `whsec_…` and `whpk_…`, both the old and the new one during a rotation. Raise ValueError for any other text.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 90.0, webhook_secrets: Sequence[str] = ()) -> None:
        standard_webhooks.check_secrets(webhook_secrets)
        self._webhook_secrets = tuple(webhook_secrets)
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            trust_env=False,  # a proxy of the environment must not see the key
        )
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def submit(
        self,
        *,
        provider: str,
        idempotency_key: str | None = None,
        **request: object,
    ) -> Task:
        """Submit a task and return it. `request` is the rest of POST /v1/tasks, such as `video` and `labels`.

        A task in the state `queued` waits for room at its account and is sent by the receiver; `priority` and
        `queue_for_s` decide how it waits. A task in the state `uncertain` may exist at the provider: do not submit it
        again. Raise ReceiverRefused when the receiver or the provider refused, and ReceiverUnreachable when the
        outcome is unknown: submit again with the same `idempotency_key`, and it is not paid for twice.
        """
        body = {"provider": provider} | {name: value for name, value in request.items() if value is not None}
        key = idempotency_key or secrets.token_urlsafe(24)
        reply = await self._request("POST", "v1/tasks", json=body, headers={"Idempotency-Key": key})
        return read_reply(SubmittedTask, reply.content)

    async def task(self, task_id: str, /) -> TaskDetail:
        """Return the task as it is now, with its place in the queue. Raise ReceiverRefused for an unknown id."""
        return read_reply(TaskDetail, (await self._request("GET", _task_path(task_id))).content)

    async def wait(self, task_id: str, /, *, timeout_s: float | None = None) -> Task:
        """Return the task when it has ended; None waits for ever. Raise NotEnded when the time is over.

        Once the receiver has answered, the wait survives times when it is away.
        """
        end_s = None if timeout_s is None else monotonic() + timeout_s
        last: Task | None = None
        while True:
            left_s = WAIT_S if end_s is None else max(0, min(WAIT_S, round(end_s - monotonic())))
            last = await self._task_or_last(task_id, left_s, last)
            if last.is_ended:
                return last
            if end_s is not None and monotonic() >= end_s:
                raise NotEnded(last.id, last.state.value)

    async def _task_or_last(self, task_id: str, wait_s: int, last: Task | None) -> Task:
        """Return the task after a wait, or `last` while the receiver is away."""
        try:
            reply = await self._request(
                "GET",
                _task_path(task_id),
                headers={"Prefer": f"wait={wait_s}"},  # a receiver with a shorter longest wait shortens it
                timeout_s=self._timeout_s + wait_s,
            )
        except ReceiverUnreachable:
            if last is None:
                raise
            return last
        except ReceiverRefused as error:
            if last is None or error.problem.status not in _RETRYABLE:
                raise
            return last
        return read_reply(Task, reply.content)

    @overload
    def events(
        self,
        *,
        after: int | None = None,
        follow: bool = True,
        types: Sequence[TaskEventType] = (),
        providers: Sequence[str] = (),
        models: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Event]: ...

    @overload
    def events(
        self,
        *,
        after: int | None = None,
        follow: bool = True,
        types: Sequence[str],
        providers: Sequence[str] = (),
        models: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[AnyEvent]: ...

    async def events(
        self,
        *,
        after: int | None = None,
        follow: bool = True,
        types: Sequence[str] = (),
        providers: Sequence[str] = (),
        models: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[AnyEvent]:
        """Yield the events after a cursor, in order, each once. Store the `seq` of the last one as the next cursor.

        With `follow` it never ends: new events come as they happen, and a lost connection is replaced at the cursor.
        Without it, it ends at the newest event. `after` None means from now on with `follow`, and from the oldest
        stored event without it.

        All conditions must hold; of the values of one, any; of labels, each. No `types` means those about tasks. With
        `subscription.disabled` among them, SubscriptionDisabled comes as well as Event.

        Raise CursorExpired when events after the cursor are no longer stored, ReceiverRefused for a key or a condition
        that the receiver does not accept, and ReceiverUnreachable when the first connection fails or an answer is not a
        receiver's. If you leave the loop early, `contextlib.aclosing` closes the connection at once; otherwise the
        garbage collector does.
        """
        conditions = _conditions(types=types or TASK_TYPES, providers=providers, models=models, labels=labels or {})
        if follow:
            source = EventFollower(http=self._http, params=conditions, cursor=after, timeout_s=self._timeout_s).events()
        else:
            source = self._stored_events(conditions, after)
        async with aclosing(source) as found:
            async for event in found:
                yield event

    async def _stored_events(
        self, conditions: Sequence[tuple[str, str]], after: int | None
    ) -> AsyncGenerator[AnyEvent]:
        while True:
            start = () if after is None else (("after", str(after)),)
            reply = await self._request("GET", "v1/events", params=httpx.QueryParams([*conditions, *start]))
            page = read_reply(EventsPage, reply.content)
            for event in page.events:
                yield event
            if not page.has_more:
                return
            if after is not None and page.next_after <= after:
                raise ReceiverUnreachable("the answer cannot be read: its cursor does not move")
            after = page.next_after

    def verify_webhook(self, headers: HeaderItems | Iterable[tuple[str, str]], body: bytes) -> Message:
        """Do as `open_webhook` with the client's own secrets. Raise ValueError for a client without any."""
        if not self._webhook_secrets:
            raise ValueError("the client was made without webhook_secrets")
        return open_webhook(self._webhook_secrets, headers, body)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: httpx.QueryParams | None = None,
        json: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Return a successful answer; only requests that may be repeated come here. Raise a ClientError."""
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s
        request = self._http.build_request(method, path, params=params, json=json, headers=headers, timeout=timeout)
        for pause_s in RETRY_PAUSES_S:
            try:
                reply = await self._http.send(request)
            except httpx.RequestError:
                await asyncio.sleep(pause_s)
                continue
            if not _should_retry(reply):
                return _successful(reply)
            requested_s = read_retry_after_s(reply.headers.get("retry-after")) or 0.0
            await asyncio.sleep(max(pause_s, min(requested_s, RETRY_AFTER_CAP_S)))
        try:
            return _successful(await self._http.send(request))
        except httpx.RequestError as error:
            raise ReceiverUnreachable(f"no answer from the receiver: {type(error).__name__}") from error


def open_webhook(secrets: Sequence[str], headers: HeaderItems | Iterable[tuple[str, str]], body: bytes) -> Message:
    """Verify a webhook and return its message: an Event, a SubscriptionDisabled, or an OtherMessage.

    `secrets` are `whsec_…` and `whpk_…`; `headers` a mapping or pairs, of any case; `body` the unchanged bytes. Raise
    WebhookNotVerified when no signature is right, when it was signed more than 5 minutes ago by this machine's clock,
    or when it is not a receiver's message; answer such a request with 400 and do nothing else. The same webhook may
    come more than once: ignore an `event_id` that you have handled.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    standard_webhooks.verify_webhook(secrets, tuple(pairs), body, now_s=int(time()))
    try:
        return read_message(body)
    except ReceiverUnreachable as error:
        raise WebhookNotVerified("signed correctly, but not the message of a receiver") from error


def _conditions(
    *, types: Sequence[str], providers: Sequence[str], models: Sequence[str], labels: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    return (
        *(("type", each) for each in types),
        *(("provider", each) for each in providers),
        *(("model", each) for each in models),
        *(("label", f"{name}={value}") for name, value in labels.items()),
    )


def _task_path(task_id: str) -> str:
    return f"v1/tasks/{quote(task_id, safe='')}"


def _should_retry(reply: httpx.Response) -> bool:
    """Whether the receiver could not do it yet. A provider's refusal is final for this idempotency key."""
    if reply.status_code not in _RETRYABLE:
        return False
    problem = read_problem(reply.status_code, reply.headers, reply.content)
    return problem is None or not problem.type.startswith(_PROVIDER_REFUSED)


def _successful(reply: httpx.Response) -> httpx.Response:
    if reply.is_success:
        return reply
    problem = read_problem(reply.status_code, reply.headers, reply.content)
    if problem is None:
        raise ReceiverUnreachable(f"status {reply.status_code}, and not from the receiver")
    raise error_of(problem)
