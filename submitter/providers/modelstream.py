"""ModelStream: a gateway of the new-api family [inferred] that publishes one page and no query.

Sources, read 2026-11-21: the page of happyhorse-1.0-r2v (seed 000) for fields, limits, body and receipt;
https://modelstream.ai/docs/billing for 402 and 403. The form on that page names `images`, `ratio` and `resolution`, the
sample on the same page has none of them at top level: we send the sample's shape, since new-api reads that. Queries,
state words, errors and downloads are new-api's, see `newapi`. Only the reference model has a page; others go `raw`.
"""

from dataclasses import replace

from submitter.http.messages import HttpCall
from submitter.providers.calls import post_json
from submitter.providers.contract import Account, Capabilities, PollAdvice, SubmitContext
from submitter.providers.happyhorse import REFERENCE_TO_VIDEO
from submitter.providers.newapi import (
    BUDGET,
    RAW,
    ROUTE_OPTIONS,
    build_download,
    build_status,
    parse_callback,
    parse_receipt,
    parse_status,
    raw_submit,
    route,
    sample_body,
)
from submitter.request import RawRequest, VideoRequest

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
    title="ModelStream",
    default_base_url="https://api.modelstream.ai",
    families=(replace(REFERENCE_TO_VIDEO, models=("happyhorse-1.0-r2v",)),),
    marker="[Image N]",
    callback=False,
    idempotency_s=None,
    retention_s=86_400.0,  # not stated; the upstream link of a success lives 24 h
    # Nothing is published; the family's gateways poll their upstream about every 15 s; the model takes 1 to 5 minutes.
    poll=PollAdvice(every_s=15.0, floor_s=5.0),
    budget=BUDGET,
    options=ROUTE_OPTIONS,
    raw=RAW,
)


def build_submit(request: VideoRequest | RawRequest, account: Account, _context: SubmitContext, /) -> HttpCall:
    """The sample's body and nothing else: `ratio` is under `metadata.parameters`, `reference_type` does not exist."""
    if isinstance(request, RawRequest):
        return raw_submit(request, account)
    return post_json(account, route(account), sample_body(request))
