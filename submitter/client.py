"""Python client of a running receiver.

    async with Client("http://127.0.0.1:8000", key) as client:
        task = await client.submit(provider="hiapi", video={"model": "…", "prompt": "…"})
        task = await client.wait(task.id, timeout_s=900)

Every submit carries an idempotency key, so a request whose answer was lost is sent again and never paid for twice.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from submitter.answers import Event, Task, read_events, read_problem, read_task
from submitter.errors import NotEnded, ReceiverRefused, ReceiverUnreachable

__all__ = ["Client", "Event", "Task"]

#: Seconds before the second, third and fourth try of a request that got no answer of the receiver's.
RETRY_PAUSES_S = (0.2, 1.0, 3.0)
#: One wait at the receiver; below its own cap of 60 s and what proxies let pass.
WAIT_S = 25
FOLLOW_EVERY_S = 1.0  # between looks for new events
#: Answers by which the receiver, or a proxy before it, says that it did nothing yet.
_AGAIN = frozenset({502, 503, 504})
_UNAVAILABLE = "urn:whenfinal:problem:unavailable"


class Client:
    """`timeout_s` bounds each exchange, beside the time that a wait is meant to take.

    A submit answers when the provider has, so it must be longer than the receiver's own timeout for a provider.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 90.0) -> None:
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
        """The task once it has ended; None waits for ever. Raise NotEnded when the time is up."""
        end_s = None if timeout_s is None else monotonic() + timeout_s
        while True:
            left_s = WAIT_S if end_s is None else max(0, min(WAIT_S, round(end_s - monotonic())))
            reply = await self._ask("GET", _task_path(name), params={"wait": left_s}, timeout=self._timeout_s + left_s)
            task = read_task(reply.content)
            if task.is_ended:
                return task
            if end_s is not None and monotonic() >= end_s:
                raise NotEnded(task.id, task.state.value)

    async def events(self, *, after: int = 0, follow: bool = False) -> AsyncGenerator[Event]:
        """Events after a cursor, in order; `follow` goes on when there are no more yet."""
        while True:
            page = read_events((await self._ask("GET", "v1/events", params={"after": after})).content)
            for event in page.events:
                yield event
            after = page.next_after
            if not page.events:
                if not follow:
                    return
                await asyncio.sleep(FOLLOW_EVERY_S)

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
            await asyncio.sleep(pause_s)
        try:
            return _checked(await self._http.request(method, path, **request))
        except httpx.RequestError as error:
            raise ReceiverUnreachable(f"no answer from the receiver: {type(error).__name__}") from error


def _task_path(name: str) -> str:
    return f"v1/tasks/{quote(name, safe='')}"


def _is_worth_repeating(reply: httpx.Response) -> bool:
    """What a provider refused is refused for this key for ever; what never reached the ledger may reach it now."""
    if reply.status_code not in _AGAIN:
        return False
    problem = read_problem(reply.status_code, reply.headers, reply.content)
    return problem is None or problem.type == _UNAVAILABLE


def _checked(reply: httpx.Response) -> httpx.Response:
    if reply.is_success:
        return reply
    problem = read_problem(reply.status_code, reply.headers, reply.content)
    if problem is None:
        raise ReceiverUnreachable(f"status {reply.status_code}, and not from the receiver")
    raise ReceiverRefused(problem)
