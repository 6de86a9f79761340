"""Modellix: the model is in the path, pictures are named `character1`, success is code 0.

Sources, read 2026-11-21: the page of happyhorse-1.0-r2v (seed 002); https://docs.modellix.ai/ways-to-use/api for the
envelope and errors; https://docs.modellix.ai/api-reference/query-task-result; the happyhorse-1.1 pages under
https://docs.modellix.ai (nine ratios); the vendor's clients modellix-cli and dsh-modellix for further state words, for
`result_expires_at`, and for the list of statuses that mean "surely not created";
https://docs.modellix.ai/get-started/entitlements for 100 requests a minute on the smallest account.

Pitfalls: `duration` in a result is milliseconds of work; a second or third task at once is a 429; the `/async` suffix
is in the page and gone from the vendor's newer client, so a submit that finds no route is sent to the other path too
(`build_other_submit`), and the option `path` says which comes first; queries have one path in all documents; there is
neither a list nor an idempotency key, so polling cannot resolve an uncertain submit. The body of a failed task is in no
document. The vendor's plugin (Modellix/modellix-plugin 3.9.1, read 2026-11-26) says never to repeat a paid POST, also
after 429 and 503; its client counts a 429 as "not created", and so does this module. The plugin names no state beside
pending, processing, success and failed.
"""

from collections.abc import Mapping
from dataclasses import replace

from submitter.errors import InvalidRequest, UnreadableCallback, Violation
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
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
from submitter.providers.error_replies import find_error, submit_outcome
from submitter.providers.json_reader import (
    StateWords,
    at,
    capped,
    ms_from_ms,
    ms_from_text,
    read_object,
    text_at,
)
from submitter.providers.receipts import SubmitReply, first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import first_links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_RESOLUTIONS = ("720P", "1080P")

_SEED = (0, 2_147_483_647)

CAPABILITIES = Capabilities(
    title="Modellix",
    default_base_url="https://api.modellix.ai/api/v1",
    families=(
        ModelFamily(
            models=("happyhorse-1.0-r2v",),
            ratios=("16:9", "9:16", "1:1", "4:3", "3:4"),
            resolutions=_RESOLUTIONS,
            seed=_SEED,
            reference_images=(1, 9),
        ),
        ModelFamily(
            models=("happyhorse-1.1-r2v",),
            ratios=("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "9:21", "21:9"),
            resolutions=_RESOLUTIONS,
            seed=_SEED,
            reference_images=(1, 9),
        ),
    ),
    marker="characterN",
    callback=False,
    idempotency_s=None,
    retention_s=86_400.0,  # 24 h in the earlier documents, 7 days in the later ones: the shorter is assumed
    # Polling is advised after 1 s, rising to 10 s. The models are DashScope's and take 1 to 5 minutes.
    poll=PollAdvice(every_s=10.0, floor_s=5.0),
    # 100 requests a minute for the team: a burst of 20 and 80 more within the same minute.
    budget=Budget(per_s=80 / 60, burst=20, submits_count=True),
    # After a top-up of 10 dollars; 2 before that and up to 100 after others: https://docs.modellix.ai, 2026-11-21.
    max_in_flight=10,
    options={"path": ("async", "plain")},
    raw=RawPaths(
        pattern=r"/[^/]+/[^/]+(/async)?", accepted="/{vendor}/{model} or /{vendor}/{model}/async, which names the model"
    ),
)

#: Query page: pending, processing, success, failed. The others are in the vendor's clients.
STATES: StateWords = {
    "pending": TaskState.SUBMITTED,
    "queued": TaskState.SUBMITTED,
    "processing": TaskState.RUNNING,
    "running": TaskState.RUNNING,
    "success": TaskState.SUCCEEDED,
    "succeeded": TaskState.SUCCEEDED,
    "completed": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "error": TaskState.FAILED,
    "canceled": TaskState.CANCELED,
    "cancelled": TaskState.CANCELED,
}

#: The statuses that mean "surely not created" in the vendor's client. After any other, 503 included, the submit is
#: uncertain.
_REFUSALS: Mapping[int, Refusal] = {
    400: Refusal.INVALID,
    401: Refusal.DENIED,
    402: Refusal.QUOTA,
    403: Refusal.DENIED,
    404: Refusal.INVALID,
    405: Refusal.INVALID,
    413: Refusal.INVALID,
    415: Refusal.INVALID,
    422: Refusal.INVALID,
    429: Refusal.THROTTLED,
}

_ASYNC = "/async"

_BOTH_PATHS = "; the path was tried with /async and without it"


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        if request.path is None:
            raise InvalidRequest([Violation(field="raw.path", rule="is missing", accepted=CAPABILITIES.raw.accepted)])
        return post_json(account, request.path, request.body)
    suffix = _ASYNC if account.options.get("path", "async") == "async" else ""
    return post_json(account, f"/alibaba/{in_path(request.model)}{suffix}", _video_body(request))


def build_other_submit(call: HttpCall, /) -> HttpCall:
    """The page of seed 002 posts to `…/async`, the client modellix-cli 0.0.7 (2026-07-16) without the suffix."""
    other = call.url.removesuffix(_ASYNC) if call.url.endswith(_ASYNC) else call.url + _ASYNC
    return replace(call, url=other)


def has_no_route(reply: HttpReply, /) -> bool:
    """By the list of the same client, 404 and 405 surely created nothing. A 404 can also be of an unknown model."""
    return reply.status in {404, 405} and _named(read_submit_reply(reply)) is None


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = _named(said)
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "data", "status"), STATES)
    problem = find_error(reply, said.document)
    outcome = submit_outcome(problem, by_status=_REFUSALS) if problem else without_id("data.task_id")
    if isinstance(outcome, Refused) and outcome.status in {404, 405}:
        outcome = replace(outcome, error=replace(outcome.error, message=outcome.error.message + _BOTH_PATHS))
    return with_evidence(outcome, said, named, problem)


def _named(said: SubmitReply) -> ProviderTaskId | None:
    return first_id(at(said.readable, "data", "task_id"))


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/tasks/{in_path(provider_task_id)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    data = at(document, "data")
    named, word = at(data, "task_id"), text_at(data, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, data, document, account, reply.body)
    problem = find_error(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem:
        return poll_outcome(problem, reply)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no task_id and status under data")


def parse_callback(_callback: Callback, _account: Account, _now_ms: int, /) -> Observation:
    raise UnreadableCallback("Modellix does not call back")


def _video_body(request: VideoRequest) -> dict[str, object]:
    return present(
        reference_images=list(request.reference_images) or None,
        prompt=prompt_as_sent(request, "characterN"),
        resolution=request.resolution and request.resolution.upper(),
        ratio=request.ratio,
        duration=request.duration,
        seed=request.seed,
    )


def _observe(
    provider_task_id: ProviderTaskId, data: object, document: object, account: Account, raw: bytes
) -> Observation:
    """No document states whether a failed task has a non-zero code, or where its reason is, so all places count."""
    word = text_at(data, "status")
    state, is_documented = read_state(word, account, STATES)
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=Source.POLL,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=_outputs(data) if state is TaskState.SUCCEEDED else (),
        error=reason(state, data, document),
        raw=capped(raw),
    )


def _outputs(data: object) -> tuple[Output, ...]:
    """One of the vendor's clients also reads `data.resources` and `data.result_resources`."""
    end = at(data, "result_expires_at")
    until_ms = ms_from_ms(end) or ms_from_text(end)
    places = (("result", "resources"), ("resources",), ("result_resources",), ("result",), ("video_url",), ("url",))
    return tuple(Output(url=link.url, type=link.type, expires_at_ms=until_ms) for link in first_links(data, *places))
