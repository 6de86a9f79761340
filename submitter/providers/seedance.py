"""Seedance at Volcengine Ark and BytePlus ModelArk: unsigned callbacks at every change, and an end named `expired`.

Sources, read 2026-11-26: https://docs.byteplus.com/en/docs/ModelArk/1520757 (create), 1521309 (query), 1521675 (list)
and 1521720 (cancel or delete), by public notes that quote them; https://www.volcengine.com/docs/82379/1520757 for the
2.0 family; https://docs.byteplus.com/id/docs/ModelArk/1299023 for the form of errors;
https://docs.byteplus.com/ja/docs/ModelArk/1520757 (older) for 120 queued tasks; the source
volcengine/volcengine-python-sdk (2026-07-23) for paths and the SDK's repeats of a paid POST.

The default base URL is BytePlus'. China is `https://ark.cn-beijing.volces.com/api/v3`; keys and models do not cross.

Pitfalls: `expired` is an end that the provider reports, so the task failed; DELETE cancels a queued task and destroys
the record of an ended one; an unpaid bill is a 403; a 429 `QuotaExceeded` does not clear by waiting; `duration` -1 lets
the model choose the length and the price, so `video` does not offer it; the link lives 24 h, the task 7 days. Prompts
name pictures as `[Image N]`, and `updated_at` of an ended task is its end [inferred]. Other models are sent `raw`.
"""

from collections.abc import Iterator

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    REPORTED_FINAL,
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
    Refused,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    TaskKey,
    TaskState,
    Uncertain,
)
from submitter.providers.calls import bodiless, get, in_path, post_json, present
from submitter.providers.content_parts import picture_parts
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
from submitter.providers.error_replies import ErrorReply, find_error, refused_or_uncertain, submit_outcome
from submitter.providers.json_reader import StateWords, at, capped, ms_from_s, read_object, text_at, usable_id
from submitter.providers.list_pages import list_page, plain_row
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_TASKS = "/contents/generations/tasks"

_DAY_MS = 86_400_000


def _family(models: tuple[str, ...], resolutions: tuple[str, ...], longest_s: int) -> ModelFamily:
    """No length of prompts is a limit: up to 500 Chinese characters or 1,000 English words are advised."""
    return ModelFamily(
        models=models,
        prompt_weight=None,
        ratios=("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"),
        resolutions=resolutions,
        duration_s=(4, longest_s),
        reference_images=(0, 9),
        first_frame=True,
        first_frame_optional=True,
        last_frame=True,
        frames_exclude_references=True,
        audio=True,
        image_schemes=("https", "http", "data", "asset"),
        watermark=True,
    )


CAPABILITIES = Capabilities(
    title="BytePlus ModelArk / Volcengine Ark",
    default_base_url="https://ark.ap-southeast.bytepluses.com/api/v3",
    families=(
        _family(("dreamina-seedance-2-0-260128", "doubao-seedance-2-0-260128"), ("480p", "720p", "1080p", "4k"), 15),
        _family(
            (
                "dreamina-seedance-2-0-fast-260128",
                "dreamina-seedance-2-0-mini-260615",
                "doubao-seedance-2-0-fast-260128",
            ),
            ("480p", "720p"),
            15,
        ),
        _family(("dreamina-seedance-2-5-260628",), ("480p", "720p"), 30),  # third parties name no higher one
    ),
    marker="[Image N]",
    callback=True,
    callback_members=("callback_url",),
    idempotency_s=None,
    retention_s=7 * 86_400.0,
    # No run time and no pace of polls is stated; the model is of the size of those that take 1 to 5 minutes.
    poll=PollAdvice(every_s=15.0, floor_s=5.0, has_finish_times=True),
    # The present limits are not stated. One adapter names 180 requests a minute for a personal account.
    budget=Budget(per_s=2.0, burst=20, submits_count=True),
    max_in_flight=120,  # queued tasks of a main account, older create page
    raw=RawPaths(default=_TASKS, pattern=_TASKS, accepted=f"{_TASKS}, the one endpoint of all models"),
)

#: `expired`: the task ran past its `execution_expires_after`. The provider says so, so it is no inference of ours.
STATES: StateWords = {
    "queued": TaskState.SUBMITTED,
    "running": TaskState.RUNNING,
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "expired": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
}

#: Words that only a gateway's table has, and the other spelling of a cancellation.
OTHER_STATES: StateWords = {
    "pending": TaskState.SUBMITTED,
    "processing": TaskState.RUNNING,
    "canceled": TaskState.CANCELED,
}

_EXPIRED = "expired"

_RAN_OUT = TaskError(code=_EXPIRED, message="the task did not end within its execution_expires_after")

_REFUSAL_CODES: dict[str, Refusal | None] = {
    "InvalidParameter": Refusal.INVALID,
    "MissingParameter": Refusal.INVALID,
    "InputTextSensitiveContentDetected": Refusal.INVALID,
    "InputImageSensitiveContentDetected": Refusal.INVALID,
    "AuthenticationError": Refusal.DENIED,
    "AccessDenied": Refusal.DENIED,
    "AccountOverdueError": Refusal.QUOTA,  # an unpaid bill is a 403
    "InvalidEndpoint.NotFound": Refusal.INVALID,
    "ModelNotOpen": Refusal.DENIED,  # a 404: the account must open the model
    "QuotaExceeded": Refusal.QUOTA,  # a 429: the free quota is used up, and waiting does not bring it back
}


#: Query page.
ORIGIN = OriginPlaces(created=((("created_at",), ms_from_s),))


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    body = request.body if isinstance(request, RawRequest) else _video_body(request)
    return post_json(account, _TASKS, {**body, **present(callback_url=context.callback_url)})


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = first_id(at(said.readable, "id"))
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "status"), STATES)
    problem = find_error(reply, said.document)
    outcome = _refused(problem) if problem else without_id("id")
    return with_evidence(outcome, said, named, problem)


def _refused(problem: ErrorReply) -> Refused | Uncertain:
    if problem.status == 429 and _REFUSAL_CODES.get(problem.error.code) is Refusal.QUOTA:
        return refused_or_uncertain(problem, Refusal.QUOTA)
    return submit_outcome(problem, by_code=_REFUSAL_CODES)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"{_TASKS}/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    named, word = at(document, "id"), text_at(document, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, document, account, Source.POLL, reply.body)
    problem = find_error(reply, document)
    if problem:
        return _no_such_task(problem, document, reply) or poll_outcome(problem, reply, _REFUSAL_CODES)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no id and status")


def _no_such_task(problem: ErrorReply, document: object, reply: HttpReply) -> NotFound | None:
    """A 404 in the documented envelope; proxies send 404 too."""
    is_own = problem.status == 404 and bool(text_at(document, "error", "code"))
    return NotFound(raw=capped(reply.body)) if is_own else None


def parse_callback(callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    """Read the body of a query. Nothing is signed, so a reported end is a hint, and a poll must confirm it."""
    if account.webhook_secret is not None:
        raise BadSignature("Ark signs no callbacks: remove the webhook secret from the settings")
    document = read_object(callback.body)
    found = usable_id(at(document, "id"))
    if found is None or not text_at(document, "status"):
        raise UnreadableCallback("not a task as Ark documents it: id and status are needed")
    return _observe(found, document, account, Source.CALLBACK, callback.body)


#: The list shows the last 7 days. It has no filter by time.
LIST_REACH_S = 7 * 86_400.0

LIST_PAGE = 100  # 500 is the largest; no more than these are read of a page

LISTS_SPANS = False


def build_list(account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
    return get(account, f"{_TASKS}?page_num={page}&page_size={LIST_PAGE}")


def parse_list(reply: HttpReply, /) -> ListPage | StatusOutcome:
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem:
        return poll_outcome(problem, reply, _REFUSAL_CODES)
    rows, total = at(document, "items"), at(document, "total")
    return list_page(reply, rows, plain_row, total=total, has_more=None, size=LIST_PAGE)


def listed_state(row: ListedTask, account: Account, /) -> tuple[TaskState, bool]:
    return read_state(row.raw_state, account, STATES, OTHER_STATES)


#: DELETE cancels a queued task only. It deletes the record of an ended one, so the state is queried before.
CANCELS_WHILE = frozenset({TaskState.SUBMITTED})


def build_cancel(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return bodiless("DELETE", account, f"{_TASKS}/{in_path(provider_task_id)}")


def parse_cancel(reply: HttpReply, /) -> CancelOutcome:
    """No document shows the body of a success, so an empty one counts. Running tasks are refused by 400 or 409."""
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem is None or (is_success(reply.status) and not reply.body.strip()):
        return CancelAccepted()
    if problem.status in {400, 409} and text_at(document, "error", "code"):
        return CancelRefused(error=problem.error)
    return _no_such_task(problem, document, reply) or poll_outcome(problem, reply, _REFUSAL_CODES)


def _video_body(request: VideoRequest) -> dict[str, object]:
    prompt = prompt_as_sent(request, "[Image N]")
    texts = [{"type": "text", "text": prompt}] if prompt else []
    return present(
        model=request.model,
        content=[*texts, *picture_parts(request)],
        resolution=request.resolution and request.resolution.lower(),
        ratio=request.ratio,
        duration=request.duration,
        generate_audio=request.audio,
        watermark=request.watermark,
    )


def _observe(
    provider_task_id: ProviderTaskId, document: object, account: Account, source: Source, raw: bytes
) -> Observation:
    """An end from a callback has neither files nor reason, because the poll that confirms it brings them."""
    word = text_at(document, "status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    has_ended = state in REPORTED_FINAL
    ended_at_ms = ms_from_s(at(document, "updated_at")) if has_ended else None
    is_hint = source is Source.CALLBACK and has_ended
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=() if is_hint or state is not TaskState.SUCCEEDED else tuple(_outputs(document, ended_at_ms)),
        error=None if is_hint else _reason(word, state, document),
        model=text_at(document, "model") or None,
        completed_at_ms=ended_at_ms,
        without_result=is_hint,
        raw=capped(raw),
    )


def _reason(word: str, state: TaskState, document: object) -> TaskError | None:
    is_silent = word.lower() == _EXPIRED and state is TaskState.FAILED and not at(document, "error")
    return _RAN_OUT if is_silent else reason(state, document)


def _outputs(document: object, ended_at_ms: int | None) -> Iterator[Output]:
    """A link lives 24 h. A gateway in front can have it beside `content`, or as a bare address."""
    until_ms = ended_at_ms + _DAY_MS if ended_at_ms else None
    found = links(document, ("content",), ("video_url",), ("url",))
    for link in found:
        yield Output(url=link.url, type=link.type, expires_at_ms=until_ms)
    last_frame = links(document, ("content", "last_frame_url"), kind="last_frame")
    for link in last_frame:
        yield Output(url=link.url, type=link.type, expires_at_ms=until_ms)
