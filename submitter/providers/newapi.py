"""The new-api gateways: the code that ModelStream and TokenBay share, and an adapter for any other such gateway.

What a status says is in `newapi_statuses`.

Sources, read 2026-11-21: https://docs.newapi.pro/en/docs/api/ai-model/videos/ for the published shapes; the source of
QuantumNous/new-api (router/video-router.go, dto/task.go, dto/openai_video.go, relay/relay_task.go, the Ali adaptor,
service/task_polling.go, controller/video_proxy.go) for the others; ModelStream's page (seed 000) for the body, which
the Ali adaptor merges into its upstream request; https://tokenbay.com/docs/reference/ for errors within 200.

What bites: `code` is a number, a numeric text or a word. No list, no cancel, no callback, no idempotency key.
"""

from collections.abc import Callable, Mapping

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply
from submitter.model import Observation, Output, ProviderTaskId, Refusal, SubmitOutcome
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
    refused_or_uncertain,
)
from submitter.providers.happyhorse import IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO, TEXT_TO_VIDEO, media
from submitter.providers.json_reader import (
    JsonObject,
    at,
    first_text,
)
from submitter.providers.newapi_refusals import refusal_of
from submitter.providers.newapi_statuses import STATES, is_own, parse_status
from submitter.providers.receipts import SubmitReply, first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

__all__ = [
    "BUDGET",
    "CAPABILITIES",
    "RAW",
    "ROUTES",
    "ROUTE_OPTIONS",
    "STATES",
    "build_download",
    "build_status",
    "build_submit",
    "is_own",
    "parse_callback",
    "parse_receipt",
    "parse_status",
    "raw_submit",
    "route",
    "sample_body",
]

#: The two names of the same routes; a gateway can answer in a different shape on each.
ROUTES: Mapping[str, str] = {"generations": "/v1/video/generations", "videos": "/v1/videos"}

ROUTE_OPTIONS: Mapping[str, tuple[str, ...]] = {"route": ("generations", "videos")}

RAW = RawPaths(default=ROUTES["generations"])

#: No gateway publishes a limit; two requests a second are little for a gateway with many users.
BUDGET = Budget(per_s=2.0, burst=20, submits_count=True)

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
    poll=PollAdvice(every_s=15.0, floor_s=5.0),
    budget=BUDGET,
    options=ROUTE_OPTIONS,
    raw=RAW,
)


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


def parse_callback(_callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    raise UnreadableCallback(f"{account.name} does not call back")


def build_download(output: Output, account: Account, /) -> HttpCall:
    """Only a call to the origin of the base URL carries the key, whatever the output claims."""
    headers = bearer(account)[:1] if is_own(output.url, account) else ()
    return HttpCall(method="GET", url=output.url, headers=headers)
