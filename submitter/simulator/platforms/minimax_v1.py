"""MiniMax Hailuo, version 1: errors within HTTP 200, other words in callbacks than in polls, and a file to be fetched.

Sources, read 2026-11-26: https://platform.minimax.io/docs/api-reference/video-generation-t2v with the Chinese query
page; the file call and the hour of its link from MiniMax-AI/skills (2026-04-18). Inferred: a wrong key, a rate limit
and an outage have an HTTP status as well, the answer about an unknown id, and the body of a failure.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules
from submitter.simulator.field_rules import (
    WEB_OR_DATA_URL,
    WEB_URL,
    Rule,
    Shape,
    absent,
    boolean,
    check_fields,
    clip_of,
    is_unknown_model,
    json_object,
    one_of,
    prompt,
    text,
    url,
)
from submitter.simulator.platforms.minimax import CHALLENGE, number_id
from submitter.simulator.request_pipeline import Dialect, Endpoint, result_endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import Draft, JsonObject, Phase, Reason, Refusal, View, state_words

WORDS = state_words(queued="Queueing", running="Processing", succeeded="Success", failed="Fail")

CALLBACK_WORDS = state_words(queued="processing", running="processing", succeeded="success", failed="failed")

FILE = "205"  # a file's id is its task's behind these digits

_PICTURE = url(WEB_OR_DATA_URL)

_OUTER = Shape(
    required={"model": text()},
    optional={"prompt_optimizer": boolean, "fast_pretreatment": boolean, "callback_url": url(WEB_URL)},
)


def _words(value: object) -> str | None:
    return prompt(value) or (None if len(str(value)) <= 2000 else "must have 2000 characters at most")


def _seconds(*choices: int) -> Rule:
    def rule(value: object) -> str | None:
        fits = value in choices and not isinstance(value, bool)
        return None if fits else f"must be one of {', '.join(map(str, choices))}"

    return rule


def _subject(value: object) -> str | None:
    fits = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    pictures = value[0].get("image") if fits and isinstance(value, list) else None
    fits = isinstance(pictures, list) and len(pictures) == 1 and _PICTURE(pictures[0]) is None
    return None if fits else "must be one subject of one picture"


def _film(resolutions: tuple[str, ...], *seconds: int, **more: Rule) -> dict[str, Rule]:
    rules = {"first_frame_image": absent, "last_frame_image": absent, "subject_reference": absent}
    return {**rules, "resolution": one_of(resolutions), "duration": _seconds(*seconds), **more}


_NEWER = ("768P", "1080P")

_SHAPES: Mapping[str, Shape] = {
    "MiniMax-Hailuo-2.3": Shape(required={}, optional=_film(_NEWER, 6, 10, first_frame_image=_PICTURE, prompt=_words)),
    "MiniMax-Hailuo-2.3-Fast": Shape(
        required={"first_frame_image": _PICTURE},
        optional=_film(_NEWER, 6, 10, first_frame_image=_PICTURE, prompt=_words),
    ),
    "MiniMax-Hailuo-02": Shape(
        required={},
        optional=_film(_NEWER, 6, 10, first_frame_image=_PICTURE, last_frame_image=_PICTURE, prompt=_words),
    ),
    "T2V-01": Shape(required={"prompt": _words}, optional=_film(("720P",), 6)),
    "T2V-01-Director": Shape(required={"prompt": _words}, optional=_film(("720P",), 6)),
    "S2V-01": Shape(required={"subject_reference": _subject}, optional={"prompt": _words}),
}

#: The HTTP status, and the code of `base_resp`.
_ERRORS: Mapping[Reason, tuple[int, int]] = {
    Reason.INVALID: (200, 2013),
    Reason.TOO_LARGE: (200, 2013),
    Reason.NO_BALANCE: (200, 1008),
    Reason.NO_TASK: (200, 2013),
    Reason.NOT_ENDED: (200, 2013),
    Reason.NOT_JSON: (400, 2013),
    Reason.NO_MODEL: (400, 2013),
    Reason.BAD_KEY: (401, 1004),
    Reason.DENIED: (403, 2061),
    Reason.FORBIDDEN: (403, 2061),
    Reason.RATE: (429, 1002),
    Reason.CONCURRENCY: (429, 1002),
    Reason.INTERNAL: (500, 1000),
    Reason.UNAVAILABLE: (503, 1000),
}


def _parse(request: Request, raw: bytes) -> Draft:
    try:
        body = json_object(raw)
    except Refusal as refusal:
        raise Refusal(Reason.NOT_JSON, refusal.message) from refusal
    check_fields(body, _OUTER)
    model = body["model"]
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "invalid params, model is not known", field="model")
    if model in _SHAPES:
        _check(body, _SHAPES[model])
    return Draft(
        model=model,
        prompt=str(body.get("prompt") or ""),
        body=body,
        clip=clip_of(body.get("duration") or 6, body.get("resolution"), None),
        callback_url=body.get("callback_url"),
    )


def _check(body: JsonObject, shape: Shape) -> None:
    has_frame = body.get("first_frame_image") is not None
    if not has_frame and "subject_reference" not in shape.required and body.get("prompt") is None:
        raise Refusal(Reason.INVALID, "prompt is required for text", field="prompt")
    check_fields(body, shape)
    if body.get("last_frame_image") is not None and not has_frame:
        raise Refusal(Reason.INVALID, "last_frame_image needs first_frame_image", field="last_frame_image")
    if body.get("duration") == 10 and body.get("resolution") not in {None, "768P"}:
        raise Refusal(Reason.INVALID, "duration 10 is offered at 768P only", field="duration")


_GOOD = {"status_code": 0, "status_msg": "success"}


def _task(view: View, words: Mapping[Phase, str]) -> JsonObject:
    task: JsonObject = {"task_id": view.task_id, "status": view.state(words), "base_resp": _GOOD}
    if view.phase is Phase.SUCCEEDED:
        width, height = view.task.draft.clip.pixels
        task |= {"file_id": FILE + view.task_id, "video_width": width, "video_height": height}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        error = view.task.error
        code = int(error.code) if error.code.isdecimal() else 1027
        task["base_resp"] = {"status_code": code, "status_msg": error.message}
    return task


def _state(request: Request, view: View) -> Response:
    return JSONResponse(_task(view, WORDS))


def _file(request: Request, view: View) -> Response:
    """The link of a finished task's file. Any other task has none."""
    if view.phase is not Phase.SUCCEEDED:
        return _unknown(view.task_id)
    file = {
        "file_id": FILE + view.task_id,
        "bytes": 100,
        "filename": "output.mp4",
        "purpose": "video_generation",
        "download_url": view.video_url,
    }
    return JSONResponse({"file": file, "base_resp": _GOOD})


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code = _ERRORS[refusal.reason]
    body = {"task_id": "", "base_resp": {"status_code": code, "status_msg": refusal.message}}
    return JSONResponse(body, status_code=status)


def _unknown(task_id: str) -> Response:
    raise Refusal(Reason.NO_TASK, "invalid params, invalid task_id")


DIALECT = Dialect(
    platform="minimax-v1",
    parse=_parse,
    new_id=lambda: number_id(106),
    receipt=lambda _, view: JSONResponse({"task_id": view.task_id, "base_resp": _GOOD}),
    refuse=_refuse,
    unknown=_unknown,
    callbacks=CallbackRules(
        body=lambda view: _task(view, CALLBACK_WORDS),
        changes=frozenset({Phase.QUEUED, Phase.RUNNING}),
        challenge=CHALLENGE,
    ),
    result_is_apart=True,
)


def _by_query(member: str, prefix: str, inner: Endpoint) -> Endpoint:
    """Return the endpoint that finds its task by a member of the query."""

    async def answer(request: Request) -> Response:
        request.path_params["task_id"] = request.query_params.get(member, "").removeprefix(prefix)
        return await inner(request)

    return answer


_QUERY = _by_query("task_id", "", status_endpoint(DIALECT, _state))

_RETRIEVE = _by_query("file_id", FILE, result_endpoint(DIALECT, _file, "the file is not there yet"))

ROUTES = (
    Route("/v1/video_generation", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/v1/query/video_generation", _QUERY, methods=["GET"]),
    Route("/v1/files/retrieve", _RETRIEVE, methods=["GET"]),
)
