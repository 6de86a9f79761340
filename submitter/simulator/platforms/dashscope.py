"""DashScope (Qwen Cloud): asynchronous tasks with list and cancel, no callback URL.

Sources, read 2026-11-21: https://docs.qwencloud.com/api-reference/video-generation/happyhorse-reference-to-video/create-task,
.../query-result, https://docs.qwencloud.com/api-reference/more/manage-asynchronous-tasks (list and cancel),
https://www.alibabacloud.com/help/en/model-studio/error-code. The list calls the state `status`, the single query
`task_status`. Inferred: times without a zone are Beijing times, `start_time` and `end_time` of a list among them; the
list is newest first; the code of a call without the async header.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.config import DAY_S
from submitter.simulator.field_rules import (
    MAX_SEED,
    NINE_RATIOS,
    WEB_OR_DATA_URL,
    Shape,
    absent,
    boolean,
    choice_or,
    first_violation,
    integer,
    integer_or,
    is_unknown_model,
    json_mapping,
    json_object,
    media,
    one_of,
    text,
)
from submitter.simulator.records import milliseconds
from submitter.simulator.request_pipeline import Dialect, answer_call, answer_query, answer_submit
from submitter.simulator.task import Clip, Draft, JsonObject, Phase, Reason, Refusal, View, state_words
from submitter.simulator.world import world_of

MAX_PROMPT_CHARACTERS = 5000  # a longer prompt is cut without an error

_BEIJING = timezone(timedelta(hours=8))

WORDS = state_words(queued="PENDING", running="RUNNING", succeeded="SUCCEEDED", failed="FAILED", canceled="CANCELED")

_PICTURES = media(WEB_OR_DATA_URL, ("reference_image",), 9)

_INPUTS: Mapping[str, Shape] = MappingProxyType(
    {
        "r2v": Shape(required={"prompt": text(), "media": _PICTURES}, optional={}),
        "i2v": Shape(required={"media": media(WEB_OR_DATA_URL, ("first_frame",), 1)}, optional={"prompt": text()}),
        "t2v": Shape(required={"prompt": text()}, optional={"media": absent}),
    }
)

_PARAMETERS = Shape(
    required={},
    optional={
        "resolution": one_of(("720P", "1080P")),
        "ratio": one_of(NINE_RATIOS),
        "duration": integer(3, 15),
        "watermark": boolean,
        "seed": integer(0, MAX_SEED),
    },
)

_ERRORS: Mapping[Reason, tuple[int, str]] = MappingProxyType(
    {
        Reason.INVALID: (400, "InvalidParameter"),
        Reason.NOT_JSON: (400, "InvalidParameter"),
        Reason.TOO_LARGE: (413, "BadRequest.TooLarge"),
        Reason.NO_MODEL: (400, "InvalidParameter"),
        Reason.NOT_ASYNC: (403, "AccessDenied"),
        Reason.BAD_KEY: (401, "InvalidApiKey"),
        Reason.NO_BALANCE: (400, "Arrearage"),
        Reason.NO_TASK: (400, "InvalidParameter"),
        Reason.NO_ROUTE: (400, "InvalidURL"),
        Reason.NOT_PENDING: (400, "UnsupportedOperation"),
        Reason.RATE: (429, "Throttling.RateQuota"),
        Reason.CONCURRENCY: (429, "Throttling.AllocationQuota"),
        Reason.INTERNAL: (500, "InternalError"),
        Reason.UNAVAILABLE: (503, "ServiceUnavailable"),
    }
)

_EMPTY = {
    "model": "BadRequest.EmptyModel",
    "input": "BadRequest.EmptyInput",
    "parameters": "BadRequest.EmptyParameters",
}


_STAMP = "%Y%m%d%H%M%S"

_ROUNDING_S = 1.0  # a stamp is a whole second, so a span of a day can appear one second longer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    start_s: float
    end_s: float


def _parse(request: Request, raw: bytes) -> Draft | Refusal:
    if request.headers.get("x-dashscope-async") != "enable":
        return Refusal(reason=Reason.NOT_ASYNC, message="this API does not support synchronous calls")
    body = json_object(raw)
    return body if isinstance(body, Refusal) else _wrong(body) or _draft(body)


def _wrong(body: JsonObject) -> Refusal | None:
    outer = Shape(required={"model": text(), "input": json_mapping}, optional={"parameters": json_mapping})
    if wrong := first_violation(body, outer):
        return wrong
    model: str = body["model"]
    if is_unknown_model(model):
        return Refusal(reason=Reason.NO_MODEL, message="the model does not exist", field="model")
    if not model.startswith("happyhorse-"):
        return None
    shape = _INPUTS.get(model.rsplit("-", 1)[-1], _INPUTS["t2v"])
    return first_violation(body["input"], shape, prefix="input.") or first_violation(
        body.get("parameters") or {}, _PARAMETERS, prefix="parameters."
    )


def _draft(body: JsonObject) -> Draft:
    wanted = body.get("parameters") or {}
    clip = Clip(
        seconds=integer_or(wanted.get("duration"), 5),
        resolution=choice_or(wanted.get("resolution"), ("720P", "1080P"), "1080P"),
        ratio=choice_or(wanted.get("ratio"), NINE_RATIOS, "16:9"),
    )
    prompt = str(body["input"].get("prompt") or "")[:MAX_PROMPT_CHARACTERS]
    return Draft(model=body["model"], prompt=prompt, body=body, clip=clip)


def _answer(output: JsonObject, **more: object) -> Response:
    return JSONResponse({"request_id": str(uuid.uuid4()), "output": output} | more)


def _receipt(request: Request, view: View) -> Response:
    return _answer({"task_id": view.task_id, "task_status": "PENDING"})


def _state(request: Request, view: View) -> Response:
    output: JsonObject = {"task_id": view.task_id, "task_status": view.state(WORDS)}
    output["submit_time"] = _beijing(view.task.created_s)
    if view.phase not in {Phase.NOT_STARTED, Phase.QUEUED}:
        output["scheduled_time"] = _beijing(view.task.created_s + 0.05)
    if view.final_s is not None:
        output["end_time"] = _beijing(view.final_s)
    if view.phase is Phase.FAILED:
        output |= {"code": view.task.error.code or "InvalidParameter", "message": view.task.error.message}
    if view.phase is Phase.SUCCEEDED:
        output |= {"orig_prompt": view.task.draft.prompt, "video_url": view.video_url}
        return _answer(output, usage=_usage(view.task.draft.clip))
    return _answer(output)


def _usage(clip: Clip) -> JsonObject:
    lengths = {"duration": clip.seconds, "input_video_duration": 0, "output_video_duration": clip.seconds}
    return lengths | {"video_count": 1, "SR": int(clip.resolution[:-1]), "ratio": clip.ratio}


def _beijing(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, _BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _refuse(request: Request, refusal: Refusal) -> Response:
    status, code = _ERRORS[refusal.reason]
    if refusal.reason is Reason.INVALID and refusal.field in _EMPTY:
        code = _EMPTY[refusal.field]
    body = {"request_id": str(uuid.uuid4()), "code": code, "message": refusal.message}
    return JSONResponse(body, status_code=status)


def _unknown(request: Request, task_id: str) -> Response:
    return _answer({"task_id": task_id, "task_status": "UNKNOWN"})


DIALECT = Dialect(
    platform="dashscope",
    parse=_parse,
    new_id=lambda: str(uuid.uuid4()),
    receipt=_receipt,
    refuse=_refuse,
    unknown=_unknown,
    forgets=True,
)


async def submit(request: Request) -> Response:
    """POST /services/aigc/{group}/{function}, any model's path."""
    return await answer_submit(request, DIALECT)


async def query(request: Request) -> Response:
    """GET /tasks/{task_id}."""
    return await answer_query(request, DIALECT, request.path_params["task_id"], _state)


async def cancel(request: Request) -> Response:
    """POST /tasks/{task_id}/cancel, only while PENDING; success is a request id and nothing else."""
    return answer_call(request, DIALECT, "task_call", lambda: _cancel(request))


def _cancel(request: Request) -> Response:
    world = world_of(request)
    task = world.find("dashscope", request.path_params["task_id"])
    if task is None or WORDS[world.view(task).phase] != "PENDING":
        message = "only a task that is PENDING can be canceled"
        return _refuse(request, Refusal(reason=Reason.NOT_PENDING, message=message))
    task.end(Phase.CANCELED, world.now_s())
    return JSONResponse({"request_id": str(uuid.uuid4())})


async def listing(request: Request) -> Response:
    """GET /tasks/: metadata only, no result link."""
    return answer_call(request, DIALECT, "task_call", lambda: _list(request))


def _list(request: Request) -> Response:
    world = world_of(request)
    views = [world.view(task) for task in world.of("dashscope")]
    known = [view for view in views if view.now_s < view.expires_s]
    page = _page_of(known, request.query_params, now_s=world.now_s())
    return _refuse(request, page) if isinstance(page, Refusal) else JSONResponse(page)


def _page_of(views: Sequence[View], wanted: Mapping[str, str], *, now_s: float) -> JsonObject | Refusal:
    """Return the page of the task list that the query parameters select. Times are unix milliseconds."""
    span = _span(wanted, now_s)
    if isinstance(span, Refusal):
        return span
    fitting = [view for view in reversed(views) if _fits(view, wanted, span=span)]
    number = max(1, integer_or(wanted.get("page_no"), 1))
    size = max(1, integer_or(wanted.get("page_size"), 10))
    shown = fitting[(number - 1) * size : number * size]
    return {
        "request_id": str(uuid.uuid4()),
        "total": len(fitting),
        "total_page": -(-len(fitting) // size),
        "page_no": number,
        "page_size": size,
        "data": [_entry(view) for view in shown],
    }


def _span(wanted: Mapping[str, str], now_s: float) -> _Span | Refusal:
    try:
        end_s = _instant(wanted["end_time"]) if "end_time" in wanted else now_s
        start_s = _instant(wanted["start_time"]) if "start_time" in wanted else end_s - DAY_S
    except ValueError:
        return Refusal(reason=Reason.INVALID, message="times are YYYYMMDDhhmmss", field="start_time")
    if end_s - start_s > DAY_S + _ROUNDING_S:
        return Refusal(reason=Reason.INVALID, message="the span is at most 24 hours", field="start_time")
    return _Span(start_s=start_s, end_s=end_s + _ROUNDING_S)


def _instant(stamp: str) -> float:
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=_BEIJING).timestamp()


def _fits(view: View, wanted: Mapping[str, str], *, span: _Span) -> bool:
    fields = {"task_id": view.task_id, "model_name": view.task.draft.model, "status": view.state(WORDS)}
    matches = all(wanted.get(name) in {None, "", value} for name, value in fields.items())
    return matches and span.start_s <= view.task.created_s <= span.end_s


def _entry(view: View) -> JsonObject:
    created_ms = milliseconds(view.task.created_s)
    entry: JsonObject = {
        "task_id": view.task_id,
        "status": view.state(WORDS),
        "model_name": view.task.draft.model,
        "region": "ap-southeast-1",
        "request_id": view.task_id,
        "api_key_id": "1",
        "user_api_unique_key": f"apikey:v1:aigc:video:{view.task.draft.model}",
        "caller_uid": "1",
        "caller_parent_id": "1",
        "gmt_create": created_ms,
        "start_time": created_ms,
    }
    return entry if view.final_s is None else entry | {"end_time": milliseconds(view.final_s)}


ROUTES = (
    Route("/services/aigc/{model_path:path}", submit, methods=["POST"]),
    Route("/tasks", listing, methods=["GET"]),
    Route("/tasks/", listing, methods=["GET"]),
    Route("/tasks/{task_id}", query, methods=["GET"]),
    Route("/tasks/{task_id}/cancel", cancel, methods=["POST"]),
)
