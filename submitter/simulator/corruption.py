"""Answers that a fault changes: delayed, dropped, truncated, replaced, redirected, or about another task."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from submitter.simulator import odd_replies
from submitter.simulator.config import BASE_PATHS
from submitter.simulator.task import Phase, Task, View
from submitter.simulator.world import world_of

_PAGE = "<!doctype html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>"


#: Platforms of the new-api family.
GATEWAYS = ("modelstream", "tokenbay")


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
    replaced = next((make for name, make in _INSTEAD_OF_RECEIPT.items() if name in task.faults), None)
    if replaced is not None:
        return replaced(request, receipt)
    task.receipt_returned = "receipt_without_id" not in task.faults
    for name, change in _ODD_RECEIPTS.items():
        receipt = change(receipt) if name in task.faults else receipt
    if "receipt_without_id" in task.faults:
        task.receipt = bytes(receipt.body)  # a replay repeats the first answer, whatever it was
    return odd_replies.ShortBody(request, receipt) if "receipt_short_body" in task.faults else receipt


async def corrupt_status(
    request: Request, task: Task, *, name: str, render: Callable[[Request, View], Response]
) -> Response:
    """Return the answer to a status query that meets the fault `name`, a query fault of the menu."""
    world = world_of(request)
    if name == "query_slow":
        await world.pause(world.config.real_s(world.config.slow_s))
    if name in _INSTEAD_OF_STATUS:
        return _INSTEAD_OF_STATUS[name](request, task)
    view = world.view(task)
    answer = render(request, _of_another_task(view) if name == "query_wrong_id" else view)
    if name == "query_short_body":
        return odd_replies.ShortBody(request, answer)
    return _ODD_ANSWERS[name](answer) if name in _ODD_ANSWERS else answer


def odd_status(task: Task, phase: Phase, answer: Response) -> Response:
    """Return the answer to a status query with the values where the task's faults put them."""
    if phase is Phase.SUCCEEDED and task.next_result_is_missing():
        return odd_replies.without_result(answer)
    for name, change in _ODD_PLACES.items():
        is_gateways = name in {"two_ids", "other_word"}
        if name in task.faults and (task.platform in GATEWAYS or not is_gateways):
            answer = change(answer)
    return answer


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


def _redirected(request: Request, task: Task) -> Response:
    return RedirectResponse(f"{task.origin}/elsewhere{request.url.path}", status_code=302)


def _upstream_error(request: Request, _receipt: Response) -> Response:
    is_tokenbay = request.url.path.startswith(BASE_PATHS["tokenbay"])
    return odd_replies.upstream_error(200 if is_tokenbay else 504)


#: Answers in place of a receipt. The task exists.
_INSTEAD_OF_RECEIPT: Mapping[str, Callable[[Request, Response], Response]] = {
    "reply_lost": lambda request, _: DroppedConnection(request, by_reset=False),
    "reply_truncated": lambda _, receipt: _truncated(receipt),
    "reply_html": lambda *_: HTMLResponse(_PAGE),
    "reply_proxy_503": lambda *_: odd_replies.behind_envoy(),
    "reply_upstream_error": _upstream_error,
}

#: Answers in place of a task's state.
_INSTEAD_OF_STATUS: Mapping[str, Callable[[Request, Task], Response]] = {
    "query_reset": lambda request, _: DroppedConnection(request, by_reset=True),
    "query_html": lambda *_: HTMLResponse(_PAGE),
    "query_redirect": _redirected,
    "query_403": lambda *_: odd_replies.forbidden_content(),
    "query_no_task": lambda *_: odd_replies.about_no_task(),
}

#: Changes of a receipt, in the order in which they are made.
_ODD_RECEIPTS: Mapping[str, Callable[[Response], Response]] = {
    "receipt_number_id": odd_replies.with_numeric_id,
    "receipt_with_error": odd_replies.with_error,
    "receipt_other_code": odd_replies.with_other_code,
    "receipt_without_id": odd_replies.without_id,
    "receipt_bad_byte": odd_replies.with_bad_byte,
    "receipt_cut": odd_replies.cut_behind_id,
    "receipt_long_headers": odd_replies.with_long_headers,
}

_ODD_ANSWERS: Mapping[str, Callable[[Response], Response]] = {
    "query_truncated": _truncated,
    "query_bad_byte": odd_replies.with_bad_byte,
    "query_long_headers": odd_replies.with_long_headers,
}

_ODD_PLACES: Mapping[str, Callable[[Response], Response]] = {
    "two_ids": odd_replies.with_two_ids,
    "other_word": odd_replies.with_other_word,
    "result_elsewhere": odd_replies.with_result_elsewhere,
    "result_blank": odd_replies.with_blank_in_link,
    "reason_elsewhere": odd_replies.with_reason_elsewhere,
}
