"""An endpoint on this machine that verifies each webhook, forwards it unchanged if wished, and tells what came."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.web.server import Unsignalled
from submitter import open_webhook
from submitter.api import Message
from submitter.client.exchange import cause_of
from submitter.errors import WebhookNotVerified

TEST = "webhook.test"

BODY_MAX_BYTES = 4 << 20  # above any webhook of the service

ANSWER_MAX_BYTES = 64 << 10  # of the answer that is handed back; the service keeps less

FORWARD_TIMEOUT_S = 60.0  # longer than the service waits

#: Of one connection; the library makes its own for the next one.
_OF_THE_CONNECTION = frozenset({"host", "connection", "keep-alive", "content-length", "transfer-encoding", "expect"})

#: Headers of an answer that a sender acts on.
_HANDED_BACK = ("content-type", "retry-after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One request to the endpoint. `message` is None where it was refused, and `problem` says why."""

    message: Message | None
    #: Its `webhook-id`, which is the same in every attempt.
    id: str
    body: bytes
    answered: int
    problem: str | None = None
    #: How long the address that it was forwarded to took; None where it was not.
    forwarded_ms: int | None = None


@dataclass(eq=False, kw_only=True)
class WebhookEndpoint:
    """Answers 204, or what `forward_to` answers; 400 to what is not rightly signed, and 502 where that is away."""

    forward_to: str | None
    #: What came, in its order.
    heard: asyncio.Queue[Heard] = field(default_factory=asyncio.Queue)
    #: Empty until the subscription is made; nothing is verified before.
    secrets: list[str] = field(default_factory=list)
    #: Set by the first test webhook, which is not forwarded.
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def served(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve it on a listening socket."""
        async with httpx.AsyncClient(timeout=FORWARD_TIMEOUT_S, trust_env=False) as http:

            async def hook(request: Request) -> Response:
                return await self._answer(request, http)

            config = uvicorn.Config(
                Starlette(routes=[Route("/{path:path}", hook, methods=["POST"])]),
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=2,
            )
            server = Unsignalled(config, state={})
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield
            finally:
                server.should_exit = True
                await serving

    async def _answer(self, request: Request, http: httpx.AsyncClient) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        name = request.headers.get("webhook-id", "")
        try:
            message = open_webhook(self.secrets, request.headers, body)
        except WebhookNotVerified as error:
            self.heard.put_nowait(Heard(message=None, id=name, body=b"", answered=400, problem=str(error)))
            return Response("not verified", status_code=400)
        if message.type == TEST and not self.reached.is_set():
            self.reached.set()
            return Response(status_code=204)
        response, problem, forwarded_ms = Response(status_code=204), None, None
        if self.forward_to is not None:
            response, problem, forwarded_ms = await _forwarded(http, self.forward_to, request, body)
        self.heard.put_nowait(
            Heard(
                message=message,
                id=name,
                body=body,
                answered=response.status_code,
                problem=problem,
                forwarded_ms=forwarded_ms,
            )
        )
        return response


async def _body(request: Request) -> bytes | None:
    """None where it is larger than any webhook."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            return None
    return body


async def _forwarded(
    http: httpx.AsyncClient, url: str, request: Request, body: bytes
) -> tuple[Response, str | None, int | None]:
    """The answer to hand back, why there is none of that address, and how long it took."""
    headers = [pair for pair in request.headers.items() if pair[0] not in _OF_THE_CONNECTION]
    began_s = monotonic()
    try:
        async with http.stream("POST", url, content=body, headers=headers) as reply:
            content = await _start_of(reply)
    except httpx.RequestError as error:
        return Response("not forwarded", status_code=502), f"{url} gives no answer: {cause_of(error)}", None
    given = {name: reply.headers[name] for name in _HANDED_BACK if name in reply.headers}
    return Response(content, reply.status_code, headers=given), None, round((monotonic() - began_s) * 1000)


async def _start_of(reply: httpx.Response) -> bytes:
    content = b""
    async for chunk in reply.aiter_bytes():
        content += chunk
        if len(content) >= ANSWER_MAX_BYTES:
            break
    return content[:ANSWER_MAX_BYTES]
