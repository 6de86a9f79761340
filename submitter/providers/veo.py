"""Google Veo through the Gemini API: long-running operations without a state word, and files that need the key.

Sources, read 2026-11-26: the SDK googleapis/python-genai (2026-08-21: models.py, _operations_converters.py, types.py,
operations.py, _gaos/types/webhooks/webhook.py; the package google-genai 2.34.0 too) for fields and replies;
https://ai.google.dev/gemini-api/docs/video for run times, the two days of a file and the ten seconds between polls;
https://ai.google.dev/gemini-api/docs/webhooks for the event and its signature; hookdeck/webhook-skills,
skills/gemini-webhooks. google-genai 3 has no Veo for this API any more, only for the enterprise one.

Pitfalls: the name of an operation is a path, and is our id of the task; `done` with neither a sample nor an `error` is
a refusal of the safety filter in an HTTP 200; a file needs the key and is gone after 2 days. Pictures are sent as
base64, so only data URIs are taken. There is no field for sound, which is always made, and none for a seed: the SDK
refuses both for this API, although a survey names a seed. Reference pictures, 1080p and 4k need 8 seconds, which Google
checks. An operation cannot be canceled.
The webhook of a project reports good ends only, with a static secret by Standard Webhooks; the form of `data.id` is in
no document, so an event that names no operation is answered and not used. The webhook of a single request is not used,
because no document says whether its JWT covers the body.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, Headers, HttpCall, HttpReply, is_success
from submitter.model import (
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    Receipt,
    Refusal,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    TaskKey,
    TaskState,
)
from submitter.providers import standard_signature
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
from submitter.providers.error_replies import ErrorReply, find_error, submit_outcome
from submitter.providers.json_reader import (
    JsonObject,
    at,
    capped,
    first_text,
    http_url,
    items_at,
    origin,
    read_object,
    text,
    text_at,
    usable_id,
)
from submitter.providers.receipts import read_submit_reply, with_evidence, without_id
from submitter.providers.statuses import id_text, names_task, other_task, poll_outcome, unusable
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

_DATA_URI = re.compile(r"data:(image/[a-z]+);base64,(.*)", re.DOTALL)

_OPERATION = re.compile(r"models/[A-Za-z0-9][A-Za-z0-9._-]*/operations/[A-Za-z0-9][A-Za-z0-9._-]*")

_VIDEO_EVENT = "video.generated"

_FAMILY = ModelFamily(
    models=("veo-3.1-generate-preview", "veo-3.1-fast-generate-preview"),
    prompt_weight=None,  # the limit is in tokens
    ratios=("16:9", "9:16"),
    resolutions=("720p", "1080p", "4k"),
    durations=(4, 6, 8),
    reference_images=(0, 3),
    first_frame=True,
    first_frame_optional=True,
    last_frame=True,
    frames_exclude_references=True,
    negative_prompt=2_000,  # no limit is stated
    image_schemes=("data",),
)

CAPABILITIES = Capabilities(
    title="Google Veo",
    default_base_url="https://generativelanguage.googleapis.com/v1beta",
    families=(
        _FAMILY,
        replace(
            _FAMILY,
            models=("veo-3.1-lite-generate-preview",),
            resolutions=("720p", "1080p"),
            reference_images=None,
            frames_exclude_references=False,
        ),
    ),
    marker="[Image N]",
    callback=False,
    account_callback=True,
    account_callback_steps=(
        "Create a webhook of the project of the API key, as with `client.webhooks.create` of google-genai.",
        f'It needs this address as its `uri`, and ["{_VIDEO_EVENT}"] as its `subscribed_events`.',
        "Set its `new_signing_secret`, which is shown once, as the account's WEBHOOK_SECRET.",
    ),
    callback_secret=True,
    idempotency_s=None,
    retention_s=2 * 86_400.0,
    poll=PollAdvice(every_s=10.0, floor_s=10.0),
    # The limits depend on model and tier and were not read.
    budget=Budget(per_s=2.0, burst=5, submits_count=True),
    raw=RawPaths(
        pattern=r"/models/[A-Za-z0-9][A-Za-z0-9._-]*",
        accepted="/models/ and a model, to which :predictLongRunning is added",
    ),
)

#: https://ai.google.dev/gemini-api/docs/troubleshooting: a 400 of this status says that billing must be enabled or that
#: the region has no free tier. Google's APIs answer a wrong key with a 400 too, told by the `reason` of its details.
_REFUSAL_CODES: Mapping[str, Refusal | None] = {
    "FAILED_PRECONDITION": Refusal.DENIED,
    "API_KEY_INVALID": Refusal.DENIED,
}

#: google.rpc.Code, as in the `error` of an operation.
_GRPC_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)

#: Codes of ours for an end without a sample and without an error.
FILTERED, NO_VIDEO = "content_filtered", "no_video"


def _auth(account: Account) -> Headers:
    return (("x-goog-api-key", account.api_key), ("accept", "application/json"))


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        path, body = request.path or "", request.body
    else:
        path, body = f"/models/{in_path(request.model)}", _video_body(request)
    return post_json(account, f"{path}:predictLongRunning", body, auth=_auth(account))


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    said = read_submit_reply(reply)
    named = _operation(at(said.readable, "name"))
    if named and said.is_success:
        return Receipt(provider_task_id=named)
    problem = _problem(reply, said.document)
    outcome = submit_outcome(problem, by_code=_REFUSAL_CODES) if problem else without_id("name of an operation")
    return with_evidence(outcome, said, named, problem)


def _operation(value: object) -> ProviderTaskId | None:
    """The name of an operation in its documented form, which is safe as a path; None for anything else."""
    found = usable_id(value)
    return found if found and _OPERATION.fullmatch(found) else None


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    """An id in another form, as from an operator, is one segment of the path."""
    path = provider_task_id if _operation(provider_task_id) else in_path(provider_task_id)
    return get(account, f"/{path}", auth=_auth(account))


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    document = read_object(reply.body)
    named = at(document, "name")
    if document is not None and names_task(provider_task_id, named) and is_success(reply.status):
        return _observe(provider_task_id, document, account, reply.body)
    problem = _problem(reply, document)
    if problem and problem.status == 404 and document is not None:
        return NotFound(raw=capped(reply.body))
    if problem and problem.status == 400 and problem.error.code == "API_KEY_INVALID":
        return poll_outcome(replace(problem, status=401), reply)
    if problem:
        return poll_outcome(problem, reply)
    return other_task(reply, named) if id_text(named) else unusable(reply, "no name, which is the id of an operation")


def _problem(reply: HttpReply, document: JsonObject | None) -> ErrorReply | None:
    """The error of a reply, with Google's word for it as the code."""
    problem = find_error(reply, document)
    error = at(document, "error")
    reasons = [text_at(each, "reason") for each in items_at(error, "details")]
    word = "API_KEY_INVALID" if "API_KEY_INVALID" in reasons else text_at(error, "status")
    return replace(problem, error=replace(problem.error, code=word)) if problem and word else problem


def parse_callback(callback: Callback, account: Account, now_ms: int, /) -> Observation:
    """An event of a good end, which is thin: the poll brings the file."""
    verified = standard_signature.verify(callback, account, now_ms)
    event = read_object(callback.body)
    found = _operation(at(event, "data", "id"))
    if text_at(event, "type") != _VIDEO_EVENT or found is None:
        raise UnreadableCallback(f"not an event {_VIDEO_EVENT} with the name of an operation as data.id")
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=found),
        state=TaskState.SUCCEEDED,
        source=Source.CALLBACK,
        raw_state=_VIDEO_EVENT,
        without_result=True,
        signature_verified=verified,
        raw=capped(callback.body),
    )


def challenge_answer(callback: Callback, /) -> Mapping[str, str] | None:
    """Other events of the project, its ping, and events that name no operation report no task: 2xx, and nothing more.

    Google would repeat them for 24 hours and then disable the webhook.
    """
    event = read_object(callback.body)
    kind = text_at(event, "type")
    is_about_task = kind == _VIDEO_EVENT and _operation(at(event, "data", "id")) is not None
    return {} if kind and not is_about_task else None


def build_download(output: Output, account: Account, /) -> HttpCall:
    """Only a call to the origin of the base URL carries the key."""
    is_own = origin(output.url) is not None and origin(output.url) == origin(account.base_url)
    return HttpCall(method="GET", url=output.url, headers=_auth(account)[:1] if is_own else ())


def _video_body(request: VideoRequest) -> dict[str, object]:
    assets = [{"image": _picture(uri), "referenceType": "asset"} for uri in request.reference_images]
    instance = present(
        prompt=prompt_as_sent(request, "[Image N]"),
        image=_picture(request.first_frame),
        lastFrame=_picture(request.last_frame),
        referenceImages=assets or None,
    )
    parameters = present(
        aspectRatio=request.ratio,
        resolution=request.resolution and request.resolution.lower(),
        durationSeconds=request.duration,
        negativePrompt=request.negative_prompt,
    )
    return {"instances": [instance], **present(parameters=parameters)}


def _picture(uri: str | None) -> dict[str, str] | None:
    found = _DATA_URI.fullmatch(uri or "")
    return {"bytesBase64Encoded": found[2], "mimeType": found[1]} if found else None


def _observe(provider_task_id: ProviderTaskId, document: JsonObject, account: Account, raw: bytes) -> Observation:
    done = document.get("done")
    seen = Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=TaskState.RUNNING,
        source=Source.POLL,
        raw_state="done" if done is True else "not done",
        is_documented_state=done is None or isinstance(done, bool),
        raw=capped(raw),
    )
    if done is not True:
        return seen
    if document.get("error"):
        return replace(seen, state=TaskState.FAILED, error=_stated(document["error"]))
    outputs = tuple(_outputs(document))
    if outputs or any(_samples(document)):
        return replace(seen, state=TaskState.SUCCEEDED, outputs=outputs)
    if set(_members(document)) - {"generateVideoResponse", "@type"}:  # a result in a form of no document
        return replace(seen, state=TaskState.SUCCEEDED, is_documented_state=False)
    return replace(seen, state=TaskState.FAILED, error=_withheld(document))


def _members(document: JsonObject) -> JsonObject:
    response = document.get("response")
    return response if isinstance(response, dict) else {}


def _samples(document: JsonObject) -> Iterator[object]:
    """The second place is that of the SDK's own names."""
    yield from items_at(document, "response", "generateVideoResponse", "generatedSamples")
    yield from items_at(document, "response", "generatedVideos")


def _outputs(document: JsonObject) -> Iterator[Output]:
    for sample in _samples(document):
        if url := http_url(at(sample, "video", "uri")):
            yield Output(url=url)


def _stated(error: object) -> TaskError:
    number = at(error, "code")
    is_known = isinstance(number, int) and not isinstance(number, bool) and 0 < number < len(_GRPC_CODES)
    word = _GRPC_CODES[number] if is_known and isinstance(number, int) else text(number)
    code = text_at(error, "status") or word or "failed"
    message = first_text(at(error, "message"), error)
    return TaskError(code=code, message=message or "the provider gave no reason")


def _withheld(document: JsonObject) -> TaskError:
    """`done` with neither a sample nor an error: the safety filter withheld the video, which is not charged."""
    told = at(document, "response", "generateVideoResponse")
    reasons = [found for found in map(text, items_at(told, "raiMediaFilteredReasons")) if found]
    if reasons or at(told, "raiMediaFilteredCount"):
        message = text("; ".join(reasons)) or "the safety filter withheld the video"
        return TaskError(code=FILTERED, message=message)
    return TaskError(code=NO_VIDEO, message="the operation is done and has neither a video nor a reason")
