"""Carries out the steps of conversations with `httpx.AsyncClient`. `sync_shell` is the same with `httpx.Client`."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar, assert_never, overload

import httpx

from submitter.client.conversation import (
    Call,
    Close,
    Conversation,
    Give,
    NewKey,
    NoReply,
    Now,
    Open,
    Pause,
    Read,
    Reply,
    Send,
    Series,
    Step,
    Tell,
    answered,
)
from submitter.client.exchange import at_once, no_reply, request_of

P = ParamSpec("P")

T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class Shell:
    """`timeout_s` bounds each exchange, beside the time of a wait."""

    http: httpx.AsyncClient
    timeout_s: float
    random: Callable[[], float] = field(default_factory=lambda: secrets.SystemRandom().random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, wanted: Call[T] | Conversation[T]) -> T:
        """Return what a call or a conversation came to."""
        conversation = answered(wanted) if isinstance(wanted, Call) else wanted
        answer: object = None
        async with _Line(self) as line:
            while True:
                try:
                    step = conversation.send(answer)
                except StopIteration as done:
                    result: T = done.value
                    return result
                answer = await line.carry_out(step)

    async def iterate(self, series: Series[T]) -> AsyncGenerator[T]:
        """Yield the items of a series."""
        answer: object = None
        async with _Line(self) as line:
            while True:
                try:
                    step = series.send(answer)
                except StopIteration:
                    return
                if isinstance(step, Give):
                    answer = None
                    yield step.item
                else:
                    answer = await line.carry_out(step)


class _Line:
    """The steps of one conversation, which has at most one answer open."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._reply: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def carry_out(self, step: Step) -> Reply | NoReply | bytes | float | str | None:
        """Return what the conversation is sent for the step."""
        match step:
            case Send(call):
                return await self._send(call)
            case Open():
                return await self._open(step)
            case Read():
                return await self._read()
            case Close():
                await self._close()
            case Pause(seconds, jitter):
                await self._shell.sleep(seconds * (1 + jitter * self._shell.random()))
            case Now() | NewKey() | Tell():
                return at_once(step)
            case _:
                assert_never(step)
        return None

    async def _send(self, call: Call[Any]) -> Reply | NoReply:
        timeout = httpx.Timeout(self._shell.timeout_s + call.extra_wait_s)
        try:
            reply = await self._shell.http.send(request_of(self._shell.http, call, timeout))
        except httpx.RequestError as error:
            return no_reply(error)
        return Reply(status=reply.status_code, headers=reply.headers, body=reply.content)

    async def _open(self, wanted: Open) -> Reply | NoReply:
        await self._close()
        timeout = httpx.Timeout(self._shell.timeout_s, read=wanted.silence_s)
        try:
            reply = await self._shell.http.send(request_of(self._shell.http, wanted.call, timeout), stream=True)
        except httpx.RequestError as error:
            return no_reply(error)
        self._reply, self._chunks = reply, reply.aiter_bytes()
        return Reply(status=reply.status_code, headers=reply.headers)

    async def _read(self) -> bytes | NoReply | None:
        if self._chunks is None:
            return None
        try:
            return await anext(self._chunks, None)
        except httpx.RequestError as error:
            return no_reply(error)

    async def _close(self) -> None:
        reply, self._reply, self._chunks = self._reply, None, None
        if reply is not None:
            await reply.aclose()


class Resource:
    """A part of the API; its methods are made of functions of `submitter.client.calls`."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def run(self, wanted: Call[T] | Conversation[T]) -> Coroutine[Any, Any, T]:
        return self._shell.run(wanted)

    def iterate(self, series: Series[T]) -> AsyncGenerator[T]:
        return self._shell.iterate(series)


class Answer(Generic[P, T]):
    """Makes a method of a resource of a function that returns a call or a conversation."""

    def __init__(self, build: Callable[P, Call[T] | Conversation[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, resource: None, owner: type[Resource]) -> Self: ...

    @overload
    def __get__(self, resource: Resource, owner: type[Resource]) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, resource: Resource | None, owner: type[Resource]) -> Self | Callable[P, Coroutine[Any, Any, T]]:
        if resource is None:
            return self

        @wraps(self._build)
        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await resource.run(self._build(*args, **kwargs))

        return method


class Items(Generic[P, T]):
    """Makes a method of a resource of a function that returns a series."""

    def __init__(self, build: Callable[P, Series[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, resource: None, owner: type[Resource]) -> Self: ...

    @overload
    def __get__(self, resource: Resource, owner: type[Resource]) -> Callable[P, AsyncGenerator[T]]: ...

    def __get__(self, resource: Resource | None, owner: type[Resource]) -> Self | Callable[P, AsyncGenerator[T]]:
        if resource is None:
            return self

        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
            return resource.iterate(self._build(*args, **kwargs))

        return method
