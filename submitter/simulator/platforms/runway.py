"""Runway: a version header on every call, sizes in pixels, THROTTLED tasks, and a DELETE that cancels or destroys.

Sources, read 2026-11-26: the SDK runwayml/sdk-python (types and resources/tasks.py),
https://docs.dev.runwayml.com/errors/errors, https://docs.dev.runwayml.com/errors/task-failures/,
https://docs.dev.runwayml.com/usage/tiers, and runwayml/sdk-node#28 for an account without credits. It never calls back.
Concurrency refuses nothing: tasks above the slots of the account are THROTTLED. Inferred: the words of errors, the
status of a denied model, and that a deleted task is a 404 at once.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.field_rules import (
    Rule,
    Shape,
    boolean,
    check_fields,
    clip_of,
    integer,
    is_unknown_model,
    json_object,
    one_of,
    text,
    url,
)
from submitter.simulator.request_pipeline import Dialect, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, View, state_words
from submitter.simulator.world import World, world_of

VERSION = "2024-11-06"

WORDS = state_words(queued="PENDING", running="RUNNING", succeeded="SUCCEEDED", failed="FAILED", canceled="CANCELLED")

MAX_SEED = 4_294_967_295

_PICTURE = url(re.compile(r"(https://\S+|runway://\S+|data:image/[a-z]+;base64,[A-Za-z0-9+/=]+)\Z"))

_GEN4 = ("1280:720", "720:1280", "1104:832", "960:960", "832:1104", "1584:672")

_VEO = ("1280:720", "720:1280", "1080:1920", "1920:1080")

_HAPPYHORSE = (
    *("1280:720", "720:1280", "960:960", "1108:832", "832:1108"),
    *("1920:1080", "1080:1920", "1440:1440", "1662:1248", "1248:1662"),
)

_ERRORS: Mapping[Reason, int] = {
    Reason.INVALID: 400,
    Reason.NOT_JSON: 400,
    Reason.TOO_LARGE: 413,
    Reason.NO_MODEL: 400,
    Reason.BAD_KEY: 401,
    Reason.DENIED: 403,
    Reason.FORBIDDEN: 403,
    Reason.NO_BALANCE: 400,
    Reason.NO_TASK: 404,
    Reason.RATE: 429,
    Reason.CONCURRENCY: 429,
    Reason.INTERNAL: 500,
    Reason.UNAVAILABLE: 503,
}

_NO_CREDITS = "You do not have enough credits to run this task."


def _prompt(most: int) -> Rule:
    """Text that is not empty, counted in UTF-16 code units."""

    def rule(value: object) -> str | None:
        fits = isinstance(value, str) and value.strip() and len(value.encode("utf-16-le")) // 2 <= most
        return None if fits else f"must be 1 to {most} characters"

    return rule


def _pictures(*positions: str) -> Rule:
    """One address, or a list of objects with an address and a position; a last picture needs a first one."""

    def rule(value: object) -> str | None:
        if isinstance(value, str):
            return _PICTURE(value)
        items = value if isinstance(value, list) else []
        placed = [item.get("position") for item in items if isinstance(item, dict) and not _PICTURE(item.get("uri"))]
        fits = 0 < len(items) == len(placed) == len(set(placed)) and set(placed) <= set(positions)
        return None if fits and "first" in placed else f"must be pictures with the positions {', '.join(positions)}"

    return rule


def _whole(*choices: int) -> Rule:
    return lambda value: None if type(value) is int and value in choices else f"must be one of {choices}"


_SEED = {"seed": integer(0, MAX_SEED)}

_VEO_FIELDS = _SEED | {"duration": _whole(4, 6, 8), "audio": boolean, "negativePrompt": text()}

_TEXT_MODE: Mapping[str, Shape] = {
    "gen4.5": Shape(
        required={"promptText": _prompt(1000), "ratio": one_of(_GEN4[:2]), "duration": integer(2, 10)}, optional=_SEED
    ),
    "veo3.1": Shape(required={"promptText": _prompt(1000), "ratio": one_of(_VEO)}, optional=_VEO_FIELDS),
    "happyhorse_1_0": Shape(
        required={"promptText": _prompt(2500)}, optional={"ratio": one_of(_HAPPYHORSE), "duration": integer(3, 15)}
    ),
}

_PICTURE_MODE: Mapping[str, Shape] = {
    "gen4.5": Shape(
        required={
            "promptImage": _pictures("first"),
            "promptText": _prompt(1000),
            "ratio": one_of(_GEN4),
            "duration": integer(2, 10),
        },
        optional=_SEED,
    ),
    "gen4_turbo": Shape(
        required={"promptImage": _pictures("first"), "ratio": one_of(_GEN4)},
        optional=_SEED | {"promptText": _prompt(1000), "duration": _whole(5, 10)},
    ),
    "veo3.1": Shape(
        required={"promptImage": _pictures("first", "last"), "ratio": one_of(_VEO)},
        optional=_VEO_FIELDS | {"promptText": _prompt(1000)},
    ),
    "happyhorse_1_0": Shape(
        required={"promptImage": _pictures("first")},
        optional={
            "promptText": _prompt(2500),
            "resolution": one_of(("720p", "1080p", "720P", "1080P")),
            "duration": integer(3, 15),
        },
    ),
}

_MODES = {"text_to_video": _TEXT_MODE, "image_to_video": _PICTURE_MODE}


def _check_version(request: Request) -> None:
    if request.headers.get("x-runway-version") != VERSION:
        raise Refusal(Reason.INVALID, f"The X-Runway-Version header must be {VERSION}")


def _parse(request: Request, raw: bytes) -> Draft:
    """Models without rules of their own here are taken unchecked, as those of the other paths are."""
    _check_version(request)
    body = json_object(raw)
    check_fields(body, Shape(required={"model": text()}, optional={}))
    model = body["model"]
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, f"Model {model} is not available.", field="model")
    shapes = _MODES.get(request.path_params["mode"], {})
    shape = shapes.get(model.removesuffix("_fast"))
    if shape is not None:
        check_fields(body, shape)
    elif any(model.removesuffix("_fast") in others for others in _MODES.values()) and shapes:
        raise Refusal(Reason.INVALID, f"{model} does not take this kind of request", field="model")
    prompt = body.get("promptText")
    return Draft(
        model=model,
        prompt=prompt if isinstance(prompt, str) else "",
        body=body,
        clip=clip_of(body.get("duration"), str(body.get("resolution")).upper(), None),
    )


def _is_throttled(world: World, view: View) -> bool:
    """Whether all slots are taken by tasks that were created before."""
    before = [task for task in world.of("runway") if task.created_s < view.task.created_s and task.ends_s > view.now_s]
    return not view.phase.is_terminal and len(before) >= world.config.runway_slots


def _receipt(request: Request, view: View) -> Response:
    return JSONResponse({"id": view.task_id, "estimatedCost": {"credits": _credits(view)}})


def _credits(view: View) -> int:
    return 12 * view.task.draft.clip.seconds


def _task(request: Request, view: View) -> Response:
    _check_version(request)
    world = world_of(request)
    word = view.state(WORDS)
    if word != "RUNNING" and not view.phase.is_terminal and _is_throttled(world, view):
        word = "THROTTLED"
    created = datetime.fromtimestamp(view.task.created_s, UTC).isoformat(timespec="milliseconds")
    body: JsonObject = {"id": view.task_id, "createdAt": created.replace("+00:00", "Z"), "status": word}
    if not view.phase.is_terminal:
        running = {"progress": view.percent / 100} if view.phase not in {Phase.NOT_STARTED, Phase.QUEUED} else {}
        return JSONResponse(body | {"estimatedCost": {"credits": _credits(view)}} | running)
    return JSONResponse(body | _end(view))


def _end(view: View) -> JsonObject:
    if view.phase is Phase.SUCCEEDED:
        return {"output": [view.video_url], "cost": {"credits": _credits(view)}}
    if view.phase is Phase.FAILED:
        code = view.task.error.code or "INTERNAL.BAD_OUTPUT.CODE01"
        return {"failure": view.task.error.message, "failureCode": code, "cost": {"credits": 0}}
    return {"cost": {"credits": 0}}


def _refuse(request: Request, refusal: Refusal) -> Response:
    message = _NO_CREDITS if refusal.reason is Reason.NO_BALANCE else refusal.message
    body = {"error": message, "docUrl": "https://docs.dev.runwayml.com/api"}
    return JSONResponse(body, status_code=_ERRORS[refusal.reason])


DIALECT = Dialect(
    platform="runway", parse=_parse, new_id=lambda: str(uuid.uuid4()), receipt=_receipt, refuse=_refuse, forgets=True
)


async def _delete(request: Request) -> Response:
    """Cancel a task that waits or runs, destroy any other. Neither is known any more."""
    _check_version(request)
    world = world_of(request)
    task = world.find("runway", request.path_params["task_id"])
    if task is None or task.is_deleted:
        raise Refusal(Reason.NO_TASK, "task not found")
    if not world.view(task).phase.is_terminal:
        task.end(Phase.CANCELED, world.now_s())
    task.is_deleted = True
    return Response(status_code=204)


async def _organization(request: Request) -> Response:
    _check_version(request)
    return JSONResponse({"creditBalance": 1000, "tier": {"maxMonthlyCreditSpend": 10_000}, "usage": {"models": {}}})


ROUTES = (
    Route("/v1/organization", endpoint(DIALECT, _organization), methods=["GET"]),
    Route("/v1/tasks/{task_id}", status_endpoint(DIALECT, _task), methods=["GET"]),
    Route("/v1/tasks/{task_id}", endpoint(DIALECT, _delete), methods=["DELETE"]),
    Route("/v1/{mode}", submit_endpoint(DIALECT), methods=["POST"]),
)
