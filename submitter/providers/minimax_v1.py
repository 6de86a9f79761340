"""MiniMax Hailuo, version 1 of the API (Hailuo 2.3, 02 and older): errors within HTTP 200, a file for a link.

Sources, read 2026-11-26: https://platform.minimax.io/docs/api-reference/video-generation-t2v with the Chinese query
page under https://platform.minimaxi.com/docs for fields, states, codes and callbacks; the source MiniMax-AI/cli
(2026-05-06) and MiniMax-AI/skills (2026-04-18), skills/frontend-dev/references/minimax-video-guide.md, for the codes of
plans, the file call and the hour of its link; api-evangelist/hailuo-ai for polls 10 s apart and another life, 9 h.

The default base URL is the international one. China is `https://api.minimaxi.com`, in newer pages
`https://api.minimax.cn`; keys work in one region only. MiniMax-H3 is `minimax`.

Pitfalls: an error is HTTP 200 with another `base_resp.status_code` than 0; polls say `Success` and `Fail`, callbacks
`success` and `failed`, and the vendor's client waits for `Failed`; a success has a `file_id`, and a second call brings
the link, which lives an hour; 10 s are offered at 768P only. How long a task is known is not stated. There is neither a
list nor a cancellation.
"""

from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    REPORTED_FINAL,
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
    Uncertain,
)
from submitter.providers.calls import get, in_path, post_json, present
from submitter.providers.contract import (
    Account,
    Budget,
    Capabilities,
    ModelFamily,
    PollAdvice,
    RawPaths,
    SubmitContext,
)
from submitter.providers.error_replies import ErrorReply, describe, find_error, submit_outcome
from submitter.providers.json_reader import (
    JsonObject,
    StateWords,
    at,
    capped,
    http_url,
    read_object,
    signed_until_ms,
    text_at,
    usable_id,
)
from submitter.providers.minimax_shared import OTHER_STATES, REFUSAL_CODES, challenge_answer, no_such_task
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import first_links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest

__all__ = [
    "CAPABILITIES",
    "STATES",
    "build_result",
    "build_status",
    "build_submit",
    "challenge_answer",
    "parse_callback",
    "parse_receipt",
    "parse_result",
    "parse_status",
]

_SUBMIT = "/v1/video_generation"

_LINK_MS = 3_600_000  # the shorter of the two lives that are named


_HAILUO = ModelFamily(
    models=("MiniMax-Hailuo-2.3",),
    prompt_weight=None,
    prompt_characters=2000,
    resolutions=("768P", "1080P"),
    durations=(6, 10),
    first_frame=True,
    first_frame_optional=True,
    image_schemes=("https", "http", "data"),
)

_OLDER = replace(
    _HAILUO,
    models=("T2V-01-Director", "T2V-01"),
    resolutions=("720P",),
    durations=(6,),
    first_frame=False,
    first_frame_optional=False,
)

CAPABILITIES = Capabilities(
    title="MiniMax Hailuo (v1)",
    default_base_url="https://api.minimax.io",
    families=(
        _HAILUO,
        replace(
            _HAILUO, models=("MiniMax-Hailuo-2.3-Fast",), prompt_required=False, first_frame_optional=False
        ),  # pictures only
        replace(_HAILUO, models=("MiniMax-Hailuo-02",), last_frame=True),
        _OLDER,
        # One subject, of one picture.
        replace(_OLDER, models=("S2V-01",), resolutions=(), durations=(), duration_s=None, reference_images=(1, 1)),
    ),
    marker="[Image N]",
    callback=True,
    callback_members=("callback_url",),
    idempotency_s=None,
    retention_s=86_400.0,  # not stated
    poll=PollAdvice(every_s=10.0, floor_s=10.0),
    # No official table was found. Third parties name 180 requests a minute, or 5 creations a minute.
    budget=Budget(per_s=2.0, burst=20, submits_count=True),
    raw=RawPaths(default=_SUBMIT, pattern=_SUBMIT, accepted=f"{_SUBMIT}, the one endpoint of this version"),
)

#: Query page, and the page of callbacks for the words in lower case. Case is ignored.
STATES: StateWords = {
    "preparing": TaskState.SUBMITTED,
    "queueing": TaskState.SUBMITTED,
    "processing": TaskState.RUNNING,
    "success": TaskState.SUCCEEDED,
    "fail": TaskState.FAILED,
    "failed": TaskState.FAILED,
}

#: What a code says of a poll. That of a model that is not in the plan is about the one task.
_POLL_CODES: Mapping[str, Refusal | None] = {code: REFUSAL_CODES[code] for code in ("1002", "1004", "2049")}


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    body = request.body if isinstance(request, RawRequest) else _video_body(request)
    return post_json(account, _SUBMIT, {**body, **present(callback_url=context.callback_url)})


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = first_id(at(said.readable, "task_id"))
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "status"), STATES)
    problem = _find_error(reply, said.document)
    outcome = submit_outcome(problem, by_code=REFUSAL_CODES) if problem else without_id("task_id")
    judged = with_evidence(outcome, said, named, problem)
    if isinstance(judged, Uncertain) and _stated(said.document) is not None:
        return replace(judged, was_accepted=False)
    return judged


def _find_error(reply: HttpReply, document: JsonObject | None) -> ErrorReply | None:
    """The error of `base_resp`, which stands in a 200; else what the HTTP status or another envelope reports."""
    stated = _stated(document)
    if stated is None:
        return find_error(reply, document)
    return ErrorReply(status=reply.status, error=stated, retry_after_s=reply.retry_after_s)


def _stated(document: object) -> TaskError | None:
    code = text_at(document, "base_resp", "status_code")
    if not code or code == "0":
        return None
    return TaskError(code=code, message=text_at(document, "base_resp", "status_msg") or "the reply gives no reason")


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/v1/query/video_generation?task_id={in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    named, word = at(document, "task_id"), text_at(document, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, document, account, Source.POLL, reply.body)
    problem = _find_error(reply, document)
    if problem:
        return no_such_task(problem, reply) or poll_outcome(problem, reply, _POLL_CODES)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no task_id and status")


def build_result(provider_task_id: ProviderTaskId, status: HttpReply, account: Account, /) -> HttpCall | None:
    """The call for the file, where the status is that of a success of this task and names one."""
    document = read_object(status.body)
    state, _ = read_state(text_at(document, "status"), account, STATES, OTHER_STATES)
    file_id = first_id(at(document, "file_id"))
    is_done = state is TaskState.SUCCEEDED and names_task(provider_task_id, at(document, "task_id"))
    if not is_done or file_id is None or not is_success(status.status):
        return None
    return get(account, f"/v1/files/retrieve?file_id={in_path(file_id)}")


def parse_result(
    provider_task_id: ProviderTaskId, status: HttpReply, result: HttpReply, account: Account, /
) -> StatusOutcome:
    seen = parse_status(provider_task_id, status, account)
    if not isinstance(seen, Observation) or seen.state is not TaskState.SUCCEEDED:
        return seen
    wanted, document = first_id(at(read_object(status.body), "file_id")), read_object(result.body)
    problem = _find_error(result, document)
    if problem:
        failed = poll_outcome(problem, result, _POLL_CODES)
        return failed if problem.status != 403 else unusable(result, describe(problem))
    named, url = at(document, "file", "file_id"), http_url(at(document, "file", "download_url"))
    if wanted is None or (id_text(named) and not names_task(wanted, named)):
        return unusable(result, "the reply names another file than that of the task")
    if url is None and at(document, "base_resp") is None:
        return unusable(result, "no download_url under file")
    link = (url, signed_until_ms(url) or _an_hour_after(result)) if url else None
    return _observe(provider_task_id, read_object(status.body), account, Source.POLL, status.body, link)


def _an_hour_after(reply: HttpReply) -> int | None:
    """The end of a link that this reply brought, by the time in its head; None without one."""
    try:
        moment = parsedate_to_datetime(reply.header("date") or "")
        sent_ms = int(moment.timestamp()) * 1000
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return sent_ms + _LINK_MS if 0 < sent_ms < 4_102_444_800_000 else None


def parse_callback(callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    """Read the body of a query with other words. Nothing is signed, so an end is a hint, and a poll must confirm it."""
    if account.webhook_secret is not None:
        raise BadSignature("MiniMax signs no callbacks: remove the webhook secret from the settings")
    document = read_object(callback.body)
    found = usable_id(at(document, "task_id"))
    if found is None or not text_at(document, "status"):
        raise UnreadableCallback("not a task as MiniMax documents it: task_id and status are needed")
    return _observe(found, document, account, Source.CALLBACK, callback.body)


def _video_body(request: VideoRequest) -> dict[str, object]:
    subject = [{"type": "character", "image": list(request.reference_images)}] if request.reference_images else None
    return present(
        model=request.model,
        prompt=request.prompt,
        first_frame_image=request.first_frame,
        last_frame_image=request.last_frame,
        subject_reference=subject,
        duration=request.duration,
        resolution=request.resolution and request.resolution.upper(),
    )


def _observe(
    provider_task_id: ProviderTaskId,
    document: object,
    account: Account,
    source: Source,
    raw: bytes,
    link: tuple[str, int | None] | None = None,
) -> Observation:
    """An end from a callback has neither files nor reason, because the poll that confirms it brings them."""
    word = text_at(document, "status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    is_hint = source is Source.CALLBACK and state in REPORTED_FINAL
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=() if is_hint or state is not TaskState.SUCCEEDED else _outputs(document, link),
        error=None if is_hint else _reason(state, document),
        without_result=is_hint,
        raw=capped(raw),
    )


def _outputs(document: object, link: tuple[str, int | None] | None) -> tuple[Output, ...]:
    """The link of the second call. Gateways in front, and the sibling API of templates, have it in the first."""
    if link is not None:
        return (Output(url=link[0], expires_at_ms=link[1]),)
    found = first_links(document, ("video_url",), ("file", "download_url"), ("url",))
    return tuple(Output(url=each.url, type="video", expires_at_ms=signed_until_ms(each.url)) for each in found)


def _reason(state: TaskState, document: object) -> TaskError | None:
    stated = _stated(document)
    return stated if stated and state is TaskState.FAILED else reason(state, document)
