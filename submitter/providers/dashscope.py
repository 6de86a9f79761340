"""DashScope (Qwen Cloud, Model Studio): completion events come through EventBridge and hold no result.

Sources, read 2026-11-21: https://docs.qwencloud.com/api-reference/video-generation/happyhorse-reference-to-video/
create-task (seed 001) and query-result, with the text-to-video and image-to-video siblings for their fields;
https://www.alibabacloud.com/help/en/model-studio/manage-asynchronous-tasks for list, cancel, the 20 requests a second
of a whole account and the 24 h of retention; https://www.alibabacloud.com/help/en/model-studio/error-code;
the SDK dashscope-sdk-python for SUSPENDED and for `results[]`, which other asynchronous models answer with. Events have
their sources in `dashscope_events`.

Pitfalls: FAILED and UNKNOWN are HTTP 200; UNKNOWN after 24 h is no failure; an unpaid account is a 400 (`Arrearage`);
long prompts are cut without an error; times have no zone (read as Beijing time [inferred]).
Hosts, read 2026-11-26: https://www.alibabacloud.com/help/tc/model-studio/happyhorse-reference-to-video-api-reference
(2026-10-12) recommends hosts of a workspace and keeps the classic ones; an undated page says that the classic host of
Singapore, our default, ends soon: https://help.aliyun.com/zh/model-studio/happyhorse-video-edit-api-reference.
An account's BASE_URL then names another one.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
    ListedTask,
    ListPage,
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    Refusal,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    TaskKey,
    TaskState,
)
from submitter.providers import dashscope_events
from submitter.providers.calls import bearer, get, in_path, post_json, present
from submitter.providers.contract import (
    Account,
    Budget,
    Capabilities,
    OriginPlaces,
    PollAdvice,
    RawPaths,
    SubmitContext,
)
from submitter.providers.error_replies import find_error, submit_outcome
from submitter.providers.happyhorse import IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO, TEXT_TO_VIDEO, media
from submitter.providers.json_reader import (
    BEIJING,
    StateWords,
    at,
    capped,
    items_at,
    ms_from_ms,
    ms_from_text,
    read_object,
    signed_until_ms,
    text_at,
    usable_id,
)
from submitter.providers.list_pages import is_before, list_page
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import Place, links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_SUBMIT_PATH = "/services/aigc/video-generation/video-synthesis"

_SCHEMES = ("https", "http", "data")

_DAY_MS = 86_400_000

CAPABILITIES = Capabilities(
    title="DashScope / Qwen Cloud",
    default_base_url="https://dashscope-intl.aliyuncs.com/api/v1",
    families=(
        TEXT_TO_VIDEO,
        replace(IMAGE_TO_VIDEO, image_schemes=_SCHEMES),
        replace(REFERENCE_TO_VIDEO, image_schemes=_SCHEMES),
    ),
    marker="[Image N]",
    callback=False,  # EventBridge is set up once for an account; a submit cannot name an address
    account_callback=True,
    account_callback_steps=dashscope_events.STEPS,
    keys_url=dashscope_events.KEYS_URL,
    idempotency_s=None,
    retention_s=86_400.0,
    # A task takes 1 to 5 minutes and the query page advises 15 s; the SDK's loop never waits more than 5 s.
    poll=PollAdvice(every_s=15.0, floor_s=5.0, has_finish_times=True),
    # 20 queries a second for the whole account, other programs with other keys included: at most 20 in any second, on
    # average half. Submits have limits of their own, per model.
    budget=Budget(per_s=10.0, burst=10, submits_count=False),
    raw=RawPaths(
        default=_SUBMIT_PATH, pattern=r"/services/.+", accepted="a path below /services/ that takes asynchronous tasks"
    ),
)

#: Query page. UNKNOWN is not here, because it says that the id is unknown or older than 24 h, not a state of the task.
STATES: StateWords = {
    "pending": TaskState.SUBMITTED,
    "running": TaskState.RUNNING,
    "suspended": TaskState.RUNNING,  # SDK constants only
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "canceled": TaskState.CANCELED,
}

#: The other spelling, which clients of the platform use beside the documented one.
OTHER_STATES: StateWords = {"cancelled": TaskState.CANCELED}

_NOT_KNOWN = "unknown"

#: Where models that are sent `raw` put their links. `results.video_url`: wan2.2-s2v
#: (https://www.alibabacloud.com/help/en/model-studio/wan-s2v-api), wan2.2-animate, emo, liveportrait. `results[].url`:
#: pictures. `results[].transcription_url`: Paraformer and Fun-ASR
#: (https://help.aliyun.com/en/model-studio/fun-asr-recorded-speech-recognition-http-api), `result.transcription_url` of
#: its newer form. `output_video_url`: video style transform. `url`, `video.url`: gateways in front. Read 2026-11-26.
_VIDEOS: tuple[Place, ...] = (("video_url",), ("output_video_url",), ("video",), ("url",), ("output", "url"))
_OTHER_FILES: tuple[Place, ...] = (("results",), ("result",), ("image_url",), ("output_image_url",))

#: error-code page. A 2xx with a code is undocumented, so only its code is used. None: it may have been processed.
_REFUSAL_CODES: dict[str, Refusal | None] = {
    "InvalidParameter": Refusal.INVALID,
    "InvalidParameter.DataInspection": Refusal.INVALID,
    "DataInspectionFailed": Refusal.INVALID,
    "BadRequest.EmptyInput": Refusal.INVALID,
    "BadRequest.EmptyParameters": Refusal.INVALID,
    "BadRequest.EmptyModel": Refusal.INVALID,
    "BadRequest.TooLarge": Refusal.INVALID,
    "InvalidURL": Refusal.INVALID,
    "UnsupportedOperation": Refusal.INVALID,
    "Arrearage": Refusal.QUOTA,  # an overdue bill is a 400
    "InvalidApiKey": Refusal.DENIED,
    "AccessDenied": Refusal.DENIED,
    "AccessDenied.Unpurchased": Refusal.DENIED,
    "Throttling.RateQuota": Refusal.THROTTLED,
    "Throttling.AllocationQuota": Refusal.THROTTLED,
    "RequestTimeOut": None,
}


def _beijing_ms(value: object) -> int | None:
    return ms_from_text(value, BEIJING)


#: Query page; a finished task has its prompt.
ORIGIN = OriginPlaces(created=((("output", "submit_time"), _beijing_ms),), prompt=("output", "orig_prompt"))


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        path, body = request.path or _SUBMIT_PATH, request.body
    else:
        path, body = _SUBMIT_PATH, _video_body(request)
    return post_json(account, path, body, ("x-dashscope-async", "enable"))


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = first_id(at(said.readable, "output", "task_id"))
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "output", "task_status"), STATES)
    problem = find_error(reply, said.document)
    outcome = submit_outcome(problem, by_code=_REFUSAL_CODES) if problem else without_id("output.task_id")
    return with_evidence(outcome, said, named, problem)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/tasks/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    output = at(document, "output")
    named, word = at(output, "task_id"), text_at(output, "task_status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        if word.lower() == _NOT_KNOWN and _NOT_KNOWN not in account.state_words:
            return NotFound(raw=capped(reply.body))
        return _observe(provider_task_id, output, document, account, reply.body)
    problem = find_error(reply, document)
    if problem:
        return poll_outcome(problem, reply, _REFUSAL_CODES)
    if id_text(named) and word:
        return other_task(reply, named)
    return unusable(reply, "no task_id and task_status under output")


def parse_callback(callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    """Read an AsyncTaskFinish event. It holds neither URL nor error text, so a poll must fetch them.

    Its times are texts on the page, and unix milliseconds in the list of tasks, which has members of the same names.
    """
    if account.webhook_secret is not None:
        raise BadSignature("DashScope has no shared secret: remove the webhook secret from the settings")
    event = read_object(callback.body)
    if text_at(event, "source") != dashscope_events.SOURCE or text_at(event, "type") != dashscope_events.TYPE:
        raise UnreadableCallback(f"not an event {dashscope_events.TYPE} of {dashscope_events.SOURCE}")
    found, word = usable_id(at(event, "data", "task_id")), text_at(event, "data", "task_status")
    if found is None or not word:
        raise UnreadableCallback("the event names no data.task_id and data.task_status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    ended = at(event, "data", "end_time")
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=found),
        state=state,
        source=Source.CALLBACK,
        raw_state=word,
        is_documented_state=is_documented or word.lower() == _NOT_KNOWN,
        completed_at_ms=_beijing_ms(ended) or ms_from_ms(ended),
        without_result=True,
        raw=capped(callback.body),
    )


#: The list shows the last 24 h, in spans of at most 24 h.
LIST_REACH_S = 86_400.0

LIST_PAGE = 10

LISTS_SPANS = True


def build_list(account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
    """Only the last 24 h of the span. The page size is the documented default, because its maximum is not stated."""
    start_ms = max(since_ms, until_ms - _DAY_MS)
    span = {"start_time": _stamp(start_ms), "end_time": _stamp(until_ms)}
    return get(account, f"/tasks/?{urlencode({**span, 'page_no': page, 'page_size': LIST_PAGE})}")


def parse_list(reply: HttpReply, /) -> ListPage | StatusOutcome:
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem:
        return poll_outcome(problem, reply, _REFUSAL_CODES)
    more = is_before(at(document, "page_no"), at(document, "total_page"))
    rows, total = at(document, "data"), at(document, "total")
    return list_page(reply, rows, _listed, total=total, has_more=more, size=LIST_PAGE)


def listed_state(row: ListedTask, account: Account, /) -> tuple[TaskState, bool]:
    return read_state(row.raw_state, account, STATES, OTHER_STATES)


def _listed(row: object) -> ListedTask | None:
    found = usable_id(at(row, "task_id"))
    if found is None:
        return None
    return ListedTask(
        provider_task_id=found,
        raw_state=text_at(row, "status"),  # `task_status` in the single query
        model=text_at(row, "model_name") or None,
        created_at_ms=ms_from_ms(at(row, "gmt_create")),
    )


def build_cancel(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return HttpCall(
        method="POST", url=f"{account.base_url}/tasks/{in_path(provider_task_id)}/cancel", headers=bearer(account)
    )


def parse_cancel(reply: HttpReply, /) -> CancelOutcome:
    """Only a PENDING task can be cancelled: 400 `UnsupportedOperation` otherwise."""
    problem = find_error(reply, read_object(reply.body))
    if problem is None:
        return CancelAccepted()
    if problem.error.code == "UnsupportedOperation":
        return CancelRefused(error=problem.error)
    return poll_outcome(problem, reply, _REFUSAL_CODES)


def _video_body(request: VideoRequest) -> dict[str, object]:
    return present(
        model=request.model,
        input=present(prompt=prompt_as_sent(request, "[Image N]"), media=media(request)),
        parameters=present(
            resolution=request.resolution and request.resolution.upper(),
            ratio=request.ratio,
            duration=request.duration,
            watermark=request.watermark,
            seed=request.seed,
        ),
    )


def _observe(
    provider_task_id: ProviderTaskId, output: object, document: object, account: Account, raw: bytes
) -> Observation:
    word = text_at(output, "task_status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    ended_at_ms = _beijing_ms(at(output, "end_time"))
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=Source.POLL,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=tuple(_outputs(output, ended_at_ms)) if state is TaskState.SUCCEEDED else (),
        error=_reason(state, output, document),
        completed_at_ms=ended_at_ms,
        raw=capped(raw),
    )


def _reason(state: TaskState, output: object, document: object) -> TaskError | None:
    """The reason is under `output` (query page), or beside it (QuantumNous/new-api, Ali adaptor, read 2026-11-21).

    Speech recognition has a reason for each file.
    """
    return reason(state, output, document, *items_at(output, "results")[:1])


def _outputs(output: object, ended_at_ms: int | None) -> Iterator[Output]:
    """A link lives 24 h: until the time in its signature, else 24 h after the end of the task."""
    videos = links(output, *_VIDEOS)
    known = {link.url for link in videos}
    for link in (*videos, *(each for each in links(output, *_OTHER_FILES, kind="image") if each.url not in known)):
        until_ms = signed_until_ms(link.url) or (ended_at_ms + _DAY_MS if ended_at_ms else None)
        yield Output(url=link.url, type=link.type, expires_at_ms=until_ms)


def _stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).strftime("%Y%m%d%H%M%S")
