"""MiniMax Hailuo, version 2: a challenge before the first callback, and unsigned callbacks at every change.

Sources, read 2026-11-26: https://platform.minimax.io/docs/api-reference/video-generation-v2-create,
.../video-generation-v2-query, .../video-generation-v2-delete, and a survey that quotes the list page. Inferred: path
and form of the list, the form of a deletion's answer, the answers to a deletion that is refused, to an account without
rights and to an outage, one attempt for each callback, and no callback where the challenge is not answered.
"""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.config import DAY_S
from submitter.simulator.field_rules import (
    WEB_URL,
    Shape,
    check_fields,
    clip_of,
    integer,
    integer_or,
    is_unknown_model,
    json_object,
    one_of,
    text,
    url,
)
from submitter.simulator.platforms.content_parts import ContentRules, content_list, has_only_text, prompt_of
from submitter.simulator.request_pipeline import Dialect, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import World, world_of

WORDS = state_words(queued="queued", running="running", succeeded="succeeded", failed="failed", canceled="cancelled")

#: A task can name any address, and a server of the platform may post this to it.
CHALLENGE = "c7f1e2d3-0000-4000-8000-challenge"

KNOWN_S = 7 * DAY_S  # how long a task is known

MAX_BODY_BYTES = 64 * 1024 * 1024

_RATIOS = ("adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")

_OUTER = Shape(
    required={"model": text(), "content": content_list},
    optional={"ratio": one_of(_RATIOS), "callback_url": url(WEB_URL)},
)

_FILMS: Mapping[str, Shape] = {
    "MiniMax-H3": Shape(required={"resolution": one_of(("768P", "2K")), "duration": integer(4, 15)}, optional={}),
    "MiniMax-H3-Max": Shape(required={"duration": integer(5, 15)}, optional={"resolution": one_of(("480P", "768P"))}),
}

#: Status, type, and the code that ends the message.
_ERRORS: Mapping[Reason, tuple[int, str, int]] = {
    Reason.INVALID: (400, "bad_request_error", 2013),
    Reason.NOT_JSON: (400, "bad_request_error", 2013),
    Reason.TOO_LARGE: (400, "bad_request_error", 2013),
    Reason.NO_MODEL: (400, "bad_request_error", 2013),
    Reason.NO_TASK: (400, "bad_request_error", 2013),
    Reason.NOT_PENDING: (400, "bad_request_error", 2013),
    Reason.BAD_KEY: (401, "authorized_error", 1004),
    Reason.NO_BALANCE: (402, "insufficient_balance_error", 1008),
    Reason.DENIED: (403, "authorized_error", 2061),
    Reason.FORBIDDEN: (403, "authorized_error", 2061),
    Reason.RATE: (429, "rate_limit_error", 1002),
    Reason.CONCURRENCY: (429, "rate_limit_error", 1002),
    Reason.INTERNAL: (500, "server_error", 1000),
    Reason.UNAVAILABLE: (503, "overloaded_error", 1000),
}


def _parse(request: Request, raw: bytes) -> Draft:
    body = json_object(raw)
    check_fields(body, _OUTER)
    model, content, ratio = body["model"], body["content"], body.get("ratio")
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "invalid params, model is not known", field="model")
    rules = ContentRules(scheme="mm_file://", one_text_of=7000, takes_references=model != "MiniMax-H3-Max")
    words = prompt_of(content, rules)
    if model in _FILMS:
        check_fields(body, _FILMS[model])
        if has_only_text(content) and ratio in {None, "adaptive"}:
            raise Refusal(Reason.INVALID, "ratio is required for text and must not be adaptive", field="ratio")
    return Draft(
        model=model,
        prompt=words,
        body=body,
        clip=clip_of(body.get("duration"), body.get("resolution"), ratio),
        callback_url=body.get("callback_url"),
    )


def task_of(view: View) -> JsonObject:
    """Return the object below `task`, as query, list and callback show it. Times are unix seconds."""
    sent = view.task.draft.body
    updated_s = view.now_s if view.final_s is None else view.final_s
    task: JsonObject = {
        "id": view.task_id,
        "model": view.task.draft.model,
        "status": view.state(WORDS),
        "created_at": int(view.task.created_s),
        "updated_at": int(updated_s),
        "resolution": sent.get("resolution") or "768P",
        "duration": view.task.draft.clip.seconds,
        "ratio": sent.get("ratio") or "adaptive",
        "usage": {},
        "task_type": "generation",
        "modality": "video",
    }
    if view.phase is Phase.FAILED:
        error = view.task.error
        task["error"] = {"code": error.code or "1026", "message": error.message}
    if view.phase is Phase.SUCCEEDED:
        seconds = view.task.draft.clip.seconds
        task["content"] = {"url": view.video_url}
        task["usage"] = {"total_seconds": seconds, "output_seconds": seconds}
    return task


def _body_of(view: View) -> JsonObject:
    return {"task": task_of(view)}


def _is_known(world: World, task: Task) -> bool:
    return not task.is_deleted and world.now_s() < task.created_s + world.config.real_s(KNOWN_S)


def _state(request: Request, view: View) -> Response:
    if not _is_known(world_of(request), view.task):
        raise _no_such_task()
    return JSONResponse(_body_of(view))


def _no_such_task() -> Refusal:
    return Refusal(Reason.NO_TASK, "invalid params, invalid task_id")


def _unknown(task_id: str) -> Response:
    raise _no_such_task()


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, kind, code = _ERRORS[refusal.reason]
    error = {"type": kind, "message": f"{refusal.message} ({code})", "http_code": str(status)}
    return JSONResponse({"type": "error", "error": error, "request_id": secrets.token_hex(8)}, status_code=status)


def number_id(first: int) -> str:
    """Return an id of 15 digits that begins with `first`."""
    return f"{first}{secrets.randbelow(10**12):012}"


DIALECT = Dialect(
    platform="minimax",
    parse=_parse,
    new_id=lambda: number_id(424),
    receipt=lambda _, view: JSONResponse({"task_id": view.task_id}),
    refuse=_refuse,
    unknown=_unknown,
    max_body_bytes=MAX_BODY_BYTES,
    callbacks=CallbackRules(body=_body_of, changes=frozenset({Phase.QUEUED, Phase.RUNNING}), challenge=CHALLENGE),
)


async def _delete(request: Request) -> Response:
    """A queued task is cancelled; of an ended one the record goes; a running or cancelled one is refused."""
    world = world_of(request)
    task = world.find("minimax", request.path_params["task_id"])
    if task is None or not _is_known(world, task):
        raise _no_such_task()
    phase = world.view(task).phase
    if WORDS[phase] == "queued":
        task.end(Phase.CANCELED, world.now_s())
        return JSONResponse({"task_id": task.task_id, "action": "cancelled"})
    if phase in {Phase.SUCCEEDED, Phase.FAILED}:
        task.is_deleted = True
        return JSONResponse({"task_id": task.task_id, "action": "deleted"})
    raise Refusal(Reason.NOT_PENDING, f"a task that is {WORDS[phase]} cannot be deleted")


async def _list(request: Request) -> Response:
    """Newest first, as the filters select."""
    world, wanted = world_of(request), request.query_params
    number = max(1, integer_or(wanted.get("page_num"), 1))
    size = max(1, integer_or(wanted.get("page_size"), 10))
    known = [task_of(world.view(task)) for task in reversed(world.of("minimax")) if _is_known(world, task)]
    filters = {name: wanted[name] for name in ("status", "model", "task_type") if wanted.get(name)}
    ids = wanted.get("task_ids", "").split(",") if wanted.get("task_ids") else []
    fitting = [task for task in known if filters.items() <= {name: task[name] for name in filters}.items()]
    fitting = [task for task in fitting if not ids or task["id"] in ids]
    return JSONResponse({"tasks": fitting[(number - 1) * size : number * size], "total": len(fitting)})


ROUTES = (
    Route("/v2/video_generation", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v2/video_generation/{task_id}", endpoint(DIALECT, _delete), methods=["DELETE"]),
    Route("/v2/query/video_generation", endpoint(DIALECT, _list), methods=["GET"]),
    Route("/v2/query/video_generation/{task_id}", status_endpoint(DIALECT, _state), methods=["GET"]),
)
