"""What becomes of a request that the server cuts on a stop."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from receiver.web.middleware import Tracing, problem_response

SCOPE: Scope = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "path": "/v1/tasks",
    "raw_path": b"/v1/tasks",
    "headers": [(b"host", b"receiver.example")],
}
START: Message = {"type": "http.response.start", "status": 202, "headers": []}


async def _cut(*, begun: bool) -> list[Message]:
    """What a caller got from an application that was cut, after its answer had begun or before."""
    sent: list[Message] = []
    waiting = asyncio.Event()

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        if begun:
            await send(START)
        waiting.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    request = asyncio.create_task(Tracing(application, problem_response)(dict(SCOPE), receive, send))
    await waiting.wait()
    request.cancel()
    await asyncio.wait([request])
    assert request.cancelled() == begun
    return sent


async def test_a_request_that_a_stop_cancels_is_answered_that_its_outcome_is_unknown() -> None:
    start, body = await _cut(begun=False)
    assert start["status"] == 503
    assert b"may or may not have carried this out" in body["body"]


async def test_an_answer_that_has_begun_is_cut_off() -> None:
    assert [message["type"] for message in await _cut(begun=True)] == [START["type"]]
