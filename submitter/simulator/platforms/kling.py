"""Kling: two generations of one API beside each other, a callback at every change, signed where a secret exists.

Sources, read 2026-11-26: https://klingai.com/document-api/api/get-started/callbacks.md,
https://klingai.com/document-api/api/video/3-0-omni/text-to-video with image-to-video and video-omni,
https://kling.ai/document-api/api/get-started/authentication, .../error-codes and .../concurrency-rules; for the old
generation public quotations of https://kling.ai/document-api/apiReference/commonInfo and its model pages, and for its
receipt a public log of 2026-03. Not documented: retries of a callback (here there are none), and whether two submits
may have the same `external_task_id` (here they make two tasks, as one team reports).
"""

import base64
import hmac
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.config import SECRET_KEYS
from submitter.simulator.field_rules import (
    integer_or,
    json_object,
)
from submitter.simulator.platforms.kling_fields import parse_new, parse_old
from submitter.simulator.records import milliseconds
from submitter.simulator.request_pipeline import Dialect, endpoint, has_bearer_key, status_endpoint, submit_endpoint
from submitter.simulator.task import JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import World, world_of

LIST_DEFAULT, LIST_MOST = 100, 500

NEW_WORDS = state_words(queued="submitted", running="processing", succeeded="succeeded", failed="failed")

OLD_WORDS = state_words(queued="submitted", running="processing", succeeded="succeed", failed="failed")


_ERRORS: Mapping[Reason, tuple[int, int]] = {
    Reason.INVALID: (400, 1201),
    Reason.NOT_JSON: (400, 1200),
    Reason.TOO_LARGE: (400, 1201),
    Reason.NO_MODEL: (404, 1203),
    Reason.NO_TASK: (400, 1201),
    Reason.BAD_KEY: (401, 1002),
    Reason.DENIED: (403, 1103),
    Reason.FORBIDDEN: (403, 1103),
    Reason.NO_BALANCE: (429, 1101),
    Reason.RATE: (429, 1302),
    Reason.CONCURRENCY: (429, 1303),
    Reason.INTERNAL: (500, 5000),
    Reason.UNAVAILABLE: (503, 5001),
}

_TOKEN_ERRORS = {"exp": 1004, "nbf": 1003}


def _external_id(task: Task) -> str:
    holder = task.draft.body if task.draft.kind else task.draft.body.get("options") or {}
    return str(holder.get("external_task_id") or "")


def new_task(view: View) -> JsonObject:
    """A task as `GET /tasks` and the callback of the new generation show it."""
    shown: JsonObject = {
        "id": view.task_id,
        "status": view.state(NEW_WORDS),
        "message": view.task.error.message if view.state(NEW_WORDS) == "failed" else "",
        "create_time": milliseconds(view.task.created_s),
        "update_time": _updated_ms(view),
        "outputs": [],
    }
    if _external_id(view.task):
        shown["external_id"] = _external_id(view.task)
    if view.phase is Phase.SUCCEEDED:
        shown["outputs"] = [{"type": "video", "url": view.video_url, "watermark_url": ""} | _file(view)]
        shown["billing"] = [{"charge_type": "unit", "package_type": "video", "amount": "3"}]
    return shown


def old_task(view: View) -> JsonObject:
    """A task as a query and the callback of the old generation show it."""
    shown: JsonObject = {
        "task_id": view.task_id,
        "task_status": view.state(OLD_WORDS),
        "task_status_msg": view.task.error.message if view.state(OLD_WORDS) == "failed" else "",
        "created_at": milliseconds(view.task.created_s),
        "updated_at": _updated_ms(view),
        "task_info": {"external_task_id": _external_id(view.task)} if _external_id(view.task) else {},
    }
    if view.phase is Phase.SUCCEEDED:
        shown["task_result"] = {"videos": [{"url": view.video_url} | _file(view)]}
        shown["final_unit_deduction"] = "3"
    return shown


def _file(view: View) -> JsonObject:
    return {"id": f"v-{view.task_id}", "duration": f"{view.task.draft.clip.seconds}.1"}


def _updated_ms(view: View) -> int:
    return milliseconds(view.final_s or view.now_s)


def _shown(view: View) -> JsonObject:
    return old_task(view) if view.task.draft.kind else new_task(view)


def _answer(data: object) -> Response:
    return JSONResponse({"code": 0, "message": "SUCCEED", "request_id": str(uuid.uuid4()), "data": data})


def _receipt(request: Request, view: View) -> Response:
    kept = ("id", "status", "task_id", "task_status", "task_info", "external_id")
    times = ("create_time", "update_time", "created_at", "updated_at")
    shown = _shown(replace(view, phase=Phase.QUEUED))
    return _answer({name: shown[name] for name in (*kept, *times) if name in shown})


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code = _ERRORS[refusal.reason]
    if refusal.reason is Reason.BAD_KEY:
        code = _TOKEN_ERRORS.get(refusal.field or "", code)
    if world_of(request).config.kling_errors_in_200:
        status = 200
    body = {"code": code, "message": refusal.message, "request_id": str(uuid.uuid4())}
    return JSONResponse(body, status_code=status)


def _has_key_or_token(request: Request, world: World, platform: str) -> bool:
    """The old generation takes the plain key, or a token that the pair of keys made."""
    if has_bearer_key(request, world, platform):
        return True
    bearer, _, token = request.headers.get("authorization", "").partition(" ")
    signed, _, proof = token.rpartition(".")
    right = _encoded(hmac.digest(SECRET_KEYS[platform].encode(), signed.encode(), "sha256"))
    if bearer != "Bearer" or not hmac.compare_digest(right.encode(), proof.encode()):
        return False
    claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    if claims["nbf"] > world.now_s():
        raise Refusal(Reason.BAD_KEY, "the token is not yet valid", field="nbf")
    if claims["exp"] <= world.now_s():
        raise Refusal(Reason.BAD_KEY, "the token has expired", field="exp")
    return bool(claims["iss"] == world.config.key(platform))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(secret: str, message_id: str, timestamp: str, raw: bytes) -> str:
    """HMAC-SHA256 over id, full stop, timestamp, full stop, body; the key is the base64 behind `whsec_`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + raw
    return f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}"


def _callback_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    """Without a webhook secret in the console nothing is signed."""
    secret = world.config.webhook_secret("kling")
    if secret is None:
        return {}
    message_id, timestamp = _new_id(), str(int(time_s))
    proof = signature(secret, message_id, timestamp, body)
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": proof}


def _new_id() -> str:
    return str(secrets.randbelow(9 * 10**17) + 10**17)


def _unknown_old(task_id: str) -> Response:
    raise Refusal(Reason.NO_TASK, "task not found")


NEW = Dialect(
    platform="kling",
    parse=parse_new,
    new_id=_new_id,
    receipt=_receipt,
    refuse=_refuse,
    unknown=lambda task_id: _answer([]),
    forgets=True,
    callbacks=CallbackRules(body=_shown, headers=_callback_headers, changes=frozenset({Phase.RUNNING})),
)

OLD = replace(NEW, parse=parse_old, unknown=_unknown_old, is_authorized=_has_key_or_token)

_query_one = status_endpoint(NEW, lambda request, view: _answer([new_task(view)]))

_query_old = status_endpoint(OLD, lambda request, view: _answer(old_task(view)))


async def _tasks(request: Request) -> Response:
    """One id is a status query, with its faults; several ids, or our own, are a look-up."""
    ids = request.query_params.get("task_ids", "")
    if ids and "," not in ids and "external_task_ids" not in request.query_params:
        request.scope["path_params"] = {"task_id": ids}
        return await _query_one(request)
    return await _look_up(request)


async def _find(request: Request) -> Response:
    wanted = {name: request.query_params.get(name) for name in ("task_ids", "external_task_ids")}
    if len([given for given in wanted.values() if given]) != 1:
        raise Refusal(Reason.INVALID, "one of task_ids and external_task_ids is required")
    read: Callable[[Task], str] = (lambda task: task.task_id) if wanted["task_ids"] else _external_id
    ids = (wanted["task_ids"] or wanted["external_task_ids"] or "").split(",")
    return _answer([new_task(view) for view in _views(request, "") if read(view.task) in ids])


_look_up = endpoint(NEW, _find)


def _views(request: Request, kind: str) -> list[View]:
    """The tasks of an endpoint of the old generation, or all of the new one, the newest first."""
    world = world_of(request)
    return [world.view(task) for task in reversed(world.of("kling")) if task.draft.kind == kind]


async def _list_new(request: Request) -> Response:
    body = json_object(await request.body())
    start_ms, end_ms = integer_or(body.get("start_time"), 0), integer_or(body.get("end_time"), 2**53)
    first = integer_or(body.get("cursor"), 0)
    size = min(LIST_MOST, max(1, integer_or(body.get("limit"), LIST_DEFAULT)))
    states = [value for each in body.get("filters") or [] if each.get("key") == "status" for value in each["values"]]
    views = [view for view in _views(request, "") if start_ms <= milliseconds(view.task.created_s) <= end_ms]
    rows = [new_task(view) for view in views if not states or view.state(NEW_WORDS) in states]
    page = rows[first : first + size]
    more = first + size < len(rows)
    data = {"count": len(page), "next_cursor": str(first + size) if more else "", "has_more": more}
    return _answer(data | ({"result": page} if page else {}))


async def _list_old(request: Request) -> Response:
    number = max(1, integer_or(request.query_params.get("pageNum"), 1))
    size = max(1, integer_or(request.query_params.get("pageSize"), 30))
    views = _views(request, str(request.path_params["kind"]))
    return _answer([old_task(view) for view in views[(number - 1) * size : number * size]])


async def _old_status(request: Request) -> Response:
    """A task is known at the path of its submit only."""
    task = world_of(request).find("kling", request.path_params["task_id"])
    if task is not None and task.draft.kind != request.path_params["kind"]:
        request.scope["path_params"] = {"task_id": ""}
    return await _query_old(request)


ROUTES = (
    *(
        Route(f"/{name}/{{model}}", submit_endpoint(NEW), methods=["POST"])
        for name in ("text-to-video", "image-to-video", "omni-video")
    ),
    Route("/tasks", _tasks, methods=["GET"]),
    Route("/tasks", endpoint(NEW, _list_new), methods=["POST"]),
    Route("/v1/videos/{kind}", submit_endpoint(OLD), methods=["POST"]),
    Route("/v1/videos/{kind}", endpoint(OLD, _list_old), methods=["GET"]),
    Route("/v1/videos/{kind}/{task_id}", _old_status, methods=["GET"]),
)
