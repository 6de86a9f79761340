"""kie.ai, its jobs: one endpoint for many models, errors within 200, a result that is JSON in a text.

Sources, read 2026-11-26: https://docs.kie.ai/market/happyhorse/reference-to-video (fields, codes), and
https://docs.kie.ai/market/common/get-task-detail (states, poll advice, 10 queries a second), both in the mirror
hassanvfx/kie-api-python; https://docs.kie.ai/1973359m0.md (20 submits in 10 s, about 100 at once, records for two
months); https://docs.kie.ai/runway-api/generate-ai-video-callbacks (attempts); for happyhorse-1-1 a public note
verified by https://docs.kie.ai/market/happyhorse-1-1/reference-to-video (2026-10-04). `kie_signature` has its own.
What the text-to-video and image-to-video models take beside their pictures is that of their siblings [inferred].

Pitfalls: the body's `code` counts, not HTTP; a failed task comes within 200 in a poll and within 501 in a callback;
the signature does not cover the body, so every callback is a hint that a poll confirms; 1.0 and 1.1 differ in how the
prompt names pictures, and in `seed`; the schema of 1.1 has no place for `callBackUrl`, so its tasks are polled unless
the option `happyhorse_1_1` says otherwise; links live 24 h or 14 days by two pages, so the shorter is assumed; the CDN
answers 403 to user agents that look like a bot's.
"""

from collections.abc import Mapping
from dataclasses import replace

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    REPORTED_FINAL,
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    Refusal,
    Refused,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskKey,
    TaskState,
    Uncertain,
)
from submitter.providers import kie_signature
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
from submitter.providers.error_replies import BY_STATUS, ErrorReply, find_error, refused_or_uncertain
from submitter.providers.json_reader import (
    StateWords,
    at,
    capped,
    ms_from_ms,
    read_object,
    text_at,
    usable_id,
)
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import first_links, links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import MarkerStyle, RawRequest, VideoRequest, prompt_as_sent

_SUBMIT_PATH = "/jobs/createTask"

_NEWER = "happyhorse-1-1/"

_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")

_TEXT = ModelFamily(models=("happyhorse/text-to-video",), ratios=_RATIOS, resolutions=("720p", "1080p"))

_FRAME = replace(_TEXT, models=("happyhorse/image-to-video", f"{_NEWER}image-to-video"), ratios=(), first_frame=True)

_PICTURES = replace(
    _TEXT,
    models=("happyhorse/reference-to-video",),
    reference_images=(1, 9),
    seed=(0, 2_147_483_647),
    marker="characterN",
)

CAPABILITIES = Capabilities(
    title="kie.ai",
    default_base_url="https://api.kie.ai/api/v1",
    families=(
        _PICTURES,
        replace(_TEXT, models=(f"{_NEWER}reference-to-video",), ratios=(*_RATIOS, "21:9"), reference_images=(1, 9)),
        _TEXT,
        replace(_TEXT, models=(f"{_NEWER}text-to-video",), ratios=(*_RATIOS, "21:9")),
        _FRAME,
    ),
    marker="[Image N]",
    callback=True,
    callback_members=("callBackUrl",),
    callback_secret=True,
    callback_needs_200=True,  # within 15 s; after three failures in a row no more callbacks come
    idempotency_s=None,
    retention_s=60 * 86_400.0,  # two months of records
    # A task takes 30 to 180 s. After 30 s every 5 to 10 s is advised, after 2 minutes every 15 to 30 s.
    poll=PollAdvice(every_s=15.0, floor_s=2.0, has_finish_times=True),
    # 10 queries a second for one key: at most 10 in any second, on average half.
    budget=Budget(per_s=5.0, burst=5, submits_count=False),
    max_in_flight=100,
    options={"happyhorse_1_1": ("polled", "called-back")},
    raw=RawPaths(default=_SUBMIT_PATH, pattern=_SUBMIT_PATH, accepted=f"{_SUBMIT_PATH}, the endpoint of all jobs"),
)

#: Query page.
STATES: StateWords = {
    "waiting": TaskState.SUBMITTED,
    "queuing": TaskState.SUBMITTED,
    "generating": TaskState.RUNNING,
    "success": TaskState.SUCCEEDED,
    "fail": TaskState.FAILED,
}

#: No document names a cancellation.
OTHER_STATES: StateWords = {"canceled": TaskState.CANCELED, "cancelled": TaskState.CANCELED}

ORIGIN = OriginPlaces(created=((("data", "createTime"), ms_from_ms),))

#: The codes of a body within a 2xx that surely mean that nothing was created; after any other one, such as 455
#: (upkeep), 500 and 501, the submit is uncertain.
_REFUSALS: Mapping[int, Refusal] = {
    401: Refusal.DENIED,
    402: Refusal.QUOTA,
    404: Refusal.INVALID,
    422: Refusal.INVALID,
    429: Refusal.THROTTLED,
    433: Refusal.QUOTA,  # the cap of a sub-key
    505: Refusal.INVALID,  # the feature is off
}

_THROTTLED_S = 10.0  # the window of the limit of submits

_LINK_LIFE_MS = 86_400_000


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    body = request.body if isinstance(request, RawRequest) else _video_body(request)
    is_polled = account.options.get("happyhorse_1_1", "polled") == "polled"
    is_newer = (request.model or "").startswith(_NEWER)
    callback_url = None if is_newer and is_polled else context.callback_url
    return post_json(account, _SUBMIT_PATH, {**body, **present(callBackUrl=callback_url)})


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    data = at(said.readable, "data")
    named = first_id(at(data, "taskId"), at(data, "task_id"))
    if named and said.is_success:
        return receipt(named, text_at(data, "state"), STATES)
    problem = find_error(reply, said.document)
    outcome = _refused_or_uncertain(problem, reply) if problem else without_id("data.taskId")
    return with_evidence(outcome, said, named, problem)


def _refused_or_uncertain(problem: ErrorReply, reply: HttpReply) -> Refused | Uncertain:
    """Within a 2xx the body's code decides, else the HTTP status."""
    outcome = refused_or_uncertain(problem, (_REFUSALS if is_success(reply.status) else BY_STATUS).get(problem.status))
    if isinstance(outcome, Refused) and outcome.refusal is Refusal.THROTTLED and outcome.retry_after_s is None:
        return replace(outcome, retry_after_s=_THROTTLED_S)
    return outcome


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/jobs/recordInfo?taskId={in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """How an unknown id is answered is in no document: a 404 in kie.ai's own envelope counts."""
    document = read_object(reply.body)
    data = at(document, "data")
    named, word = at(data, "taskId"), text_at(data, "state")
    is_named = names_task(provider_task_id, named, at(data, "task_id"))
    if is_named and word and is_success(reply.status):
        return _observe(provider_task_id, data, document, account, Source.POLL, reply.body)
    problem = find_error(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem:
        return poll_outcome(problem, reply)
    if id_text(named) and word and not is_named:
        return other_task(reply, named)
    return unusable(reply, "no taskId and state under data")


def parse_callback(callback: Callback, account: Account, now_ms: int, /) -> Observation:
    """Every end is a hint, because the signature covers the id and the time alone.

    The families of kie.ai name the id in two ways, and some have no state beside the code.
    """
    document = read_object(callback.body)
    data = at(document, "data")
    ids = [each for each in map(usable_id, (at(data, "taskId"), at(data, "task_id"))) if each]
    if not ids:
        raise UnreadableCallback("not a task as kie.ai documents it: data.taskId or data.task_id is needed")
    named = kie_signature.signed_id(callback, account, now_ms, ids)
    word = text_at(data, "state")
    if not word:
        raise UnreadableCallback("the callback has no data.state, as those of jobs have")
    seen = _observe(named, data, document, account, Source.CALLBACK, callback.body)
    return replace(seen, without_result=seen.state in REPORTED_FINAL)


def _video_body(request: VideoRequest) -> dict[str, object]:
    style: MarkerStyle = "[Image N]" if request.model.startswith(_NEWER) else "characterN"
    wanted = present(
        prompt=prompt_as_sent(request, style),
        reference_image=list(request.reference_images) or None,
        image_urls=request.first_frame and [request.first_frame],
        resolution=request.resolution and request.resolution.lower(),
        aspect_ratio=request.ratio,
        duration=request.duration,
        seed=request.seed,
    )
    return {"model": request.model, "input": wanted}


def _observe(
    provider_task_id: ProviderTaskId, data: object, document: object, account: Account, source: Source, raw: bytes
) -> Observation:
    word = text_at(data, "state")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    stated = {"error": {"code": text_at(data, "failCode"), "message": text_at(data, "failMsg")}}
    ended_at_ms = ms_from_ms(at(data, "completeTime")) if state in REPORTED_FINAL else None
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=_outputs(data, ended_at_ms) if state is TaskState.SUCCEEDED else (),
        error=reason(state, stated, data, document),
        model=text_at(data, "model") or None,
        completed_at_ms=ended_at_ms,
        raw=capped(raw),
    )


def _outputs(data: object, ended_at_ms: int | None) -> tuple[Output, ...]:
    """`resultJson` is an object as text. The other places are those of kie.ai's other families."""
    written = at(data, "resultJson")
    result = read_object(written.encode("utf-8", "replace")) if isinstance(written, str) else written
    found = [
        *first_links(result, ("resultUrls",), ("resultUrl",)),
        *links(result, ("firstFrameUrl",), kind="first_frame"),
        *links(result, ("lastFrameUrl",), kind="last_frame"),
    ] or first_links(
        data, ("resultUrls",), ("info", "resultUrls"), ("response", "resultUrls"), ("video_url",), ("url",)
    )
    until_ms = None if ended_at_ms is None else ended_at_ms + _LINK_LIFE_MS
    return tuple(Output(url=link.url, type=link.type, expires_at_ms=until_ms) for link in found)
