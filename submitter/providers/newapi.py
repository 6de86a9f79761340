"""The new-api gateways: the code that ModelStream and TokenBay share, and an adapter for any other such gateway.

What a status says is in `newapi_statuses`.

Sources, read 2026-11-21: https://docs.newapi.pro/en/docs/api/ai-model/videos/ for the published shapes; the source of
QuantumNous/new-api (router/video-router.go, dto/task.go, dto/openai_video.go, relay/relay_task.go, the Ali adaptor,
service/task_polling.go, controller/video_proxy.go) for the others; ModelStream's page (seed 000) for the body, which
the Ali adaptor merges into its upstream request; https://tokenbay.com/docs/reference/ for errors within 200.

What bites: `code` is a number, a numeric text or a word. No list, no cancel, no callback, no idempotency key.
"""

from collections.abc import Mapping

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import Observation, Output, ProviderTaskId, Receipt, Refusal, SubmitOutcome, Uncertain
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
    BY_STATUS,
    ErrorReply,
    find_error,
    refused_or_uncertain,
)
from submitter.providers.happyhorse import IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO, TEXT_TO_VIDEO, media
from submitter.providers.json_reader import (
    JsonObject,
    at,
    first_text,
    read_object,
    text_at,
    usable_id,
    waiting_or_running,
)
from submitter.providers.newapi_statuses import STATES, is_own, parse_status
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

#: What a part of an error's code or type means, checked in this order. None: the upstream may have accepted the task.
_CODE_WORDS: tuple[tuple[str, Refusal | None], ...] = (
    ("timeout", None),
    ("internal", None),
    ("server_error", None),
    ("do_request_failed", None),
    ("bad_response", None),
    ("rate_limit", Refusal.THROTTLED),
    ("too_many", Refusal.THROTTLED),
    ("saturat", Refusal.THROTTLED),
    ("overload", Refusal.THROTTLED),
    ("quota", Refusal.QUOTA),
    ("balance", Refusal.QUOTA),
    ("api_key", Refusal.DENIED),
    ("invalid_token", Refusal.DENIED),
    ("authenticat", Refusal.DENIED),
    ("unauthorized", Refusal.DENIED),
    ("denied", Refusal.DENIED),
    ("forbidden", Refusal.DENIED),
    ("permission", Refusal.DENIED),
    ("banned", Refusal.DENIED),
)

#: A 403 means no money as often as no rights; these words in its message mean no money.
_QUOTA_WORDS = ("quota", "balance", "额度", "余额")


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        return raw_submit(request, account)
    return post_json(account, route(account), sample_body(request))


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


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    """Accepts `{task_id,status}`, the OpenAI form with `id`, and either under `data`."""
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem:
        return refused_or_uncertain(problem, _refusal(problem, document))
    ids = (at(document, "task_id"), at(document, "id"), at(document, "data", "task_id"), at(document, "data", "id"))
    found = next((usable for usable in map(usable_id, ids) if usable), None)
    if found is None:
        return Uncertain(reason="accepted without a readable task_id or id")
    word = first_text(at(document, "status"), at(document, "data", "status"))
    return Receipt(provider_task_id=found, state=waiting_or_running(word, STATES), raw_state=word)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    return get(account, f"{route(account)}/{in_path(provider_task_id)}")


def parse_callback(_callback: Callback, account: Account, _now_ms: int, /) -> Observation:
    raise UnreadableCallback(f"{account.name} does not call back")


def build_download(output: Output, account: Account, /) -> HttpCall:
    """Only a call to the origin of the base URL carries the key, whatever the output claims."""
    headers = bearer(account)[:1] if is_own(output.url, account) else ()
    return HttpCall(method="GET", url=output.url, headers=headers)


def _refusal(problem: ErrorReply, document: JsonObject | None) -> Refusal | None:
    """A 4xx and the documented error within 200 mean that nothing was created; 5xx, 408 and redirects do not."""
    if problem.status == 429:
        return Refusal.THROTTLED
    if problem.status not in BY_STATUS and not is_success(problem.status):
        return None
    by_default = BY_STATUS.get(problem.status, Refusal.INVALID if at(document, "error") else None)
    if problem.status == 403 and any(word in problem.error.message.lower() for word in _QUOTA_WORDS):
        by_default = Refusal.QUOTA
    return _by_code(problem.error.code, text_at(document, "error", "type"), by_default)


def _by_code(code: str, kind: str, otherwise: Refusal | None) -> Refusal | None:
    said = f"{code} {kind}".lower()
    return next((refusal for part, refusal in _CODE_WORDS if part in said), otherwise)
