"""Seedance at BytePlus ModelArk and Volcengine Ark: one protocol, with unsigned callbacks at every change.

Sources, read 2026-11-26: public notes that quote https://docs.byteplus.com/en/docs/ModelArk/1520757 (create), 1521309
(query), 1521675 (list) and 1521720 (delete); https://www.volcengine.com/docs/82379/1520757; the form of errors from
https://docs.byteplus.com/id/docs/ModelArk/1299023. Inferred: the code of an unknown id and of a delete that is refused,
the 429 of one queued task too many, the default page size, and the minute between two attempts of a callback.

A task that has not ended within its `execution_expires_after` ends as `expired`; so does one that is failed with the
code `expired`.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.config import DAY_S
from submitter.simulator.field_rules import (
    WEB_URL,
    Shape,
    boolean,
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
from submitter.simulator.platforms.content_parts import ContentRules, content_list, prompt_of
from submitter.simulator.request_pipeline import Dialect, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import EXPIRED, Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import World, world_of

WORDS = state_words(queued="queued", running="running", succeeded="succeeded", failed="failed", canceled="cancelled")

KNOWN_S = 7 * DAY_S  # how long a task is known

CANCELED_KNOWN_S = DAY_S  # a cancelled task disappears by itself

LONGEST_S = 172_800  # the default of `execution_expires_after`

ATTEMPTS_AT_S = (0.0, 60.0, 120.0, 180.0)  # of a callback that reports an end: three more

_RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive")

#: Of the 2.0 and 2.5 models, whose names hold one of these; fast and mini come first, because 2-0 is in theirs too.
_RESOLUTIONS: Mapping[str, tuple[str, ...]] = {
    "2-0-fast": ("480p", "720p"),
    "2-0-mini": ("480p", "720p"),
    "2-0": ("480p", "720p", "1080p", "4k"),
    "2-5": ("480p", "720p", "1080p", "4k"),
}

_SECONDS: Mapping[str, int] = {"2-0-fast": 15, "2-0-mini": 15, "2-0": 15, "2-5": 30}

_MISSING = " is missing"

_CONTENT = ContentRules(scheme="asset://")

_ERRORS: Mapping[Reason, tuple[int, str, str]] = {
    Reason.INVALID: (400, "InvalidParameter", "BadRequest"),
    Reason.NOT_JSON: (400, "InvalidParameter", "BadRequest"),
    Reason.TOO_LARGE: (413, "InvalidParameter", "BadRequest"),
    Reason.NO_MODEL: (404, "InvalidEndpoint.NotFound", "NotFound"),
    Reason.BAD_KEY: (401, "AuthenticationError", "Unauthorized"),
    Reason.DENIED: (403, "AccessDenied", "Forbidden"),
    Reason.FORBIDDEN: (403, "AccessDenied", "Forbidden"),
    Reason.NO_BALANCE: (403, "AccountOverdueError", "Forbidden"),
    Reason.NO_TASK: (404, "NotFound", "NotFound"),
    Reason.NOT_PENDING: (409, "InvalidAction", "Conflict"),
    Reason.RATE: (429, "RateLimitExceeded", "TooManyRequests"),
    Reason.CONCURRENCY: (429, "ServerOverloaded", "TooManyRequests"),
    Reason.INTERNAL: (500, "InternalServiceError", "InternalServerError"),
    Reason.UNAVAILABLE: (503, "ServiceUnavailable", "ServiceUnavailable"),
}


def _seconds(longest: int) -> Shape:
    def length(value: object) -> str | None:
        return None if value == -1 and not isinstance(value, bool) else integer(4, longest)(value)

    return Shape(required={}, optional={"duration": length})


_OUTER = Shape(
    required={"model": text(), "content": content_list},
    optional={
        "callback_url": url(WEB_URL),
        "ratio": one_of(_RATIOS),
        "generate_audio": boolean,
        "watermark": boolean,
        "return_last_frame": boolean,
        "draft": boolean,
        "camera_fixed": boolean,
        "service_tier": one_of(("default", "flex")),
        "execution_expires_after": integer(3600, 259_200),
        "priority": integer(0, 9),
        "safety_identifier": text(),
    },
)


def _parse(request: Request, raw: bytes) -> Draft:
    body = json_object(raw)
    for name in _OUTER.required:
        if body.get(name) is None:
            raise Refusal(Reason.INVALID, name + _MISSING, field=name)
    check_fields(body, _OUTER)
    model = body["model"]
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "the model or endpoint does not exist", field="model")
    words = prompt_of(body["content"], _CONTENT)
    kind = next((each for each in _SECONDS if each in model and "seedance" in model), None)
    if kind is not None:
        check_fields(body, _seconds(_SECONDS[kind]))
        check_fields(body, Shape(required={}, optional={"resolution": one_of(_RESOLUTIONS[kind])}))
        for name in ("seed", "frames"):
            if kind.startswith("2-0") and body.get(name) is not None:
                raise Refusal(Reason.INVALID, f"{name} is not taken by this model", field=name)
    return Draft(
        model=model,
        prompt=words,
        body=body,
        clip=clip_of(
            max(1, integer_or(body.get("duration"), 5)), str(body.get("resolution")).upper(), body.get("ratio")
        ),
        callback_url=body.get("callback_url"),
        longest_s=body.get("execution_expires_after") or LONGEST_S,
    )


def body_of(view: View) -> JsonObject:
    """Return a task as query, list and callback show it. Times are unix seconds."""
    sent, word = view.task.draft.body, _word(view)
    updated_s = view.now_s if view.final_s is None else view.final_s
    body: JsonObject = {
        "id": view.task_id,
        "model": view.task.draft.model,
        "status": word,
        "error": None,
        "created_at": int(view.task.created_s),
        "updated_at": int(updated_s),
        "service_tier": sent.get("service_tier") or "default",
        "execution_expires_after": sent.get("execution_expires_after") or LONGEST_S,
    }
    if word == "failed":
        error = view.task.error
        body["error"] = {"code": error.code or "InternalServiceError", "message": error.message}
    return body | _result(view) if view.phase is Phase.SUCCEEDED else body


def _word(view: View) -> str:
    is_expired = view.phase is Phase.FAILED and view.task.error.code == EXPIRED
    return EXPIRED if is_expired else view.state(WORDS)


def _result(view: View) -> JsonObject:
    sent, clip = view.task.draft.body, view.task.draft.clip
    tokens = clip.seconds * 21_780
    content = {"video_url": view.video_url}
    if sent.get("return_last_frame"):
        content["last_frame_url"] = view.video_url
    return {
        "content": content,
        "usage": {"completion_tokens": tokens, "total_tokens": tokens},
        "seed": integer_or(sent.get("seed"), 7),
        "resolution": sent.get("resolution") or "720p",
        "ratio": sent.get("ratio") or "16:9",
        "duration": clip.seconds,
        "framespersecond": 24,
        "generate_audio": sent.get("generate_audio") is not False,
        "draft": bool(sent.get("draft")),
    }


def _receipt(request: Request, view: View) -> Response:
    return JSONResponse({"id": view.task_id})


def _is_known(world: World, task: Task) -> bool:
    view = world.view(task)
    if task.is_deleted or view.now_s >= task.created_s + world.config.real_s(KNOWN_S):
        return False
    canceled_s = task.ends_s + world.config.real_s(CANCELED_KNOWN_S)
    return not (view.phase is Phase.CANCELED and view.now_s >= canceled_s)


def _state(request: Request, view: View) -> Response:
    if not _is_known(world_of(request), view.task):
        raise _no_such_task()
    return JSONResponse(body_of(view))


def _no_such_task() -> Refusal:
    return Refusal(Reason.NO_TASK, "the specified task does not exist")


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code, kind = _ERRORS[refusal.reason]
    if refusal.message.endswith(_MISSING):
        code = "MissingParameter"
    error: JsonObject = {"code": code, "message": refusal.message, "type": kind}
    if refusal.field is not None:
        error["param"] = refusal.field
    return JSONResponse({"error": error}, status_code=status)


def _new_id() -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return f"cgt-{datetime.now(UTC):%Y%m%d%H%M%S}-{''.join(secrets.choice(letters) for _ in range(5))}"


DIALECT = Dialect(
    platform="seedance",
    parse=_parse,
    new_id=_new_id,
    receipt=_receipt,
    refuse=_refuse,
    callbacks=CallbackRules(
        body=body_of,
        attempts_at_s=ATTEMPTS_AT_S,
        changes=frozenset({Phase.QUEUED, Phase.RUNNING}),
        repeats_changes=False,
        silent_ends=frozenset({Phase.CANCELED}),
    ),
)


async def _delete(request: Request) -> Response:
    """A queued task is cancelled; of an ended one the record goes; a running or cancelled one is refused."""
    world = world_of(request)
    task = world.find("seedance", request.path_params["task_id"])
    if task is None or not _is_known(world, task):
        raise _no_such_task()
    phase = world.view(task).phase
    if WORDS[phase] == "queued":
        task.end(Phase.CANCELED, world.now_s())
    elif phase in {Phase.SUCCEEDED, Phase.FAILED}:
        task.is_deleted = True
    else:
        raise Refusal(Reason.NOT_PENDING, f"a task that is {WORDS[phase]} cannot be deleted")
    return JSONResponse({})


async def _list(request: Request) -> Response:
    """Newest first, as the filters select."""
    world, wanted = world_of(request), request.query_params
    number, size = (_page_number(wanted.get(name), name, default) for name, default in _PAGES.items())
    ids = wanted.getlist("filter.task_ids")
    known = [world.view(task) for task in reversed(world.of("seedance")) if _is_known(world, task)]
    bodies = [body_of(view) for view in known if not ids or view.task_id in ids]
    filters = {
        name: wanted[f"filter.{name}"] for name in ("status", "model", "service_tier") if f"filter.{name}" in wanted
    }
    fitting = [body for body in bodies if filters.items() <= {name: body[name] for name in filters}.items()]
    return JSONResponse({"total": len(fitting), "items": fitting[(number - 1) * size : number * size]})


_PAGES: Mapping[str, int] = {"page_num": 1, "page_size": 10}


def _page_number(value: str | None, name: str, default: int) -> int:
    number = default if value is None else integer_or(value, 0)
    if not 1 <= number <= 500:
        raise Refusal(Reason.INVALID, f"{name} must be 1 to 500", field=name)
    return number


ROUTES = (
    Route("/contents/generations/tasks", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/contents/generations/tasks", endpoint(DIALECT, _list), methods=["GET"]),
    Route("/contents/generations/tasks/{task_id}", status_endpoint(DIALECT, _state), methods=["GET"]),
    Route("/contents/generations/tasks/{task_id}", endpoint(DIALECT, _delete), methods=["DELETE"]),
)
