"""kie.ai, its jobs: errors in the body's code, a result as JSON in a text, a callback whose signature omits the body.

Sources, read 2026-11-26: https://docs.kie.ai/market/happyhorse/reference-to-video, .../market/common/get-task-detail
and https://docs.kie.ai/1973359m0.md in the mirror hassanvfx/kie-api-python; https://docs.kie.ai/common-api/
webhook-verification.md; https://docs.kie.ai/runway-api/generate-ai-video-callbacks; for happyhorse-1-1 a public note of
2026-10-04. Not documented: which HTTP status goes with which code (see `kie_errors_in_200`), how an unknown id is
answered (404 here), and when a callback is repeated (three times, a minute apart).
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.field_rules import (
    FIVE_RATIOS,
    MAX_SEED,
    WEB_URL,
    Rule,
    Shape,
    check_fields,
    clip_of,
    cut_prompt,
    integer,
    is_unknown_model,
    json_mapping,
    json_object,
    one_of,
    prompt,
    text,
    url,
    urls,
)
from submitter.simulator.records import milliseconds
from submitter.simulator.request_pipeline import Dialect, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import World, world_of

ATTEMPTS_AT_S = (0.0, 60.0, 120.0, 180.0)

FAILED_CODE = 501  # of a callback about a failed task

CREDITS = 80

WORDS = state_words(queued="waiting", running="generating", succeeded="success", failed="fail")

_OUTER = Shape(required={"model": text(), "input": json_mapping}, optional={"callBackUrl": url(WEB_URL)})

_FILM: Mapping[str, Rule] = {"resolution": one_of(("720p", "1080p")), "duration": integer(3, 15)}

_OLDER: Mapping[str, Rule] = {**_FILM, "aspect_ratio": one_of(FIVE_RATIOS)}

_NEWER: Mapping[str, Rule] = {**_FILM, "aspect_ratio": one_of((*FIVE_RATIOS, "21:9"))}

_PICTURES: Mapping[str, Rule] = {"prompt": prompt, "reference_image": urls(WEB_URL)}

_FRAME: Mapping[str, Rule] = {"prompt": prompt, "image_urls": urls(WEB_URL)}

#: The published schema of 1.1 forbids members that it does not name.
_INPUTS: Mapping[str, Shape] = {
    "happyhorse/reference-to-video": Shape(required=_PICTURES, optional={**_OLDER, "seed": integer(0, MAX_SEED)}),
    "happyhorse/text-to-video": Shape(required={"prompt": prompt}, optional=_OLDER),
    "happyhorse/image-to-video": Shape(required=_FRAME, optional=_FILM),
    "happyhorse-1-1/reference-to-video": Shape(required=_PICTURES, optional=_NEWER, strict=True),
    "happyhorse-1-1/text-to-video": Shape(required={"prompt": prompt}, optional=_NEWER, strict=True),
    "happyhorse-1-1/image-to-video": Shape(required=_FRAME, optional=_FILM, strict=True),
}

#: HTTP status and the body's code; the first is inferred.
_ERRORS: Mapping[Reason, tuple[int, int]] = {
    Reason.INVALID: (422, 422),
    Reason.NOT_JSON: (422, 422),
    Reason.TOO_LARGE: (422, 422),
    Reason.NO_MODEL: (404, 404),
    Reason.NO_TASK: (404, 404),
    Reason.BAD_KEY: (401, 401),
    Reason.DENIED: (403, 403),
    Reason.FORBIDDEN: (403, 403),
    Reason.NO_BALANCE: (402, 402),
    Reason.RATE: (429, 429),
    Reason.CONCURRENCY: (429, 429),
    Reason.INTERNAL: (500, 500),
    Reason.UNAVAILABLE: (503, 455),
}


def _parse(request: Request, raw: bytes) -> Draft:
    body = json_object(raw)
    check_fields(body, _OUTER)
    model, wanted = body["model"], body["input"]
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "the model does not exist", field="model")
    shape = _INPUTS.get(model)
    if shape is not None:
        check_fields(wanted, shape, prefix="input.")
        if shape.strict and "callBackUrl" in body:
            raise Refusal(Reason.INVALID, "unknown field callBackUrl", field="callBackUrl")
        if shape.strict and len(wanted.get("image_urls", ())) > 1:
            raise Refusal(Reason.INVALID, "image_urls must be one picture", field="input.image_urls")
    return Draft(
        model=model,
        prompt=cut_prompt(wanted.get("prompt")),
        body=body,
        clip=clip_of(wanted.get("duration"), str(wanted.get("resolution")).upper(), wanted.get("aspect_ratio")),
        callback_url=body.get("callBackUrl"),
    )


def record(view: View) -> JsonObject:
    """The record of a task, as a query and a callback show it. Times are unix milliseconds."""
    sent = view.task.draft.body
    failed = view.state(WORDS) == "fail"
    shown: JsonObject = {
        "taskId": view.task_id,
        "model": view.task.draft.model,
        "state": view.state(WORDS),
        "param": json.dumps({"model": sent["model"], "input": sent["input"]}),
        "resultJson": json.dumps({"resultUrls": [view.video_url]}) if view.phase is Phase.SUCCEEDED else "",
        "failCode": (view.task.error.code or "422") if failed else "",
        "failMsg": view.task.error.message if failed else "",
        "createTime": milliseconds(view.task.created_s),
        "updateTime": milliseconds(view.final_s or view.now_s),
    }
    if view.final_s is not None:
        shown["completeTime"] = milliseconds(view.final_s)
        shown["costTime"] = milliseconds(view.final_s - view.task.created_s)
    return shown


def _callback_body(view: View) -> JsonObject:
    spent = {"consumeCredits": CREDITS, "remainedCredits": 1000}
    if view.state(WORDS) == "fail":
        return {"code": FAILED_CODE, "msg": view.task.error.message, "data": record(view) | spent}
    return {"code": 200, "msg": "success", "data": record(view) | spent}


def signature(secret: str, task_id: str, timestamp: str) -> str:
    """Base64 of HMAC-SHA256 over task id, full stop, timestamp; the key is the secret's own text."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{task_id}.{timestamp}".encode(), "sha256")).decode()


def _callback_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    """Only with a key in the settings. The body counts for a wrong signature alone, which begins with `not`."""
    secret = world.config.webhook_secret("kie")
    if secret is None:
        return {}
    timestamp, signed = str(int(time_s)), f"not {task.task_id}" if body.startswith(b"not ") else task.task_id
    return {"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": signature(secret, signed, timestamp)}


def _receipt(request: Request, view: View) -> Response:
    return JSONResponse({"code": 200, "msg": "success", "data": {"taskId": view.task_id}})


def _state(request: Request, view: View) -> Response:
    return JSONResponse({"code": 200, "message": "success", "data": record(view)})


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code = _ERRORS[refusal.reason]
    status = 200 if world_of(request).config.kie_errors_in_200 else status
    return JSONResponse({"code": code, "msg": refusal.message, "data": None}, status_code=status)


DIALECT = Dialect(
    platform="kie",
    parse=_parse,
    new_id=lambda: f"task_{secrets.token_hex(16)}",
    receipt=_receipt,
    refuse=_refuse,
    callbacks=CallbackRules(body=_callback_body, headers=_callback_headers, attempts_at_s=ATTEMPTS_AT_S),
)

_query = status_endpoint(DIALECT, _state)


async def _record_info(request: Request) -> Response:
    request.scope["path_params"] = {"task_id": request.query_params.get("taskId", "")}
    return await _query(request)


ROUTES = (
    Route("/jobs/createTask", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/jobs/recordInfo", _record_info, methods=["GET"]),
)
