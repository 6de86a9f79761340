"""Runway API: polling only, a version header on every call, sizes in pixels, and a DELETE that cancels or destroys.

Sources, read 2026-11-26: the SDK runwayml/sdk-python (src/runwayml/_client.py, types/task_retrieve_response.py,
types/text_to_video_create_params.py, types/image_to_video_create_params.py, resources/tasks.py, lib/polling.py; the
package runwayml 5.24.0 too) for fields, limits, states and the DELETE; https://docs.dev.runwayml.com/errors/errors and
https://docs.dev.runwayml.com/api-details/errors for statuses; https://docs.dev.runwayml.com/usage/tiers for
concurrency; https://docs.dev.runwayml.com/errors/task-failures/ for codes of failures; the issue runwayml/sdk-node#28
for the words of an account without credits.

Pitfalls: without `X-Runway-Version` every call is a 400; THROTTLED waits for a slot of the account and can last long;
DELETE cancels a task that waits or runs and destroys any other with its result, and neither can be fetched again; an
account without credits is a 400 that only its words tell from a wrong field; 502, 503 and 504 "may be retried", but no
document says that nothing was created, so such a submit is uncertain. The SDK repeats POSTs on 408, 409, 429 and 5xx.
The lengths of HappyHorse and Seedance 2 are those of their makers, and the range of seeds is 32 bits [inferred].
Prompts count in UTF-16 units there and in characters here, which differ for emoji only. Link life is 24 to 48 hours
from a query; how long a task is known is not stated [inferred: as long as data of other providers, 7 days].
"""

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, Headers, HttpCall, HttpReply, is_success
from submitter.model import (
    CanceledAtOnce,
    CancelOutcome,
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
from submitter.providers.calls import bearer, bodiless, get, in_path, post_json, present
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
from submitter.providers.json_reader import JsonObject, StateWords, at, capped, ms_from_text, read_object, text_at
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import first_links
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest

#: The only current value.
VERSION = "2024-11-06"

_SCHEMES = ("https", "data")

_SEED = (0, 4_294_967_295)

_WIDE_AND_HIGH = ("1280:720", "720:1280")

_GEN4_RATIOS = (*_WIDE_AND_HIGH, "1104:832", "960:960", "832:1104", "1584:672")

_HAPPYHORSE_RATIOS = (
    "1280:720",
    "720:1280",
    "960:960",
    "1108:832",
    "832:1108",
    "1920:1080",
    "1080:1920",
    "1440:1440",
    "1662:1248",
    "1248:1662",
)

_SEEDANCE_SMALL = (
    "992:432",
    "864:496",
    "752:560",
    "640:640",
    "560:752",
    "496:864",
    "1470:630",
    "1280:720",
    "1112:834",
    "960:960",
    "834:1112",
    "720:1280",
)

_SEEDANCE_LARGE = (
    "2206:946",
    "1920:1080",
    "1664:1248",
    "1440:1440",
    "1248:1664",
    "1080:1920",
    "3840:1646",
    "3840:2160",
    "3840:2880",
    "3840:3840",
    "2880:3840",
    "2160:3840",
)


def _seedance(*models: str, ratios: tuple[str, ...]) -> ModelFamily:
    """Reference pictures, sound and video are sent `raw`, because no document says how a prompt names them."""
    return ModelFamily(
        models=models,
        prompt_required=False,
        prompt_weight=None,
        prompt_characters=3500,
        ratios=ratios,
        duration_s=(4, 15),
        seed=_SEED,
        first_frame=True,
        first_frame_optional=True,
        last_frame=True,
        audio=True,
        image_schemes=_SCHEMES,
    )


CAPABILITIES = Capabilities(
    title="Runway",
    default_base_url="https://api.dev.runwayml.com",
    families=(
        ModelFamily(
            models=("gen4.5",),
            prompt_weight=None,
            prompt_characters=1000,
            ratios=_GEN4_RATIOS,
            text_ratios=_WIDE_AND_HIGH,
            duration_s=(2, 10),
            seed=_SEED,
            first_frame=True,
            first_frame_optional=True,
            required=("ratio", "duration"),
            image_schemes=_SCHEMES,
        ),
        ModelFamily(
            models=("gen4_turbo",),
            prompt_required=False,
            prompt_weight=None,
            prompt_characters=1000,
            ratios=_GEN4_RATIOS,
            durations=(5, 10),
            seed=_SEED,
            first_frame=True,
            required=("ratio",),
            image_schemes=_SCHEMES,
        ),
        ModelFamily(
            models=("veo3.1", "veo3.1_fast"),
            prompt_required=False,
            prompt_weight=None,
            prompt_characters=1000,
            ratios=(*_WIDE_AND_HIGH, "1080:1920", "1920:1080"),
            durations=(4, 6, 8),
            seed=_SEED,
            first_frame=True,
            first_frame_optional=True,
            last_frame=True,
            negative_prompt=1000,  # no limit is stated, so that of the prompt
            audio=True,
            required=("ratio",),
            image_schemes=_SCHEMES,
        ),
        ModelFamily(
            models=("happyhorse_1_0",),  # a later SDK writes it so too; a note of 2026-09-06 has `happyhorse1.0`
            prompt_required=False,
            prompt_weight=None,
            prompt_characters=2500,
            ratios=_HAPPYHORSE_RATIOS,
            ratio_for_text=True,
            resolutions=("720p", "1080p"),
            resolution_for_frame=True,
            first_frame=True,
            first_frame_optional=True,
            image_schemes=_SCHEMES,
        ),
        _seedance("seedance2", ratios=_SEEDANCE_SMALL + _SEEDANCE_LARGE),
        _seedance("seedance2_fast", "seedance2_mini", ratios=_SEEDANCE_SMALL),
    ),
    marker="[Image N]",
    callback=False,
    idempotency_s=None,
    retention_s=7 * 86_400.0,
    # "Not more often than every five seconds" for one task; the SDK's loop waits 6 s.
    poll=PollAdvice(every_s=6.0, floor_s=5.0),
    # No limit of requests is documented. Tasks above the one to five at once of a tier wait there as THROTTLED.
    budget=Budget(per_s=5.0, burst=10, submits_count=False),
    raw=RawPaths(
        pattern=r"/v1/(?!tasks\b|uploads\b|organization\b)[a-z0-9_]+(/[a-z0-9_-]+)*",
        accepted="a path such as /v1/text_to_video that creates a task",
    ),
)

STATES: StateWords = {
    "pending": TaskState.SUBMITTED,
    "throttled": TaskState.SUBMITTED,
    "running": TaskState.RUNNING,
    "succeeded": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
}

#: The other spelling.
OTHER_STATES: StateWords = {"canceled": TaskState.CANCELED}

ORIGIN = OriginPlaces(created=((("createdAt",), ms_from_text),))

#: A DELETE cancels in these states; in any other it destroys the task.
CANCELS_WHILE = frozenset({TaskState.SUBMITTED, TaskState.RUNNING})

#: "You do not have enough credits to run this task." comes as a 400.
_NO_CREDITS = "enough credits"


def _auth(account: Account) -> Headers:
    return (*bearer(account), ("x-runway-version", VERSION))


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        return post_json(account, request.path or "", request.body, auth=_auth(account))
    path = "/v1/image_to_video" if request.first_frame else "/v1/text_to_video"
    return post_json(account, path, _video_body(request), auth=_auth(account))


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = first_id(at(said.readable, "id"))
    if named and said.is_success:
        return receipt(named, text_at(said.readable, "status"), STATES)
    problem = find_error(reply, said.document)
    if problem is None:
        outcome: Refused | Uncertain = without_id("id")
    elif _is_without_credits(problem):
        outcome = refused_or_uncertain(problem, Refusal.QUOTA)
    else:
        outcome = submit_outcome(problem)
    return with_evidence(outcome, said, named, problem)


def _is_without_credits(problem: ErrorReply) -> bool:
    return problem.status == 400 and _NO_CREDITS in problem.error.message.lower()


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"/v1/tasks/{in_path(provider_task_id)}", auth=_auth(account))


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """A 404 in JSON means an unknown, a canceled or a deleted task."""
    document = read_object(reply.body)
    named, word = at(document, "id"), text_at(document, "status")
    if names_task(provider_task_id, named) and word and is_success(reply.status):
        return _observe(provider_task_id, document, account, reply.body)
    problem = find_error(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem:
        return poll_outcome(problem, reply)
    return other_task(reply, named) if id_text(named) and word else unusable(reply, "no id and status")


def parse_callback(_callback: Callback, _account: Account, _now_ms: int, /) -> Observation:
    raise UnreadableCallback("Runway does not call back")


def build_cancel(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return bodiless("DELETE", account, f"/v1/tasks/{in_path(provider_task_id)}", auth=_auth(account))


def parse_cancel(reply: HttpReply, /) -> CancelOutcome:
    """A 204 has no body. The SDK: such tasks "will not be able to be fetched again", so no poll shows the end."""
    document = read_object(reply.body)
    if reply.status == 204 or (is_success(reply.status) and not reply.body.strip()):
        return CanceledAtOnce(message="canceled; Runway does not know the task any more")
    problem = find_error(reply, document)
    if problem is None:
        return CanceledAtOnce(message="canceled; Runway does not know the task any more")
    if problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    return poll_outcome(problem, reply)


def _video_body(request: VideoRequest) -> dict[str, object]:
    resolution = request.resolution and request.resolution.lower()
    return present(
        model=request.model,
        promptText=request.prompt,
        promptImage=_pictures(request),
        ratio=request.ratio,
        resolution=resolution,
        duration=request.duration,
        negativePrompt=request.negative_prompt,
        audio=request.audio,
        seed=request.seed,
    )


def _pictures(request: VideoRequest) -> list[dict[str, str]] | None:
    placed = {"first": request.first_frame, "last": request.last_frame}
    return [{"uri": uri, "position": position} for position, uri in placed.items() if uri] or None


def _observe(
    provider_task_id: ProviderTaskId, document: JsonObject | None, account: Account, raw: bytes
) -> Observation:
    word = text_at(document, "status")
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=Source.POLL,
        raw_state=word,
        is_documented_state=is_documented,
        progress=_percent(at(document, "progress")),
        outputs=_outputs(document) if state is TaskState.SUCCEEDED else (),
        error=_reason(state, document),
        raw=capped(raw),
    )


def _percent(share: object) -> int | None:
    """`progress` is 0 to 1."""
    is_share = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    return int(share * 100) if is_share and isinstance(share, int | float) else None


def _outputs(document: JsonObject | None) -> tuple[Output, ...]:
    """Each query signs the links anew, for 24 to 48 hours; the end of that is not in the reply."""
    return tuple(Output(url=link.url, type=link.type) for link in first_links(document, ("output",), ("outputs",)))


def _reason(state: TaskState, document: JsonObject | None) -> TaskError | None:
    failure, code = text_at(document, "failure"), text_at(document, "failureCode")
    if state is TaskState.FAILED and (failure or code):
        return TaskError(code=code or "failed", message=failure or "the provider gave no reason")
    return reason(state, document)
