"""DashScope (Qwen Cloud): asynchronous tasks with list and cancel, no callback URL of a task.

Sources, read 2026-11-21: https://docs.qwencloud.com/api-reference/video-generation/happyhorse-reference-to-video/create-task,
.../query-result, https://docs.qwencloud.com/api-reference/more/manage-asynchronous-tasks (list and cancel),
https://www.alibabacloud.com/help/en/model-studio/error-code. The list calls the state `status`, the single query
`task_status`. Inferred: times without a zone are Beijing times, `start_time` and `end_time` of a list among them; the
list is newest first; the code of a call without the async header.

Events, read 2026-11-26: https://help.aliyun.com/en/model-studio/async-task-api has the event, which EventBridge posts
to one address of the account; https://help.aliyun.com/en/eventbridge/user-guide/signature-algorithm has its signature.
The default retry policy of https://www.alibabacloud.com/help/en/eventbridge/user-guide/retry-and-dead-letter is three
more attempts, each 10 to 20 s after the one before. Inferred: the timestamp counts milliseconds.
"""

import base64
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from submitter.simulator.callbacks import CallbackRules, target_of
from submitter.simulator.config import BASE_PATHS, DAY_S, KEYS_PATHS
from submitter.simulator.field_rules import (
    MAX_SEED,
    NINE_RATIOS,
    RESOLUTIONS,
    WEB_OR_DATA_URL,
    Shape,
    absent,
    boolean,
    check_fields,
    clip_of,
    cut_prompt,
    integer,
    integer_or,
    is_unknown_model,
    json_mapping,
    json_object,
    media,
    one_of,
    prompt,
    text,
)
from submitter.simulator.records import milliseconds
from submitter.simulator.request_pipeline import Dialect, endpoint, status_endpoint, submit_endpoint
from submitter.simulator.task import Clip, Draft, JsonObject, Phase, Reason, Refusal, Task, View, state_words
from submitter.simulator.world import World, world_of

if TYPE_CHECKING:  # because it takes long to import, and few runs sign an event
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MAX_PICTURE_MB = 20

_BEIJING = timezone(timedelta(hours=8))

WORDS = state_words(queued="PENDING", running="RUNNING", succeeded="SUCCEEDED", failed="FAILED", canceled="CANCELED")

_OUTER = Shape(required={"model": text(), "input": json_mapping}, optional={"parameters": json_mapping})

_PICTURES = media(WEB_OR_DATA_URL, ("reference_image",), 9, MAX_PICTURE_MB)

_FIRST_FRAME = media(WEB_OR_DATA_URL, ("first_frame",), 1, MAX_PICTURE_MB)

_INPUTS: Mapping[str, Shape] = {
    "r2v": Shape(required={"prompt": prompt, "media": _PICTURES}, optional={}),
    "i2v": Shape(required={"media": _FIRST_FRAME}, optional={"prompt": prompt}),
    "t2v": Shape(required={"prompt": prompt}, optional={"media": absent}),
}

_PARAMETERS = Shape(
    required={},
    optional={
        "resolution": one_of(RESOLUTIONS),
        "ratio": one_of(NINE_RATIOS),
        "duration": integer(3, 15),
        "watermark": boolean,
        "seed": integer(0, MAX_SEED),
    },
)

_ERRORS: Mapping[Reason, tuple[int, str]] = {
    Reason.INVALID: (400, "InvalidParameter"),
    Reason.NOT_JSON: (400, "InvalidParameter"),
    Reason.TOO_LARGE: (413, "BadRequest.TooLarge"),
    Reason.NO_MODEL: (400, "InvalidParameter"),
    Reason.NOT_ASYNC: (403, "AccessDenied"),
    Reason.BAD_KEY: (401, "InvalidApiKey"),
    Reason.DENIED: (403, "AccessDenied"),
    Reason.FORBIDDEN: (403, "AccessDenied.Unpurchased"),
    Reason.NO_BALANCE: (400, "Arrearage"),
    Reason.NOT_PENDING: (400, "UnsupportedOperation"),
    Reason.RATE: (429, "Throttling.RateQuota"),
    Reason.CONCURRENCY: (429, "Throttling.AllocationQuota"),
    Reason.INTERNAL: (500, "InternalError"),
    Reason.UNAVAILABLE: (503, "ServiceUnavailable"),
}

_EMPTY = {
    "model": "BadRequest.EmptyModel",
    "input": "BadRequest.EmptyInput",
    "parameters": "BadRequest.EmptyParameters",
}

_ROUNDING_S = 1.0  # a stamp is a whole second, so a span of a day can appear one second longer


def _parse(request: Request, raw: bytes) -> Draft:
    if request.headers.get("x-dashscope-async") != "enable":
        raise Refusal(Reason.NOT_ASYNC, "this API does not support synchronous calls")
    body = json_object(raw)
    check_fields(body, _OUTER)
    model, parameters = body["model"], body.get("parameters") or {}
    if is_unknown_model(model):
        raise Refusal(Reason.NO_MODEL, "the model does not exist", field="model")
    if model.startswith("happyhorse-"):
        check_fields(body["input"], _INPUTS.get(model.rsplit("-", 1)[-1], _INPUTS["t2v"]), prefix="input.")
        check_fields(parameters, _PARAMETERS, prefix="parameters.")
    clip = clip_of(parameters.get("duration"), parameters.get("resolution"), parameters.get("ratio"))
    return Draft(
        model=model,
        prompt=cut_prompt(body["input"].get("prompt")),
        body=body,
        clip=clip,
        callback_url=world_of(request).account_callback_urls.get("dashscope"),
    )


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


ATTEMPTS_AT_S = (0.0, 15.0, 30.0, 45.0)  # of an event, provider seconds after the first


def _event(view: View) -> JsonObject:
    """An AsyncTaskFinish as the page shows it: no result, no reason, and times without a zone."""
    at = datetime.fromtimestamp(view.now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    data: JsonObject = {
        "start_time": _beijing_second(view.task.created_s),
        "user_api_unique_key": f"apikey:v1:aigc:video:{view.task.draft.model}",
        "task_status": view.state(WORDS),
        "contain_result": False,
        "end_time": _beijing_second(view.final_s or view.now_s),
        "task_id": view.task_id,
        "region": "cn-beijing",
        "request_id": str(uuid.uuid5(uuid.NAMESPACE_OID, view.task_id)),
        "api_key_id": "1",
    }
    return {
        "datacontenttype": "application/json;charset=utf-8",
        "aliyunaccountid": "1",
        "aliyunpublishtime": at,
        "data": data,
        "aliyunoriginalaccountid": "1",
        "specversion": "1.0",
        "aliyuneventbusname": "default",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, view.task_id)),
        "source": "acs.dashscope",
        "time": at,
        "aliyunregionid": "cn-beijing",
        "type": "dashscope:System:AsyncTaskFinish",
    }


def _beijing_second(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, _BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def signed_headers(url: str, certificate_url: str, time_s: float, body: bytes) -> Mapping[str, str]:
    """The headers of a delivery to `url`: the listed ones are signed with it and the body, joined by line feeds."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    listed = {
        "x-eventbridge-signature-timestamp": str(milliseconds(time_s)),
        "x-eventbridge-hash-method": "SHA256",
        "x-eventbridge-signature-version": "1.0",
        "x-eventbridge-signature-url": certificate_url,
    }
    lines = [url, *(f"{name}: {value}" for name, value in listed.items())]
    signature = _private_key().sign("\n".join(lines).encode() + b"\n" + body, PKCS1v15(), SHA256())
    return {**listed, "x-eventbridge-signature-v2": base64.b64encode(signature).decode()}


def _event_headers(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    certificate_url = f"{task.origin}{BASE_PATHS['dashscope']}{KEYS_PATHS['dashscope']}"
    return signed_headers(target_of(task), certificate_url, time_s, body)


@cache
def _private_key() -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(public_exponent=65_537, key_size=2048)


@cache
def certificate() -> bytes:
    """A certificate of the key that signs events, signed by itself, in PEM form."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name, key = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulated EventBridge")]), _private_key()
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


async def _certificate(_request: Request) -> Response:
    return Response(certificate(), media_type="application/x-x509-ca-cert")


DIALECT = Dialect(
    platform="dashscope",
    parse=_parse,
    new_id=lambda: str(uuid.uuid4()),
    receipt=_receipt,
    refuse=_refuse,
    unknown=lambda task_id: _answer({"task_id": task_id, "task_status": "UNKNOWN"}),
    forgets=True,
    callbacks=CallbackRules(body=_event, headers=_event_headers, attempts_at_s=ATTEMPTS_AT_S),
)


async def _cancel(request: Request) -> Response:
    """Only while PENDING; success is a request id and nothing else."""
    world = world_of(request)
    task = world.find("dashscope", request.path_params["task_id"])
    if task is None or WORDS[world.view(task).phase] != "PENDING":
        raise Refusal(Reason.NOT_PENDING, "only a task that is PENDING can be canceled")
    task.end(Phase.CANCELED, world.now_s())
    return JSONResponse({"request_id": str(uuid.uuid4())})


async def _list(request: Request) -> Response:
    """The page that the query parameters select, newest first. Metadata only, no result link."""
    world, wanted = world_of(request), request.query_params
    start_s, end_s = _span(wanted, world.now_s())
    views = [world.view(task) for task in reversed(world.of("dashscope")) if start_s <= task.created_s <= end_s]
    entries = [_entry(view) for view in views if view.now_s < view.expires_s]
    filters = {name: wanted[name] for name in ("task_id", "model_name", "status") if wanted.get(name)}
    fitting = [entry for entry in entries if filters.items() <= entry.items()]
    number = max(1, integer_or(wanted.get("page_no"), 1))
    size = max(1, integer_or(wanted.get("page_size"), 10))
    page = {
        "request_id": str(uuid.uuid4()),
        "total": len(fitting),
        "total_page": -(-len(fitting) // size),
        "page_no": number,
        "page_size": size,
        "data": fitting[(number - 1) * size : number * size],
    }
    return JSONResponse(page)


def _span(wanted: Mapping[str, str], now_s: float) -> tuple[float, float]:
    try:
        end_s = _instant(wanted["end_time"]) if "end_time" in wanted else now_s
        start_s = _instant(wanted["start_time"]) if "start_time" in wanted else end_s - DAY_S
    except ValueError:
        raise Refusal(Reason.INVALID, "times are YYYYMMDDhhmmss", field="start_time") from None
    if end_s - start_s > DAY_S + _ROUNDING_S:
        raise Refusal(Reason.INVALID, "the span is at most 24 hours", field="start_time")
    return start_s, end_s + _ROUNDING_S


def _instant(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=_BEIJING).timestamp()


def _entry(view: View) -> JsonObject:
    """Times are unix milliseconds."""
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
    Route(KEYS_PATHS["dashscope"], _certificate, methods=["GET"]),
    Route("/services/aigc/{model_path:path}", submit_endpoint(DIALECT), methods=["POST"]),
    Route("/tasks", endpoint(DIALECT, _list), methods=["GET"]),
    Route("/tasks/", endpoint(DIALECT, _list), methods=["GET"]),
    Route("/tasks/{task_id}", status_endpoint(DIALECT, _state), methods=["GET"]),
    Route("/tasks/{task_id}/cancel", endpoint(DIALECT, _cancel), methods=["POST"]),
)
