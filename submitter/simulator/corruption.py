"""Answers gone wrong: late, lost, cut, replaced, redirected, or about another task."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from submitter.simulator.task import Phase, Task, View
from submitter.simulator.world import world_of

_PAGE = "<!doctype html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>"


class Dropped(Response):
    """Ends the connection instead of answering; under a server that cannot, the caller is left waiting."""

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


async def spoiled_receipt(request: Request, task: Task, receipt: Response) -> Response:
    """What the caller gets in place of the receipt, if the task's faults say so."""
    world = world_of(request)
    if "callback_early" in task.faults and task.draft.callback_url is not None:
        await _posted(task, world.config.callback_timeout_s)
    if "reply_slow" in task.faults:
        await world.pause(world.config.real_s(world.config.slow_s))
    if "reply_lost" in task.faults:
        return Dropped(request, by_reset=False)
    if "reply_truncated" in task.faults:
        return _cut(receipt)
    if "reply_html" in task.faults:
        return HTMLResponse(_PAGE)
    task.receipt_returned = True
    return receipt


async def spoiled_query(
    request: Request, task: Task, *, name: str, render: Callable[[Request, View], Response]
) -> Response:
    """What the caller gets in place of the state; `name` is a query fault of the menu."""
    world = world_of(request)
    if name == "query_slow":
        await world.pause(world.config.real_s(world.config.slow_s))
    if name == "query_reset":
        return Dropped(request, by_reset=True)
    if name == "query_html":
        return HTMLResponse(_PAGE)
    if name == "query_redirect":
        return RedirectResponse(f"{task.origin}/elsewhere{request.url.path}", status_code=302)
    view = world.view(task)
    if name == "query_wrong_id":
        return render(request, _anothers(view))
    answer = render(request, view)
    return _cut(answer) if name == "query_truncated" else answer


async def _posted(task: Task, most_s: float) -> None:
    try:
        await asyncio.wait_for(task.posted.wait(), most_s)
    except TimeoutError:
        return


def _cut(answer: Response) -> Response:
    body = bytes(answer.body)
    return Response(body[: len(body) // 2], status_code=answer.status_code, media_type="application/json")


def _anothers(view: View) -> View:
    return replace(
        view,
        task_id=_other_id(view.task_id),
        phase=Phase.SUCCEEDED,
        percent=100,
        expires_s=view.now_s + 3600,
        strange=None,
    )


def _other_id(task_id: str) -> str:
    return task_id[:-4] + ("0000" if task_id.endswith("ffff") else "ffff")
