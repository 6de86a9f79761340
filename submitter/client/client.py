"""Python client of a running receiver.

    async with Client("http://127.0.0.1:8000", key) as client:
        task = await client.submit(provider="hiapi", video={"model": "…", "prompt": "…"})
        task = await client.wait(task.id, timeout_s=900)

Every submit carries an idempotency key, so a request whose answer was lost is sent again and never paid for twice.

Events by cursor, each once, through restarts of either side when the cursor is kept:

        async for event in client.events(after=cursor):
            cursor = event.seq  # keep it together with what was done about the event

Webhooks, in any framework, from the headers and the raw bytes of the body as they came:

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
from typing import Any, Protocol, Self, overload
from urllib.parse import quote

import httpx

from submitter import standard_webhooks
from submitter.api import (
    TASK_TYPES,
    AnyEvent,
    Event,
    Message,
    OtherMessage,
    SubscriptionDisabled,
    Task,
    TaskEventType,
    read_events,
    read_message,
    read_problem,
    read_retry_after,
    read_task,
    refusal,
)
from submitter.client.stream import Following
from submitter.errors import NotEnded, ReceiverRefused, ReceiverUnreachable, WebhookNotVerified

__all__ = ["Client", "Event", "Message", "OtherMessage", "SubscriptionDisabled", "Task", "open_webhook"]

#: Seconds before the second, third and fourth try of a request that got no answer of the receiver's.
RETRY_PAUSES_S = (0.2, 1.0, 3.0)

RETRY_AFTER_CAP_S = 10.0  # of one such pause, where the answer names a longer one

#: One wait at the receiver; below its own cap of 60 s and what proxies let pass.
WAIT_S = 25

#: Answers by which the receiver, or a proxy before it, says that it did nothing yet.
_AGAIN = frozenset({502, 503, 504})

_OF_PROVIDER = "urn:whenfinal:problem:provider-"


class HeaderItems(Protocol):
    """Headers as web frameworks give them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class Client:
    """`timeout_s` bounds each exchange, beside the time that a wait is meant to take.

    A submit answers when the provider has, so it must be longer than the receiver's own timeout for a provider.
    `webhook_secrets` are what `verify_webhook` takes: `whsec_…` and `whpk_…`, while one is rotated both. Raise
    ValueError for anything else.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 90.0, webhook_secrets: Sequence[str] = ()) -> None:
        standard_webhooks.check_secrets(webhook_secrets)
        self._webhook_secrets = tuple(webhook_secrets)
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            trust_env=False,  # the key is for the receiver alone, and no proxy of the environment's
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
        **order: Any,  # noqa: ANN401 - the order's JSON, member by member
    ) -> Task:
        """`order` is the rest of POST /v1/tasks: `video` or `raw`, `labels`, `notify`, `deadline_s`.

        Raise ReceiverRefused when it or the provider refused, ReceiverUnreachable when nobody knows; then the same
        `idempotency_key` asks again without paying twice. State `uncertain` is a task that may exist: do not repeat it.
        """
        body = {"provider": provider} | {name: value for name, value in order.items() if value is not None}
        key = idempotency_key or secrets.token_urlsafe(24)
        reply = await self._ask("POST", "v1/tasks", json=body, headers={"Idempotency-Key": key})
        return read_task(reply.content)

    async def task(self, name: str, /) -> Task:
        return read_task((await self._ask("GET", _task_path(name))).content)

    async def wait(self, name: str, /, *, timeout_s: float | None = None) -> Task:
        """The task once it has ended; None waits for ever. Raise NotEnded when the time is up.

        A receiver that has answered once may be away in between.
        """
        end_s = None if timeout_s is None else monotonic() + timeout_s
        last: Task | None = None
        while True:
            left_s = WAIT_S if end_s is None else max(0, min(WAIT_S, round(end_s - monotonic())))
            last = await self._looked(name, left_s, last)
            if last.is_ended:
                return last
            if end_s is not None and monotonic() >= end_s:
                raise NotEnded(last.id, last.state.value)

    async def _looked(self, name: str, wait_s: int, last: Task | None) -> Task:
        """The task as it is now, or as it was last where the receiver cannot be asked."""
        try:
            reply = await self._ask("GET", _task_path(name), params={"wait": wait_s}, timeout=self._timeout_s + wait_s)
        except (ReceiverUnreachable, ReceiverRefused) as error:
            if last is None or (isinstance(error, ReceiverRefused) and error.problem.status not in _AGAIN):
                raise
            return last
        return read_task(reply.content)

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
        """Events after a cursor, in order, none left out and none twice; the `seq` of the last one goes on from there.

        With `follow` it never ends: new events come as they happen, and a connection that breaks is made again, from
        where it was. Without, it ends at the last event there is. `after` None: with `follow` from now on, without it
        from the oldest event kept.

        Of the conditions all must hold, of the words of one any, and every label must be there. No `types` means those
        about tasks; with `subscription.disabled` among them, SubscriptionDisabled comes as well as Event.

        Raise CursorExpired when events after the cursor are no longer kept, ReceiverRefused for a key or a condition
        that the receiver does not take, ReceiverUnreachable when no connection comes about at first, or for an answer
        that is not the receiver's. Leaving the loop early leaves the connection to the garbage collector;
        `contextlib.aclosing` ends it at once.
        """
        wanted = _conditions(types=types or TASK_TYPES, providers=providers, models=models, labels=labels or {})
        if follow:
            source = Following(http=self._http, params=wanted, cursor=after, timeout_s=self._timeout_s).events()
        else:
            source = self._kept_events(wanted, after)
        async with aclosing(source) as found:
            async for event in found:
                yield event

    async def _kept_events(self, wanted: Sequence[tuple[str, str]], after: int | None) -> AsyncGenerator[AnyEvent]:
        while True:
            start = () if after is None else (("after", str(after)),)
            reply = await self._ask("GET", "v1/events", params=httpx.QueryParams([*wanted, *start]))
            page = read_events(reply.content)
            for event in page.events:
                yield event
            if not page.has_more:
                return
            if after is not None and page.next_after <= after:
                raise ReceiverUnreachable("the answer cannot be read: its cursor stands still")
            after = page.next_after

    def verify_webhook(self, headers: HeaderItems | Iterable[tuple[str, str]], body: bytes) -> Message:
        """As `open_webhook`, with the secrets that the client was made with."""
        if not self._webhook_secrets:
            raise ValueError("the client was made without webhook_secrets")
        return open_webhook(self._webhook_secrets, headers, body)

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        """Ask until there is an answer that counts; every request that comes here may be sent twice."""
        for pause_s in RETRY_PAUSES_S:
            try:
                reply = await self._http.request(method, path, **request)
            except httpx.RequestError:
                await asyncio.sleep(pause_s)
                continue
            if not _is_worth_repeating(reply):
                return _checked(reply)
            await asyncio.sleep(max(pause_s, min(read_retry_after(reply.headers) or 0.0, RETRY_AFTER_CAP_S)))
        try:
            return _checked(await self._http.request(method, path, **request))
        except httpx.RequestError as error:
            raise ReceiverUnreachable(f"no answer from the receiver: {type(error).__name__}") from error


def open_webhook(secrets: Sequence[str], headers: HeaderItems | Iterable[tuple[str, str]], body: bytes) -> Message:
    """What a webhook says: an Event, a SubscriptionDisabled, or an OtherMessage such as `webhook.test`.

    `secrets` are `whsec_…` and `whpk_…`; `headers` of any case, a mapping or pairs; `body` the bytes as they came.
    Raise WebhookNotVerified for whatever was not signed with one of them, was signed more than 5 minutes ago by this
    machine's clock, or is not a message of a receiver; answer such a request 400 and do nothing about it. The same
    webhook may come more than once: `event_id` tells.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    standard_webhooks.verify_webhook(secrets, tuple(pairs), body, now_s=int(time()))
    try:
        return read_message(body)
    except ReceiverUnreachable as error:
        raise WebhookNotVerified("rightly signed, and not a message of a receiver") from error


def _conditions(
    *, types: Sequence[str], providers: Sequence[str], models: Sequence[str], labels: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    return (
        *(("type", each) for each in types),
        *(("provider", each) for each in providers),
        *(("model", each) for each in models),
        *(("label", f"{name}={value}") for name, value in labels.items()),
    )


def _task_path(name: str) -> str:
    return f"v1/tasks/{quote(name, safe='')}"


def _is_worth_repeating(reply: httpx.Response) -> bool:
    """What a provider refused is refused for this key for ever; what the receiver could not do, it may do now."""
    if reply.status_code not in _AGAIN:
        return False
    problem = read_problem(reply.status_code, reply.headers, reply.content)
    return problem is None or not problem.type.startswith(_OF_PROVIDER)


def _checked(reply: httpx.Response) -> httpx.Response:
    if reply.is_success:
        return reply
    problem = read_problem(reply.status_code, reply.headers, reply.content)
    if problem is None:
        raise ReceiverUnreachable(f"status {reply.status_code}, and not from the receiver")
    raise refusal(problem)
