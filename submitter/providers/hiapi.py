"""HiAPI: one endpoint for all models, a signed callback, an idempotency key.

Sources, read 2026-11-21: the page of happyhorse-1.1 reference-to-video (seed 003, also
https://docs.hiapi.ai/models/video/happyhorse-1-1-r2v/) for fields and limits; https://docs.hiapi.ai/async-api/ with its
pages create, detail and list for the protocol; https://docs.hiapi.ai/api-reference/rate-limits;
https://docs.hiapi.ai/models/video/happyhorse-1-0/ for happyhorse-1-0;
https://www.hiapi.ai/en/blog/happyhorse-1-1-text-to-video-hiapi-tutorial for 1.1 text-to-video (no seed); the SDK
HiAPIAI/hiapi-python for idempotency, error codes and the replay window. Read 2026-11-26:
https://docs.hiapi.ai/models/video/happyhorse-1-1-i2v/ for 1.1 image-to-video (one picture, no ratio, no seed).

Pitfalls: `completed` is 0 before the end; `archiving` looks finished and is not; the callback's body is the `data`
object without its envelope; resolution is lower case; pictures are `reference_image` (singular) for reference-to-video
and `image_urls` for image-to-video. No prompt length is stated: the 5,000 of the upstream model apply, since it cuts
longer prompts without an error [inferred]. One tutorial shows a receipt with `status` and an id `task_...`; the pages
show `taskId` alone, and both are read.
"""

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    ListedTask,
    ListPage,
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    Receipt,
    Refusal,
    Refused,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskKey,
    TaskState,
    Uncertain,
)
from submitter.providers import hiapi_signature
from submitter.providers.calls import get, in_path, post_json, present
from submitter.providers.contract import (
    Account,
    Budget,
    Capabilities,
    ModelFamily,
    OriginPlaces,
    PollAdvice,
    RawPaths,
    SubmitContext,
)
from submitter.providers.error_replies import (
    BY_STATUS,
    ErrorReply,
    describe,
    find_error,
    status_of_code,
    submit_outcome,
)
from submitter.providers.json_reader import (
    JsonObject,
    StateWords,
    at,
    capped,
    ms_from_s,
    read_object,
    text_at,
    usable_id,
)
from submitter.providers.list_pages import is_before, list_page
from submitter.providers.receipts import first_id, read_submit_reply, with_evidence, without_id
from submitter.providers.result_links import first_links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_NINE_RATIOS = ("16:9", "9:16", "3:4", "4:3", "4:5", "5:4", "1:1", "9:21", "21:9")

_FIVE_RATIOS = ("16:9", "9:16", "3:4", "4:3", "1:1")

_RESOLUTIONS = ("720p", "1080p")

CAPABILITIES = Capabilities(
    title="HiAPI",
    default_base_url="https://api.hiapi.ai",
    families=(
        ModelFamily(
            models=("happyhorse-1.1/reference-to-video",),
            ratios=_NINE_RATIOS,
            resolutions=_RESOLUTIONS,
            reference_images=(1, 9),
        ),
        ModelFamily(models=("happyhorse-1.1/text-to-video",), ratios=_NINE_RATIOS, resolutions=_RESOLUTIONS),
        ModelFamily(
            models=("happyhorse-1.1/image-to-video",),
            prompt_required=False,
            resolutions=_RESOLUTIONS,
            first_frame=True,
        ),
        ModelFamily(models=("happyhorse-1-0",), ratios=_FIVE_RATIOS, resolutions=_RESOLUTIONS, seed=(0, 2_147_483_647)),
    ),
    marker="[Image N]",
    callback=True,
    callback_members=("callback",),
    callback_secret=True,
    idempotency_s=86_400.0,  # SDK: valid for about 24 h
    retention_s=7 * 86_400.0,  # detail page: temporary outputs live 7 days; how long a task is known is not stated
    # No run time is stated; the same models take 1 to 5 minutes at DashScope. Every 15 s and not the SDK's 3 s, because
    # polls share the 60 requests a minute with submits.
    poll=PollAdvice(every_s=15.0, floor_s=3.0, has_finish_times=True),
    # 60 a minute in all: a burst of 10 and 50 more within the same minute.
    budget=Budget(per_s=50 / 60, burst=10, submits_count=True),
    max_in_flight=10,  # https://docs.hiapi.ai/api-reference/rate-limits, 2026-11-21
    raw=RawPaths(default="/v1/tasks", pattern=r"/v1/tasks", accepted="/v1/tasks, the one endpoint of all models"),
)

#: Detail page.
STATES: StateWords = {
    "queued": TaskState.SUBMITTED,
    "handling": TaskState.RUNNING,
    "archiving": TaskState.RUNNING,  # finished, but not yet downloadable
    "success": TaskState.SUCCEEDED,
    "fail": TaskState.FAILED,
}

#: Ends that only blogs of the vendor name (https://www.hiapi.ai/en/blog/hiapi-task-hang-timeout-diagnosis and
#: .../hiapi-output-url-expired-download, read 2026-11-21); `canceled` is the other spelling.
BLOG_STATES: StateWords = {
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "timeout": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
    "canceled": TaskState.CANCELED,
}

#: 429 and 503 are refused before processing (SDK, create page), but only HiAPI can say so with a 503: a load balancer
#: sends its own when the connection broke after the request was passed on.
_REFUSALS = {**BY_STATUS, 503: Refusal.UNAVAILABLE}

#: The blog's envelope reports throttling by a code. A 2xx with an error is undocumented, so only its code is used.
_REFUSAL_CODES: dict[str, Refusal | None] = {
    "INVALID_REQUEST": Refusal.INVALID,
    # SDK, src/hiapi/errors.py and README, read 2026-11-26: "retry shortly or switch models". Documented with status 400
    # only. A 503 in HiAPI's form is refused by its status; with 500 and other 5xx the code does not count, because such
    # an answer may follow work, so the submit is uncertain.
    "MODEL_UNAVAILABLE": Refusal.UNAVAILABLE,
    # The same files: TASK_FAILED is a rejection at once; the other two are of a task at work, and retryable.
    "TASK_FAILED": Refusal.INVALID,
    "TASK_TIMEOUT": None,
    "STORAGE_UNAVAILABLE": None,
    # Another body was sent with our key before, so a task of this submit can exist although this body was refused.
    "IDEMPOTENCY_KEY_MISMATCH": None,
    "rate_limit_exceeded": Refusal.THROTTLED,
}

_KEY_IN_USE_S = 5.0  # SDK: Retry-After of a 409 is normally 5 s


#: Detail page.
ORIGIN = OriginPlaces(created=((("data", "created"), ms_from_s),))


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    body = request.body if isinstance(request, RawRequest) else _video_body(request)
    callback = {"url": context.callback_url, "when": "final"} if context.callback_url else None
    key = ("idempotency-key", context.idempotency_key)
    return post_json(account, "/v1/tasks", {**body, **present(callback=callback)}, key)


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    place = at(said.readable, "data", "taskId")
    named = first_id(place)
    if named and said.is_success and isinstance(place, str):  # a number answers no poll, so it is only kept
        return Receipt(provider_task_id=named, replayed=(reply.header("idempotent-replay") or "").lower() == "true")
    problem = find_error(reply, said.document)
    return with_evidence(_no_receipt(problem, said.document), said, named, problem)


def _no_receipt(problem: ErrorReply | None, document: JsonObject | None) -> Refused | Uncertain:
    if problem is None:
        return without_id("data.taskId")
    if problem.status == 409:
        wait_s = _KEY_IN_USE_S if problem.retry_after_s is None else problem.retry_after_s
        return Uncertain(reason=describe(problem), retry_after_s=wait_s)
    by_status = _REFUSALS if _is_enveloped(problem, document) else BY_STATUS
    return submit_outcome(problem, by_code=_REFUSAL_CODES, by_status=by_status)


def _is_enveloped(problem: ErrorReply, document: JsonObject | None) -> bool:
    """Whether an error comes in HiAPI's form: `error_code`, a `code` that repeats the status, or the blog's object."""
    repeats_status = status_of_code(at(document, "code")) == problem.status
    return (
        repeats_status or bool(text_at(document, "error_code")) or text_at(document, "error", "type") == "hiapi_error"
    )


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/v1/tasks/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """A 404 means an unknown task or another account's, but only in the documented envelope: proxies send 404 too."""
    document = read_object(reply.body)
    data = at(document, "data")
    named, word = at(data, "taskId"), text_at(data, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, (data, document), account, Source.POLL, reply.body)
    problem = find_error(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem:
        return poll_outcome(problem, reply, _REFUSAL_CODES)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no taskId and status under data")


def parse_callback(callback: Callback, account: Account, now_ms: int, /) -> Observation:
    verified = hiapi_signature.verify(callback, account, now_ms)
    document = read_object(callback.body)
    inner = document if at(document, "taskId") is not None else at(document, "data")
    found = usable_id(at(inner, "taskId"))
    if found is None or not text_at(inner, "status"):
        raise UnreadableCallback("not a task as HiAPI documents it: taskId and status are needed")
    return _observe(found, (inner, document), account, Source.CALLBACK, callback.body, signature_verified=verified)


#: The list page states no limit, and the list has no filter.
LIST_REACH_S = None

LIST_PAGE = 100  # the largest

LISTS_SPANS = False


def build_list(account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
    return get(account, f"/v1/tasks?page={page}&size={LIST_PAGE}")


def parse_list(reply: HttpReply, /) -> ListPage | StatusOutcome:
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem:
        return poll_outcome(problem, reply, _REFUSAL_CODES)
    data = at(document, "data")
    more = is_before(at(data, "page"), at(data, "total"), size=at(data, "size"))
    return list_page(reply, at(data, "tasks"), _listed, total=at(data, "total"), has_more=more, size=LIST_PAGE)


def listed_state(row: ListedTask, account: Account, /) -> tuple[TaskState, bool]:
    return read_state(row.raw_state, account, STATES, BLOG_STATES)


def _listed(row: object) -> ListedTask | None:
    found = usable_id(at(row, "taskId"))
    if found is None:
        return None
    return ListedTask(
        provider_task_id=found,
        raw_state=text_at(row, "status"),
        model=_model(row),
        created_at_ms=ms_from_s(at(row, "created")),
    )


def _video_body(request: VideoRequest) -> dict[str, object]:
    return {
        "model": request.model,
        "input": present(
            prompt=prompt_as_sent(request, "[Image N]"),
            reference_image=list(request.reference_images) or None,
            image_urls=[request.first_frame] if request.first_frame else None,
            resolution=request.resolution and request.resolution.lower(),
            aspect_ratio=request.ratio,
            duration=request.duration,
            seed=request.seed,
        ),
    }


def _observe(
    provider_task_id: ProviderTaskId,
    places: tuple[object, object],
    account: Account,
    source: Source,
    raw: bytes,
    *,
    signature_verified: bool = False,
) -> Observation:
    """`places` are the object about the task and the document that holds it."""
    data = places[0]
    word = text_at(data, "status")
    state, is_documented = read_state(word, account, STATES, BLOG_STATES)
    outputs = _outputs(data) if state is TaskState.SUCCEEDED else ()
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=outputs,
        error=reason(state, *places),
        model=_model(data),
        completed_at_ms=ms_from_s(at(data, "completed")),
        without_result=source is Source.CALLBACK and state is TaskState.SUCCEEDED and not outputs,
        signature_verified=signature_verified,
        raw=capped(raw),
    )


def _outputs(data: object) -> tuple[Output, ...]:
    """`output` is documented as a list of objects; the other places are those of retired and similar APIs."""
    found = first_links(data, ("output",), ("outputs",), ("video_url",), ("url",))
    return tuple(
        [Output(url=link.url, type=link.type, expires_at_ms=ms_from_s(at(link.item, "expireAt"))) for link in found]
    )


def _model(data: object) -> str | None:
    """A task submitted with a `route` can have the model `name@route`."""
    return text_at(data, "model").partition("@")[0] or None
