"""fal.ai: one queue for all models, whose id is the path; the result is a second call; callbacks are signed.

Sources, read 2026-11-26: https://fal.ai/docs/api-reference/inference-api for the calls and 202 before the end;
https://fal.ai/docs/inference-api/queue/submit, .../queue/result and .../queue/cancel;
https://fal.ai/docs/documentation/model-apis/inference/webhooks.md for callbacks;
https://fal.ai/docs/documentation/model-apis/errors.md and .../request-errors;
https://fal.ai/docs/documentation/model-apis/media-expiration.md for the hour in which a result can be had by its id;
https://docs.fal.ai/documentation/model-apis/concurrency-limits;
https://fal.ai/models/alibaba/happy-horse/v1.1/reference-to-video/llms.txt and .../image-to-video/llms.txt for fields;
the SDK fal-ai/fal (fal_client) for the body of a cancellation and the states.

Pitfalls: COMPLETED is also the word for a failed task, so the second call decides: its HTTP status is the model's. The
callback has two words of its own (OK, ERROR). The callback URL is in the query, and a redirect of it ends delivery for
good. Status and result have only owner and app of the model's id in their paths (`fal_addresses`). The SDKs repeat the
paid POST, which has no idempotency key. A status is 202 before the end. There is no list, so polling cannot resolve an
uncertain submit. The range of the seed and the prompt length of text-to-video are the upstream model's [inferred].
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from submitter.errors import InvalidRequest, UnreadableCallback, Violation
from submitter.http.messages import Callback, Headers, HttpCall, HttpReply, is_success
from submitter.model import (
    REPORTED_FINAL,
    CancelAccepted,
    CancelOutcome,
    CancelRefused,
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
)
from submitter.providers import fal_addresses, fal_signature
from submitter.providers.calls import bodiless, get, post_json, present
from submitter.providers.contract import (
    Account,
    Budget,
    Capabilities,
    ModelFamily,
    PollAdvice,
    RawPaths,
    SubmitContext,
)
from submitter.providers.error_replies import submit_outcome
from submitter.providers.fal_addresses import own_id, path_of
from submitter.providers.fal_errors import end_of, find_problem, is_typed, is_without_credit, stated_error
from submitter.providers.json_reader import StateWords, at, capped, read_object, text_at, usable_id
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import Place, links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_NINE_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21", "5:4", "4:5")

_FILM = ModelFamily(
    models=(),
    prompt_weight=None,
    prompt_characters=2500,
    ratios=_NINE_RATIOS,
    resolutions=("720p", "1080p"),
    seed=(0, 2_147_483_647),
    image_schemes=("https", "http", "data"),
)

_HORSE = "alibaba/happy-horse/v1.1"

CAPABILITIES = Capabilities(
    title="fal.ai",
    default_base_url="https://queue.fal.run",
    families=(
        replace(_FILM, models=(f"{_HORSE}/text-to-video",)),
        replace(_FILM, models=(f"{_HORSE}/image-to-video",), prompt_required=False, ratios=(), first_frame=True),
        replace(_FILM, models=(f"{_HORSE}/reference-to-video",), reference_images=(1, 9)),
    ),
    marker="characterN",
    callback=True,  # in the query, so no member of a body names it
    # The older documents name https://rest.alpha.fal.ai/.well-known/jwks.json.
    keys_url="https://rest.fal.ai/.well-known/jwks.json",
    idempotency_s=None,
    # The result of a task can be had for an hour after its end, and for 6 minutes where its JSON has 10 KB or more.
    retention_s=3_600.0,
    # The pace is the caller's; the SDKs' 0.1 and 0.5 s are meant for one task. Videos take minutes [inferred].
    poll=PollAdvice(every_s=15.0, floor_s=3.0),
    # No request rate is documented: this is a pace that no queue of this kind refuses [inferred].
    budget=Budget(per_s=5.0, burst=10, submits_count=False),
    # Two tasks of a new account run at once, and the others wait at fal without a limit.
    raw=RawPaths(
        pattern=r"(?!.*/requests(/|$))/[^/]+(/[^/]+)+", accepted="/{owner}/{app} and the rest of the model's id"
    ),
)

#: SDK, both languages.
STATES: StateWords = {
    "in_queue": TaskState.SUBMITTED,
    "in_progress": TaskState.RUNNING,
    "completed": TaskState.SUCCEEDED,  # or failed, see `_end`
}

#: A third party's schema of the status only (api-evangelist/fal-ai); `cancelled` is the other spelling.
OTHER_STATES: StateWords = {
    "failed": TaskState.FAILED,
    "canceled": TaskState.CANCELED,
    "cancelled": TaskState.CANCELED,
}

#: Webhooks page: other words than those of the queue.
CALLBACK_STATES: StateWords = {"ok": TaskState.SUCCEEDED, "error": TaskState.FAILED}

_VIDEOS: tuple[Place, ...] = (("video",), ("videos",), ("video_url",), ("output",), ("url",))

_OTHER_FILES: tuple[tuple[Place, str], ...] = ((("images",), "image"), (("image",), "image"), (("audio",), "audio"))

KEYS_LIVE_S = 86_400.0  # webhooks page: at most 24 h

verify_callback = fal_signature.verify


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    if isinstance(request, VideoRequest):
        path, body = f"/{request.model}", _video_body(request)
    elif request.path is None:
        raise InvalidRequest([Violation(field="raw.path", rule="is missing", accepted=CAPABILITIES.raw.accepted)])
    else:
        path, body = request.path, request.body
    query = "" if context.callback_url is None else "?" + urlencode({"fal_webhook": context.callback_url})
    return post_json(account, path + query, body, auth=_auth(account))


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = _named(said.readable)
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "status"), STATES)
    problem = find_problem(reply, said.document)
    outcome = submit_outcome(problem) if problem else without_id("request_id")
    if isinstance(outcome, Refused) and outcome.refusal is Refusal.DENIED and is_without_credit(outcome.error):
        outcome = replace(outcome, refusal=Refusal.QUOTA)
    return with_evidence(outcome, said, named, problem)


def _named(document: object) -> ProviderTaskId | None:
    """Return the id in a reply to a submit. With a callback URL the documents show the two ids alone.

    Proxies give each HTTP request a `request_id` too, and show it in their errors: beside words of an error alone it
    names no task.
    """
    is_queued = any(at(document, name) is not None for name in ("status", "gateway_request_id", "status_url"))
    is_error = any(at(document, name) for name in ("message", "detail", "error"))
    return None if is_error and not is_queued else first_id(at(document, "request_id"))


def address(provider_task_id: ProviderTaskId, request: Mapping[str, Any], /) -> ProviderTaskId:
    return fal_addresses.address(provider_task_id, request)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"{path_of(provider_task_id)}/status", auth=_auth(account))


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """A COMPLETED that states no error is a success without its result, which the second call brings."""
    document = read_object(reply.body)
    named, word = at(document, "request_id"), text_at(document, "status")
    own = own_id(provider_task_id)
    if names_task(own, named) and word and is_success(reply.status):
        return _observe(own, document, account, reply)
    problem = find_problem(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem:
        return poll_outcome(problem, reply)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no request_id and status")


def build_result(provider_task_id: ProviderTaskId, status: HttpReply, account: Account, /) -> HttpCall | None:
    """The SDKs' path. A failed task has a result too, because the model's own reason is there."""
    ended = parse_status(provider_task_id, status, account)
    has_ended = isinstance(ended, Observation) and ended.state in REPORTED_FINAL
    return get(account, path_of(provider_task_id), auth=_auth(account)) if has_ended else None


def parse_result(
    provider_task_id: ProviderTaskId, status: HttpReply, result: HttpReply, account: Account, /
) -> StatusOutcome:
    ended, document = parse_status(provider_task_id, status, account), read_object(result.body)
    if not isinstance(ended, Observation) or ended.state not in REPORTED_FINAL:
        return ended
    refused = _error_of_model(document, result)
    if refused is not None:
        state = end_of(refused) if ended.state is TaskState.SUCCEEDED else ended.state
        return replace(ended, state=state, outputs=(), error=refused, without_result=False, raw=capped(result.body))
    if ended.state is not TaskState.SUCCEEDED:
        return ended
    if is_success(result.status) and document is not None:
        return replace(ended, outputs=_outputs(document), without_result=False, raw=capped(result.body))
    if result.status == 404 and document is not None:
        return NotFound(raw=capped(result.body))
    problem = find_problem(result, document)
    return unusable(result, "the result has no usable answer") if problem is None else poll_outcome(problem, result)


def _error_of_model(document: object, result: HttpReply) -> TaskError | None:
    """Return why the task failed. A result has the HTTP status of the model, but fal itself answers with some too.

    401, 403, 404, 408 and 429 are about our call. Another 4xx in fal's form is the model's, and a 5xx that names a type
    is, because the documents describe those types as ends of a task that ran.
    """
    is_about_call = result.status < 400 or result.status in {401, 403, 404, 408, 429}
    if is_about_call or (result.status >= 500 and not is_typed(document, result)):
        return None
    return stated_error(document, result)


def parse_callback(callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    document = read_object(callback.body)
    found, word = usable_id(at(document, "request_id")), text_at(document, "status")
    if found is None or not word:
        raise UnreadableCallback("not a callback as fal documents it: request_id and status are needed")
    state, is_documented = read_state(word, account, CALLBACK_STATES)
    payload = at(document, "payload")
    error = None
    if state is TaskState.FAILED:
        error = stated_error(payload) or stated_error(document) or reason(state, payload, document)
        state = end_of(error)
    outputs = _outputs(payload) if state is TaskState.SUCCEEDED else ()
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=found),
        state=state,
        source=Source.CALLBACK,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=outputs,
        error=error,
        without_result=state is TaskState.SUCCEEDED and not outputs,
        raw=capped(callback.body),
    )


def keys_url(callback: Callback, account: Account, /) -> str | None:
    """Every callback is signed."""
    fal_signature.check_headers(callback)
    return account.keys_url or CAPABILITIES.keys_url


def build_cancel(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return bodiless("PUT", account, f"{path_of(provider_task_id)}/cancel", auth=_auth(account))


def parse_cancel(reply: HttpReply, /) -> CancelOutcome:
    """A running model may finish all the same. Some documents show `success` in place of `status`."""
    document = read_object(reply.body)
    word = text_at(document, "status")
    if is_success(reply.status) and document is not None and at(document, "success") is not False:
        return CancelAccepted()
    if word == "ALREADY_COMPLETED" or at(document, "success") is False:
        return CancelRefused(error=TaskError(code=word or "not_canceled", message="the task is not canceled any more"))
    problem = find_problem(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    return poll_outcome(problem, reply) if problem else unusable(reply, "no answer to a cancellation")


def _auth(account: Account) -> Headers:
    return (("authorization", f"Key {account.api_key}"), ("accept", "application/json"))


def _video_body(request: VideoRequest) -> dict[str, object]:
    return present(
        prompt=prompt_as_sent(request, "characterN"),
        image_url=request.first_frame,
        image_urls=list(request.reference_images) or None,
        resolution=request.resolution and request.resolution.lower(),
        aspect_ratio=request.ratio,
        duration=request.duration,
        seed=request.seed,
    )


def _observe(own: ProviderTaskId, document: object, account: Account, reply: HttpReply) -> Observation:
    word = text_at(document, "status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    stated = stated_error(document, reply)
    if state is TaskState.SUCCEEDED and (at(document, "error") or stated):
        state = end_of(stated)
    outputs = _outputs(document) if state is TaskState.SUCCEEDED else ()
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=own),
        state=state,
        source=Source.POLL,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=outputs,
        error=(stated if state in {TaskState.FAILED, TaskState.CANCELED} else None) or reason(state, document),
        without_result=state is TaskState.SUCCEEDED and not outputs,
        raw=capped(reply.body),
    )


def _outputs(result: object) -> tuple[Output, ...]:
    """Links have no documented end: files live for 7 days or longer, as the account sets it."""
    found = {link.url: link.type for link in links(result, *_VIDEOS)}
    for place, kind in _OTHER_FILES:
        for link in links(result, place, kind=kind):
            found.setdefault(link.url, link.type)
    return tuple(Output(url=url, type=kind) for url, kind in found.items())
