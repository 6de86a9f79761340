"""TokenBay: a gateway very likely of the new-api family [inferred], with its own places for the parameters.

Sources, read 2026-11-21: https://tokenbay.com/docs/reference/video/happyhorse (seed 004) for fields, limits, states,
the polling advice and the error within HTTP 200; https://tokenbay.com/docs/reference/errors for the statuses.

Pitfalls: 200 with `error`; an unknown task is a 400; no money is a 403; `result_url` is a path of the gateway's own
content route, which requires the key; `progress` is a number in the receipt and text in the query. The site advises to
give up after five minutes; we set no such limit, because the upstream can take that long.
"""

from collections.abc import Mapping
from dataclasses import replace

from submitter.http.messages import HttpCall, HttpReply
from submitter.model import Refusal, SubmitOutcome
from submitter.providers.calls import post_json, present
from submitter.providers.contract import Account, Capabilities, PollAdvice, SubmitContext
from submitter.providers.error_replies import ErrorReply
from submitter.providers.happyhorse import IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO, TEXT_TO_VIDEO, media
from submitter.providers.json_reader import JsonObject, at
from submitter.providers.newapi import (
    BUDGET,
    RAW,
    ROUTE_OPTIONS,
    build_download,
    build_status,
    parse_callback,
    parse_status,
    raw_submit,
    read_receipt,
    route,
)
from submitter.providers.newapi_refusals import refusal_of
from submitter.request import RawRequest, VideoRequest, prompt_as_sent

__all__ = [
    "CAPABILITIES",
    "build_download",
    "build_status",
    "build_submit",
    "parse_callback",
    "parse_receipt",
    "parse_status",
]

CAPABILITIES = Capabilities(
    title="TokenBay",
    default_base_url="https://api.tokenbay.com",
    families=(
        replace(TEXT_TO_VIDEO, models=("happyhorse-1.0-t2v",)),
        replace(IMAGE_TO_VIDEO, models=("happyhorse-1.0-i2v",)),
        replace(REFERENCE_TO_VIDEO, models=("happyhorse-1.0-r2v",), reference_types=("subject", "style")),
    ),
    marker="[Image N]",
    callback=False,
    idempotency_s=None,
    retention_s=86_400.0,  # not stated; assumed as for the upstream
    # Typical runs take 100 to 150 s; every 10 to 15 s, never below 5 s.
    poll=PollAdvice(every_s=12.0, floor_s=5.0),
    budget=BUDGET,
    options=ROUTE_OPTIONS,
    raw=RAW,
)


_BEFORE_UPSTREAM: Mapping[int, Refusal] = {501: Refusal.INVALID, 503: Refusal.UNAVAILABLE}


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    if isinstance(request, RawRequest):
        return raw_submit(request, account)
    return post_json(account, route(account), _video_body(request))


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    return read_receipt(reply, refusal=_refusal)


def _refusal(problem: ErrorReply, document: JsonObject | None) -> Refusal | None:
    """Return what a reply refuses by TokenBay's errors page (read 2026-11-26), else by the family's rules.

    The page lists for 503 no channel, an overload of its own system and no key in the channel, for 501 a missing
    interface: all before anything is passed on. A 500 can be of the upstream. Its `type` and `code` are texts.
    """
    error = at(document, "error")
    is_own = isinstance(at(error, "type"), str) or isinstance(at(error, "code"), str)
    if is_own and problem.status in _BEFORE_UPSTREAM and "upstream" not in problem.error.message.lower():
        return _BEFORE_UPSTREAM[problem.status]
    return refusal_of(problem, document)


def _video_body(request: VideoRequest) -> dict[str, object]:
    """The documented field of a first frame is `input_reference`, not an entry of `metadata.input.media`."""
    pictures = media(request) if request.reference_images else None
    return present(
        model=request.model,
        prompt=prompt_as_sent(request, "[Image N]"),
        size=request.resolution and request.resolution.upper(),
        duration=request.duration,
        input_reference=request.first_frame,
        metadata=present(
            ratio=request.ratio,
            watermark=request.watermark,
            seed=request.seed,
            reference_type=request.reference_type,
            input=present(media=pictures),
        ),
    )
