"""Replicate: predictions of any model, whose output has any form; signed callbacks; data that is gone after an hour.

Sources, read 2026-11-26: the SDK replicate/replicate-python-beta, generated from the OpenAPI file (resources/
predictions.py, types/prediction.py) for calls, fields and the list; the SDK replicate/replicate-python (webhook.py and
its recorded answers) for the signature and the errors; https://replicate.com/docs/topics/webhooks/receive-webhook and
.../verify-webhook; https://replicate.com/docs/topics/predictions/lifecycle for `aborted`;
https://replicate.com/docs/topics/predictions/rate-limits and .../data-retention, by a public fact sheet of 2026-08-13;
public pages of kwaivgi/kling-v3-video and minimax/video-01 for their fields, whose limits are those of their makers
[inferred].

Pitfalls: `succeeded` with `output` null and `data_removed` is a result that came too late; callbacks are repeated for a
minute only, and `aborted` may bring none, so open tasks are polled; without `webhook_events_filter` each partial output
is posted; a wrong create route is a 404; `version` can be the word `hidden`; `Prefer: wait` is left out, because it
holds the answer; there is no idempotency key, and the newer Python SDK repeats paid POSTs on 5xx. The list has cursors
in place of pages, so the next page is the same query until the oldest task of the last one.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success, read_retry_after_s
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
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    TaskKey,
    TaskState,
)
from submitter.providers import standard_signature
from submitter.providers.calls import bodiless, get, in_path, post_json, present
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
from submitter.providers.error_replies import ErrorReply, find_error, submit_outcome
from submitter.providers.json_reader import (
    JsonObject,
    StateWords,
    at,
    capped,
    first_text,
    ms_from_text,
    read_object,
    text_at,
    usable_id,
)
from submitter.providers.list_pages import list_page
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import links_anywhere
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent
from submitter.timestamps import rfc3339

_HOUR_MS = 3_600_000

_KLING, _MINIMAX = "kwaivgi/kling-v3-video", "minimax/video-01"

CAPABILITIES = Capabilities(
    title="Replicate",
    default_base_url="https://api.replicate.com/v1",
    families=(
        ModelFamily(
            models=(_KLING,),
            prompt_weight=None,
            prompt_characters=2500,
            ratios=("16:9", "9:16", "1:1"),
            ratio_for_text=True,
            resolutions=("720p", "1080p"),
            first_frame=True,
            first_frame_optional=True,
            last_frame=True,
            negative_prompt=2500,
            audio=True,
            image_schemes=("https", "data"),
        ),
        ModelFamily(
            models=(_MINIMAX,),
            prompt_weight=None,
            prompt_characters=2000,
            duration_s=None,
            first_frame=True,
            first_frame_optional=True,
            reference_images=(0, 1),
            frames_exclude_references=True,
            image_schemes=("https", "data"),
        ),
    ),
    marker="[Image N]",
    callback=True,
    callback_members=("webhook", "webhook_events_filter"),
    callback_secret=True,
    idempotency_s=None,
    retention_s=3_600.0,  # input, output and logs; what is left of a prediction afterwards has no result
    # The pace is the caller's, and the SDK's 0.5 s is meant for one task. Videos take minutes.
    poll=PollAdvice(every_s=15.0, floor_s=3.0, has_finish_times=True),
    budget=Budget(per_s=25.0, burst=25, submits_count=False),  # half of the 3,000 a minute that are no submits
    raw=RawPaths(
        default="/predictions",
        pattern=r"/predictions|/(models|deployments)/[^/]+/[^/]+/predictions",
        accepted="/predictions, /models/{owner}/{name}/predictions or /deployments/{owner}/{name}/predictions",
    ),
)

#: `aborted`: the deadline passed before the start. A deadline that passes later makes `canceled`.
STATES: StateWords = {
    "starting": TaskState.SUBMITTED,
    "processing": TaskState.RUNNING,
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "canceled": TaskState.CANCELED,
    "aborted": TaskState.CANCELED,
}

#: The other spelling, which the documents do not have.
OTHER_STATES: StateWords = {"cancelled": TaskState.CANCELED}

#: What of the picture the model is told to make.
_MODES: Mapping[str, str] = {"720p": "standard", "1080p": "pro"}

ORIGIN = OriginPlaces(created=((("created_at",), ms_from_text),), prompt=("input", "prompt"))


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        path, body = request.path or "/predictions", request.body
    else:
        path = "/models/{}/predictions".format("/".join(in_path(each) for each in request.model.split("/")))
        body = {"input": _input(request)}
    wanted = ["completed"] if context.callback_url else None
    callback = present(webhook=context.callback_url, webhook_events_filter=wanted)
    return post_json(account, path, {**body, **callback})


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = first_id(at(said.readable, "id"))
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "status"), STATES)
    problem = _problem(reply, said.document)
    outcome = submit_outcome(problem) if problem else without_id("id")
    return with_evidence(outcome, said, named, problem)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/predictions/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    named, word = at(document, "id"), text_at(document, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, document, account, Source.POLL, reply.body)
    problem = _problem(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem:
        return poll_outcome(problem, reply)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no id and status")


def parse_callback(callback: Callback, account: Account, now_ms: int, /) -> Observation:
    """Without a secret nothing proves the body, so an end is a hint, and a poll must confirm it."""
    verified = standard_signature.verify(callback, account, now_ms)
    document = read_object(callback.body)
    found = usable_id(at(document, "id"))
    if found is None or not text_at(document, "status"):
        raise UnreadableCallback("not a prediction as Replicate documents it: id and status are needed")
    seen = _observe(found, document, account, Source.CALLBACK, callback.body)
    if verified:
        return replace(seen, signature_verified=True)
    has_ended = seen.state in REPORTED_FINAL
    return replace(seen, outputs=(), error=None, without_result=True) if has_ended else seen


#: No limit is documented.
LIST_REACH_S = None

LIST_PAGE = 100

LISTS_SPANS = True


def build_list(account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
    """The newest of a span. The list has no page numbers, so `page` is always 1, see `ListPage.older_than_ms`."""
    span = {"created_after": rfc3339(since_ms), "created_before": rfc3339(until_ms)}
    return get(account, f"/predictions?{urlencode(span)}")


def parse_list(reply: HttpReply, /) -> ListPage | StatusOutcome:
    document = read_object(reply.body)
    problem = _problem(reply, document)
    if problem:
        return poll_outcome(problem, reply)
    has_more = bool(at(document, "next")) if "next" in (document or {}) else None
    page = list_page(reply, at(document, "results"), _listed, total=None, has_more=has_more, size=LIST_PAGE)
    created = [row.created_at_ms for row in page.rows if row.created_at_ms] if isinstance(page, ListPage) else []
    # One millisecond later than the oldest, because it is not stated whether the time of a query counts itself.
    return replace(page, older_than_ms=min(created) + 1) if isinstance(page, ListPage) and created else page


def listed_state(row: ListedTask, account: Account, /) -> tuple[TaskState, bool]:
    return read_state(row.raw_state, account, STATES, OTHER_STATES)


def _listed(row: object) -> ListedTask | None:
    found = usable_id(at(row, "id"))
    if found is None:
        return None
    return ListedTask(
        provider_task_id=found,
        raw_state=text_at(row, "status"),
        model=text_at(row, "model") or None,
        created_at_ms=ms_from_text(at(row, "created_at")),
        prompt=text_at(row, "input", "prompt") or None,
    )


def build_cancel(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return bodiless("POST", account, f"/predictions/{in_path(provider_task_id)}/cancel")


def parse_cancel(reply: HttpReply, /) -> CancelOutcome:
    """What an ended task is answered is not documented; a prediction that has ended in another way is believed."""
    document = read_object(reply.body)
    problem = None if text_at(document, "status") and is_success(reply.status) else _problem(reply, document)
    if problem is None:
        state = STATES.get(text_at(document, "status").lower())
        if state is TaskState.SUCCEEDED or state is TaskState.FAILED:
            word = text_at(document, "status")
            return CancelRefused(error=TaskError(code=word, message="the prediction has ended"))
        return CancelAccepted()
    if problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    return poll_outcome(problem, reply)


def _input(request: VideoRequest) -> dict[str, object]:
    if request.model == _MINIMAX:
        return present(
            prompt=request.prompt,
            first_frame_image=request.first_frame,
            subject_reference=next(iter(request.reference_images), None),
        )
    return present(
        prompt=prompt_as_sent(request, "[Image N]"),
        negative_prompt=request.negative_prompt,
        start_image=request.first_frame,
        end_image=request.last_frame,
        mode=_MODES.get((request.resolution or "").lower()),
        aspect_ratio=request.ratio,
        duration=request.duration,
        generate_audio=request.audio,
    )


def _problem(reply: HttpReply, document: JsonObject | None) -> ErrorReply | None:
    """Errors are documents of RFC 7807: `title`, `detail`, `status`. `ratelimit-reset` is in seconds."""
    problem = find_error(reply, document)
    if problem is None:
        return None
    wait_s = problem.retry_after_s
    if problem.status == 429 and wait_s is None:
        wait_s = read_retry_after_s(reply.header("ratelimit-reset"))
    words = first_text(at(document, "detail"), at(document, "title"))
    title = text_at(document, "title")
    error = problem.error
    if words:
        error = TaskError(code=title or error.code, message=words)
    return replace(problem, error=error, retry_after_s=wait_s)


def _observe(
    provider_task_id: ProviderTaskId, document: object, account: Account, source: Source, raw: bytes
) -> Observation:
    word = text_at(document, "status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    ended_at_ms = ms_from_text(at(document, "completed_at"))
    outputs = _outputs(document, ended_at_ms) if state is TaskState.SUCCEEDED else ()
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=outputs,
        error=reason(state, document),
        model=text_at(document, "model") or None,
        completed_at_ms=ended_at_ms,
        without_result=source is Source.CALLBACK and state is TaskState.SUCCEEDED and not outputs,
        raw=capped(raw),
    )


def _outputs(document: object, ended_at_ms: int | None) -> tuple[Output, ...]:
    """The files are removed an hour after the end."""
    until_ms = ended_at_ms + _HOUR_MS if ended_at_ms else None
    found = links_anywhere(at(document, "output"))
    return tuple(Output(url=link.url, type=link.type, expires_at_ms=until_ms) for link in found)
