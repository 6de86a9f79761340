"""Answers that a fault changes: delayed, dropped, truncated, replaced, redirected, or about another task."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from submitter.simulator.task import Phase, Task, View
from submitter.simulator.world import world_of

_PAGE = "<!doctype html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>"


class DroppedConnection(Response):
    """Ends the connection instead of answering. Under a server that cannot do so, the request hangs."""

    def __init__(self, request: Request, *, by_reset: bool) -> None:
        super().__init__()
        self._request = request
        self._by_reset = by_reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        drop = world_of(self._request).drop
        if drop is not None:
            drop(self._request, by_reset=self._by_reset)
        while (await receive())["type"] != "http.disconnect":
            continue


async def corrupt_receipt(request: Request, task: Task, receipt: Response) -> Response:
    """Return the answer to a submit: the receipt, or what the task's faults make of it."""
    world = world_of(request)
    if "callback_early" in task.faults and task.draft.callback_url is not None:
        with suppress(TimeoutError):
            await asyncio.wait_for(task.posted.wait(), world.config.callback_timeout_s)
    if "reply_slow" in task.faults:
        await world.pause(world.config.real_s(world.config.slow_s))
    if "reply_lost" in task.faults:
        return DroppedConnection(request, by_reset=False)
    if "reply_truncated" in task.faults:
        return _truncated(receipt)
    if "reply_html" in task.faults:
        return HTMLResponse(_PAGE)
    task.receipt_returned = True
    return receipt


async def corrupt_status(
    request: Request, task: Task, *, name: str, render: Callable[[Request, View], Response]
) -> Response:
    """Return the answer to a status query that meets the fault `name`, a query fault of the menu."""
    world = world_of(request)
    if name == "query_slow":
        await world.pause(world.config.real_s(world.config.slow_s))
    if name == "query_reset":
        return DroppedConnection(request, by_reset=True)
    if name == "query_html":
        return HTMLResponse(_PAGE)
    if name == "query_redirect":
        return RedirectResponse(f"{task.origin}/elsewhere{request.url.path}", status_code=302)
    view = world.view(task)
    if name == "query_wrong_id":
        return render(request, _of_another_task(view))
    answer = render(request, view)
    return _truncated(answer) if name == "query_truncated" else answer


def _truncated(answer: Response) -> Response:
    body = bytes(answer.body)
    return Response(body[: len(body) // 2], status_code=answer.status_code, media_type="application/json")


def _of_another_task(view: View) -> View:
    return replace(
        view,
        task_id=view.task_id[:-4] + ("0000" if view.task_id.endswith("ffff") else "ffff"),
        phase=Phase.SUCCEEDED,
        percent=100,
        expires_s=view.now_s + 3600,
        undocumented_state=None,
    )
