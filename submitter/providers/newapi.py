"""The new-api gateways: the code that ModelStream and TokenBay share, and an adapter for any other such gateway.

Sources, read 2026-11-21: https://docs.newapi.pro/en/docs/api/ai-model/videos/ for the published shapes; the source of
QuantumNous/new-api (router/video-router.go, dto/task.go, dto/openai_video.go, relay/relay_task.go, the Ali adaptor,
service/task_polling.go, controller/video_proxy.go) for the others; ModelStream's page (seed 000) for the body, which
the Ali adaptor merges into its upstream request; https://tokenbay.com/docs/reference/ for errors within 200.

Four query shapes come from one route family: flat (published), under `data` with upper-case words (task layer), OpenAI
style (`metadata.url`, `progress` as a number), and under `data` with lower-case words (Gemini channels). What bites:
`result_url` can hold the text of the failure; older versions put the URL into `fail_reason` on success; an unknown task
is a 400; `code` is a number, a numeric text or a word; a task that was just stored has the state `unknown`.
No list, no cancel, no callback, no idempotency key.
"""

from collections.abc import Callable, Iterator, Mapping

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    Denied,
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
    Throttled,
    Unavailable,
)
from submitter.providers.calls import bearer, get, in_path, post_json, present
from submitter.providers.contract import (
    Account,
    Budget,
    Capabilities,
    PollAdvice,
    RawPaths,
    SubmitContext,
)
from submitter.providers.error_replies import (
    ErrorReply,
    find_error,
    other_task,
    poll_outcome,
    refused_or_uncertain,
    status_of_code,
    task_error,
    unreadable,
)
from submitter.providers.happyhorse import IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO, TEXT_TO_VIDEO, media
from submitter.providers.json_reader import (
    JsonObject,
    StateWords,
    at,
    capped,
    first_text,
    http_url,
    ms_from_s,
    origin,
    percent,
    read_object,
    signed_until_ms,
    state_of,
    text,
    text_at,
)
from submitter.providers.newapi_refusals import by_code, refusal_of
from submitter.providers.receipts import SubmitReply, first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

#: The two names of the same routes; a gateway can answer in a different shape on each.
ROUTES: Mapping[str, str] = {"generations": "/v1/video/generations", "videos": "/v1/videos"}

ROUTE_OPTIONS: Mapping[str, tuple[str, ...]] = {"route": ("generations", "videos")}

RAW = RawPaths(default=ROUTES["generations"])

#: No gateway publishes a limit; two requests a second are little for a gateway with many users.
BUDGET = Budget(per_s=2.0, burst=4, submits_count=True)

CAPABILITIES = Capabilities(
    title="new-api gateway",
    default_base_url=None,
    # The Ali adaptor distinguishes the kinds by the end of the name, for 1.0 and 1.1.
    families=(TEXT_TO_VIDEO, IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO),
    marker="[Image N]",
    callback=False,
    idempotency_s=None,
    retention_s=86_400.0,  # not stated; the upstream link of a success lives 24 h
    # The gateway polls its upstream about every 15 s, so polling it faster gives nothing new.
    poll=PollAdvice(first_s=60.0, every_s=15.0, floor_s=5.0),
    budget=BUDGET,
    options=ROUTE_OPTIONS,
    raw=RAW,
)

#: Words of all routes and of known forks, in lower case. CANCELED upstream is FAILURE here. UNKNOWN is not terminal.
STATES: StateWords = {
    "not_start": TaskState.SUBMITTED,
    "submitted": TaskState.SUBMITTED,
    "queued": TaskState.SUBMITTED,
    "pending": TaskState.SUBMITTED,
    "pending_submit": TaskState.SUBMITTED,
    "in_progress": TaskState.RUNNING,
    "processing": TaskState.RUNNING,
    "running": TaskState.RUNNING,
    "retrying": TaskState.RUNNING,
    "pending_settlement": TaskState.RUNNING,  # finished, but not yet paid for
    "unknown": TaskState.RUNNING,
    "success": TaskState.SUCCEEDED,
    "completed": TaskState.SUCCEEDED,
    "succeeded": TaskState.SUCCEEDED,
    "failure": TaskState.FAILED,
    "failed": TaskState.FAILED,
}

_NOT_FOUND_CODES = frozenset({"task_not_exist", "task_not_found"})

_NOT_FOUND_WORDS = ("not found", "not exist", "not_exist", "不存在")

#: A gateway ends tasks that are too old with a Chinese reason. It is a timeout, not an error of the input.
_TIMED_OUT_WORDS = ("超时", "timeout", "timed out")


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        return raw_submit(request, account)
    return post_json(account, route(account), _body_for_all_versions(request))


def raw_submit(request: RawRequest, account: Account) -> HttpCall:
    return post_json(account, request.path or route(account), request.body)


def route(account: Account) -> str:
    return ROUTES[account.options.get("route", "generations")]


def sample_body(request: VideoRequest) -> dict[str, object]:
    """Return the body in the shape of the published sample (seed 000): pictures and parameters are under `metadata`."""
    parameters = present(ratio=request.ratio, watermark=request.watermark, seed=request.seed)
    return present(
        model=request.model,
        prompt=prompt_as_sent(request, "[Image N]"),
        size=request.resolution and request.resolution.upper(),
        duration=request.duration,
        metadata=present(input=present(media=media(request)), parameters=parameters),
    )


def _body_for_all_versions(request: VideoRequest) -> dict[str, object]:
    """The sample's body, and the same values where the gateways' versions with a builder of their own look for them.

    relay/channel/task/ali/happyhorse.go of a public version (read 2026-11-26) takes the pictures from the top-level
    `images` alone and `ratio`, `watermark` and `seed` from `metadata` itself. Other versions read `images` only where
    `metadata.input.media` is missing, and `metadata.parameters` after `metadata`, so the two forms never contradict.
    """
    body = sample_body(request)
    pictures = ([request.first_frame] if request.first_frame else []) + list(request.reference_images)
    flat = present(ratio=request.ratio, watermark=request.watermark, seed=request.seed)
    metadata = body.get("metadata")
    nested = metadata if isinstance(metadata, dict) else {}
    return body | present(images=pictures or None, metadata=flat | nested)


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    return read_receipt(reply, refusal=refusal_of)


def read_receipt(
    reply: HttpReply, *, refusal: Callable[[ErrorReply, JsonObject | None], Refusal | None]
) -> SubmitOutcome:
    """Accept `{task_id,status}`, the OpenAI form with `id`, and either under `data`."""
    said = read_submit_reply(reply)
    named, is_sure = _named(said)
    if named and is_sure and said.is_success:
        word = first_text(at(said.readable, "status"), at(said.readable, "data", "status"))
        return receipt(named, word, STATES)
    problem = find_error(reply, said.document)
    if problem is None:
        return with_evidence(without_id("task_id or id"), said, named, None)
    outcome = refused_or_uncertain(problem, refusal(problem, said.document))
    return with_evidence(outcome, said, named, problem)


def _named(said: SubmitReply) -> tuple[ProviderTaskId | None, bool]:
    """Return the id that queries take, and whether it surely is that one.

    Where two differ, `id` names the task of a reply in the OpenAI form (`object` is `video`): a gateway that hands on
    the reply of another one replaces only `id` by its own (relay/channel/task/sora/adaptor.go, read 2026-11-26). In
    every other form it is `task_id`; an `id` beside it can be a row number or the id of the request. A reply that is
    cut before its `object` does not tell which.
    """
    document = said.readable
    holders = (document, at(document, "data"))
    openai = [at(holder, "id") for holder in holders if at(holder, "object") == "video"]
    task_ids, ids = ([at(holder, name) for holder in holders] for name in ("task_id", "id"))
    texts = [value for value in (*openai, *task_ids, *ids) if isinstance(value, str)]
    numbers = [] if said.document is None else [value for value in (*task_ids, *ids[:1]) if type(value) is int]
    is_row_number = any(isinstance(value, str) for value in task_ids)
    named = first_id(*texts, *([] if is_row_number else numbers))
    is_whole = said.document is not None or bool(openai)
    return named, is_whole or len({usable for usable in map(first_id, texts) if usable}) <= 1


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"{route(account)}/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """A failed task can have an `error` object too, so the status word is read first."""
    document = read_object(reply.body)
    task = _task_in(reply, document)
    if task is None:
        return _no_task(reply, document)
    named = first_text(at(task, "task_id"), _text_only(at(task, "id")))
    if named and named != provider_task_id:
        return other_task(named)
    return _observe(provider_task_id, task, account, reply.body)


def parse_callback(_callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    raise UnreadableCallback(f"{account.name} does not call back")


def build_download(output: Output, account: Account, /) -> HttpCall:
    """Only a call to the origin of the base URL carries the key, whatever the output claims."""
    headers = bearer(account)[:1] if is_own(output.url, account) else ()
    return HttpCall(method="GET", url=output.url, headers=headers)


def is_own(url: str, account: Account) -> bool:
    return origin(url) is not None and origin(url) == origin(account.base_url)


def _task_in(reply: HttpReply, document: JsonObject | None) -> object:
    """Return the object with the status word, None where the reply says nothing about a task."""
    if not is_success(reply.status) or document is None or status_of_code(document.get("code")) is not None:
        return None
    if _text_only(at(document, "data", "status")):
        return document["data"]
    return document if _text_only(document.get("status")) else None


def _no_task(reply: HttpReply, document: JsonObject | None) -> StatusOutcome:
    problem = find_error(reply, document) or unreadable(reply)
    if document is not None and _is_not_found(problem):
        return NotFound(raw=capped(reply.body))
    if is_success(problem.status):
        return _failure_within_200(problem, document)
    return poll_outcome(problem)


def _is_not_found(problem: ErrorReply) -> bool:
    """Only by code or words, because any other 400 is about our request, and a 404 about the route."""
    said = problem.error.message.lower()
    in_words = "task" in said or "任务" in said
    return problem.status in {200, 400} and (
        problem.error.code in _NOT_FOUND_CODES or (in_words and any(word in said for word in _NOT_FOUND_WORDS))
    )


def _failure_within_200(problem: ErrorReply, document: JsonObject | None) -> StatusOutcome:
    refusal = by_code(problem.error.code, text_at(document, "error", "type"), None)
    if refusal is Refusal.DENIED:
        return Denied(status=401, message=problem.error.message)
    if refusal is Refusal.THROTTLED:
        return Throttled(retry_after_s=problem.retry_after_s)
    return Unavailable(reason=f"{problem.error.code}: {problem.error.message}")


def _observe(provider_task_id: ProviderTaskId, task: object, account: Account, raw: bytes) -> Observation:
    word = text_at(task, "status")
    state, known = state_of(word, STATES)
    ended = state in {TaskState.SUCCEEDED, TaskState.FAILED}
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=Source.POLL,
        raw_state=word,
        is_documented_state=known,
        progress=percent(at(task, "progress")),
        outputs=(_output(provider_task_id, task, account),) if state is TaskState.SUCCEEDED else (),
        error=_reason(task) if state is TaskState.FAILED else None,
        model=text_at(task, "model") or None,
        # `completed_at` is the time of the last update and can be set before the end
        completed_at_ms=ms_from_s(at(task, "finish_time")) or ms_from_s(at(task, "completed_at")) if ended else None,
        raw=capped(raw),
    )


def _output(provider_task_id: ProviderTaskId, task: object, account: Account) -> Output:
    """Return the first URL in the known places, else the content proxy, which serves every finished task."""
    proxy = f"{account.base_url}/v1/videos/{in_path(provider_task_id)}/content"
    url = next(_addresses(task, account), proxy)
    until_ms = signed_until_ms(url) or ms_from_s(at(task, "expires_at"))
    return Output(url=url, expires_at_ms=until_ms, needs_key=is_own(url, account))


def _addresses(task: object, account: Account) -> Iterator[str]:
    places = (at(task, "result_url"), at(task, "url"), at(task, "metadata", "url"), at(task, "fail_reason"))
    for found in places:
        own_path = isinstance(found, str) and found.startswith("/") and not found.startswith("//")
        if url := http_url(f"{account.base_url}{found}" if own_path else found):
            yield url


def _reason(task: object) -> TaskError:
    said = first_text(at(task, "fail_reason"), at(task, "error", "message"), at(task, "error"))
    code = first_text(at(task, "error", "code"))
    timed_out = any(word in said.lower() for word in _TIMED_OUT_WORDS)
    return task_error(code or ("timed_out" if timed_out else ""), said)


def _text_only(value: object) -> str:
    """Only a text names a task or a state, because the `id` of the task-layer shape is a row number."""
    return text(value) if isinstance(value, str) else ""
