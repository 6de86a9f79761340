"""MiniMax Hailuo, version 2 of the API (MiniMax-H3): a challenge before the first callback, and unsigned callbacks.

Sources, read 2026-11-26: https://platform.minimax.io/docs/api-reference/video-generation-v2-create (fields, errors and
callbacks), .../video-generation-v2-query and .../video-generation-v2-delete; a public survey that quotes the list page
of the same API; api-evangelist/hailuo-ai for polls 10 s apart.

The default base URL is the international one. China is `https://api.minimaxi.com`, in newer pages
`https://api.minimax.cn`; keys work in one region only. Hailuo 2.3, 02 and older are `minimax-v1`.

Pitfalls: `cancelled` has two Ls; DELETE cancels a queued task and destroys the record of an ended one; resolution and
length are required, and a ratio for a prompt alone; frames and references exclude each other; the code of an error
stands in brackets at the end of its message; a link lives for a time that is not stated, and a new query brings a new
one. Prompts name pictures as `[Image N]`, `updated_at` of an ended task is its end, and the list is at
`/v2/query/video_generation` [inferred].
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    REPORTED_FINAL,
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
    ListedTask,
    ListPage,
    Observation,
    Output,
    ProviderTaskId,
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
from submitter.providers.error_replies import BY_STATUS, ErrorReply, find_error, refused_or_uncertain, submit_outcome
from submitter.providers.json_reader import (
    StateWords,
    at,
    capped,
    ms_from_s,
    read_object,
    signed_until_ms,
    text_at,
    usable_id,
)
from submitter.providers.list_pages import list_page, plain_row
from submitter.providers.minimax_shared import OTHER_STATES, REFUSAL_CODES, challenge_answer, no_such_task
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

__all__ = [
    "CANCELS_WHILE",
    "CAPABILITIES",
    "LISTS_SPANS",
    "LIST_PAGE",
    "LIST_REACH_S",
    "ORIGIN",
    "STATES",
    "build_cancel",
    "build_list",
    "build_status",
    "build_submit",
    "challenge_answer",
    "listed_state",
    "parse_callback",
    "parse_cancel",
    "parse_list",
    "parse_receipt",
    "parse_status",
]

_SUBMIT = "/v2/video_generation"

_QUERY = "/v2/query/video_generation"

_H3 = ModelFamily(
    models=("MiniMax-H3",),
    prompt_weight=None,
    prompt_characters=7000,
    ratios=("adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"),
    resolutions=("768P", "2K"),
    duration_s=(4, 15),
    reference_images=(0, 9),
    first_frame=True,
    first_frame_optional=True,
    last_frame=True,
    frames_exclude_references=True,
    ratio_for_text=True,  # beside a frame it is ignored
    ratio_without_frame=True,
    required=("resolution", "duration"),
    image_schemes=("https", "http", "data"),
)

CAPABILITIES = Capabilities(
    title="MiniMax Hailuo (v2)",
    default_base_url="https://api.minimax.io",
    families=(
        _H3,
        replace(
            _H3,
            models=("MiniMax-H3-Max",),
            resolutions=("480P", "768P"),
            duration_s=(5, 15),
            reference_images=None,
            required=("duration",),  # its resolution has a default
        ),
    ),
    marker="[Image N]",
    callback=True,
    callback_members=("callback_url",),
    idempotency_s=None,
    retention_s=7 * 86_400.0,
    # About 7 minutes pass between `created_at` and `updated_at` in the samples of 2K.
    poll=PollAdvice(every_s=10.0, floor_s=10.0, has_finish_times=True),
    # No official table was found. Third parties name 180 requests a minute, or 5 creations a minute.
    budget=Budget(per_s=2.0, burst=20, submits_count=True),
    raw=RawPaths(default=_SUBMIT, pattern=_SUBMIT, accepted=f"{_SUBMIT}, the one endpoint of this version"),
)

#: Query page.
STATES: StateWords = {
    "queued": TaskState.SUBMITTED,
    "running": TaskState.RUNNING,
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
}

#: The code of version 1, which ends the message of an error.
_INNER_CODE = re.compile(r"\(([0-9]{4})\)\s*\Z", re.ASCII)

#: Query page.
ORIGIN = OriginPlaces(created=((("task", "created_at"), ms_from_s),))


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    body = request.body if isinstance(request, RawRequest) else _video_body(request)
    return post_json(account, _SUBMIT, {**body, **present(callback_url=context.callback_url)})


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = first_id(at(said.readable, "task_id"))
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "status"), STATES)
    problem = find_error(reply, said.document)
    outcome = _refused(problem) if problem else without_id("task_id")
    return with_evidence(outcome, said, named, problem)


def _refused(problem: ErrorReply) -> Refused | Uncertain:
    """The status decides, and within a 400 the code in brackets says more."""
    found = _INNER_CODE.search(problem.error.message)
    if found and problem.status == 400:
        return refused_or_uncertain(problem, REFUSAL_CODES.get(found[1], BY_STATUS[400]))
    return submit_outcome(problem)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"{_QUERY}/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    task = at(document, "task")
    named, word = at(task, "id"), text_at(task, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, (task, document), account, Source.POLL, reply.body)
    problem = find_error(reply, document)
    if problem:
        return no_such_task(problem, reply) or poll_outcome(problem, reply)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no id and status under task")


def parse_callback(callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    """Read the body of a query. Nothing is signed, so a reported end is a hint, and a poll must confirm it."""
    if account.webhook_secret is not None:
        raise BadSignature("MiniMax signs no callbacks: remove the webhook secret from the settings")
    document = read_object(callback.body)
    task = at(document, "task")
    found = usable_id(at(task, "id"))
    if found is None or not text_at(task, "status"):
        raise UnreadableCallback("not a task as MiniMax documents it: id and status under task are needed")
    return _observe(found, (task, document), account, Source.CALLBACK, callback.body)


#: The list shows the last 7 days. It has no filter by time.
LIST_REACH_S = 7 * 86_400.0

LIST_PAGE = 50  # no largest size is stated

LISTS_SPANS = False


def build_list(account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
    return get(account, f"{_QUERY}?page_num={page}&page_size={LIST_PAGE}")


def parse_list(reply: HttpReply, /) -> ListPage | StatusOutcome:
    """The name of the list is not stated; these two are those of the page's siblings [inferred]."""
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem:
        return poll_outcome(problem, reply)
    rows = at(document, "tasks")
    rows = at(document, "items") if rows is None else rows
    return list_page(reply, rows, plain_row, total=at(document, "total"), has_more=None, size=LIST_PAGE)


def listed_state(row: ListedTask, account: Account, /) -> tuple[TaskState, bool]:
    return read_state(row.raw_state, account, STATES, OTHER_STATES)


#: DELETE cancels a queued task only. It deletes the record of an ended one, so the state is queried before.
CANCELS_WHILE = frozenset({TaskState.SUBMITTED})


def build_cancel(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return bodiless("DELETE", account, f"{_SUBMIT}/{in_path(provider_task_id)}")


def parse_cancel(reply: HttpReply, /) -> CancelOutcome:
    """`action` says what was done. Where the task ended after the query, its record is deleted and nothing canceled."""
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem is None or (is_success(reply.status) and not reply.body.strip()):
        action = text_at(document, "action") or text_at(document, "task", "action")
        if action.lower() == "deleted":
            gone = TaskError(code="deleted", message="the task had ended, and the provider deleted its record")
            return CancelRefused(error=gone)
        return CancelAccepted()
    unknown = no_such_task(problem, reply)
    if unknown is None and problem.status in {400, 409} and at(document, "error"):
        return CancelRefused(error=problem.error)
    return unknown or poll_outcome(problem, reply)


def _video_body(request: VideoRequest) -> dict[str, object]:
    return present(
        model=request.model,
        content=[{"type": "text", "text": prompt_as_sent(request, "[Image N]")}, *picture_parts(request)],
        resolution=request.resolution and request.resolution.upper(),
        ratio=request.ratio,
        duration=request.duration,
    )


def _observe(
    provider_task_id: ProviderTaskId, places: tuple[object, object], account: Account, source: Source, raw: bytes
) -> Observation:
    """`places` are the object about the task and the document that holds it.

    An end from a callback has neither files nor reason, because the poll that confirms it brings them.
    """
    task = places[0]
    word = text_at(task, "status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    has_ended = state in REPORTED_FINAL
    is_hint = source is Source.CALLBACK and has_ended
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=() if is_hint or state is not TaskState.SUCCEEDED else tuple(_outputs(task)),
        error=None if is_hint else reason(state, *places),
        model=text_at(task, "model") or None,
        completed_at_ms=ms_from_s(at(task, "updated_at")) if has_ended else None,
        without_result=is_hint,
        raw=capped(raw),
    )


def _outputs(task: object) -> Iterator[Output]:
    """`content.url` is documented. The other members of `content` are those of similar APIs."""
    for link in links(task, ("content",), ("video_url",), ("url",)):
        yield Output(url=link.url, type=link.type, expires_at_ms=signed_until_ms(link.url))
