"""Every error answer: RFC 9457 `application/problem+json`, made from a value in one place.

The table `Kind` maps what went wrong to a status; no handler picks a status. A detail is written for the caller: it
holds no secret, no stack and nothing about our inside.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from submitter import api
from submitter.errors import Violation

MEDIA_TYPE = "application/problem+json"

_TYPE = "urn:whenfinal:problem:"

FULL_RETRY_S = 5.0  # a wait ends within a minute, so slots are free again soon

SHOWN_CHARACTERS = 200  # of the caller's own text in an answer

MOST_ERRORS = 50  # in one answer

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Kind(Enum):
    """What went wrong: name in `type`, status, title."""

    MALFORMED = ("malformed-request", 400, "The request cannot be read")
    INVALID = ("invalid-request", 422, "The request breaks a rule")
    UNAUTHENTICATED = ("unauthenticated", 401, "No valid key was given")
    NOT_OURS = ("callback-not-ours", 401, "The callback carries neither our token nor a right signature")
    OUT_OF_QUOTA = ("provider-quota", 402, "The provider says that the account has no credit left")
    FORBIDDEN = ("scope-missing", 403, "The key does not have the scope for this")
    OUTSIDE_LIMITS = ("outside-limits", 403, "The key is limited, and this lies outside of its limits")
    ORIGIN = ("origin-not-allowed", 403, "Pages of this origin may not read the API")
    HEAD_TOO_SLOW = ("head-too-slow", 408, "The head of the request did not come in time")
    HEAD_TOO_LARGE = ("head-too-large", 431, "The head of the request is too large")
    NOT_FOUND = ("not-found", 404, "There is no such thing here")
    METHOD = ("method-not-allowed", 405, "The address does not take this method")
    TOO_SLOW = ("body-too-slow", 408, "The body did not come in time")
    CURSOR_EXPIRED = ("cursor-expired", 410, "The events after the cursor are not stored")
    CONFLICT = ("conflict", 409, "The state of things does not allow this")
    TOO_LARGE = ("too-large", 413, "The body is too large")
    MEDIA = ("unsupported-media-type", 415, "The body is of a type that is not taken here")
    KEY_REUSED = ("idempotency-key-reused", 422, "The Idempotency-Key was used for another request")
    PROVIDER_INVALID = ("provider-refused", 422, "The provider refused the request as invalid")
    PROVIDER_DENIED = ("provider-denied", 503, "The provider denied our key")
    PROVIDER_THROTTLED = ("provider-throttled", 503, "The provider takes no more requests at the moment")
    PROVIDER_UNAVAILABLE = ("provider-unavailable", 503, "The provider was not able to take the request")
    NO_ROOM = ("no-room", 503, "The account has no room, and the request does not wait in the queue")
    UNAVAILABLE = ("unavailable", 503, "The ledger cannot be used at the moment; nothing was changed")
    NO_KEYS = ("provider-keys-unavailable", 503, "The provider's public keys cannot be fetched at the moment")
    STREAMS_FULL = ("streams-full", 503, "As many streams and waits are open as this process takes")
    BODIES_FULL = ("bodies-full", 503, "As many bodies are being read as this process takes; nothing was changed")
    STOPPING = ("stopping", 503, "The service is stopping, and may or may not have carried this out")
    INTERNAL = ("internal", 500, "Something broke on our side")
    OTHER = ("other", 0, "")

    @property
    def status(self) -> int:
        return self.value[1]


@dataclass(eq=False)
class Problem(Exception):
    """An error answer before it is written. A handler that raises it ends the request with it."""

    kind: Kind
    detail: str | None = None
    errors: tuple[Violation, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The path of what the problem is about.
    instance: str | None = None
    #: Further members as JSON values, by their names in `submitter.api.Problem`, in its order.
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: Replaces the status of the kind, for what the framework refuses by itself.
    status: int | None = None


def invalid(kind: Kind, *violations: Violation, detail: str | None = None) -> Problem:
    """Return the problem of broken rules; its detail has a sentence for each, up to `MOST_ERRORS`."""
    shown = violations[:MOST_ERRORS]
    text = detail or " ".join(f"{violation}." for violation in shown)
    return Problem(kind, text[: 5 * SHOWN_CHARACTERS], errors=shown)


def with_retry_after(problem: Problem, retry_after_s: float) -> Problem:
    """Add `Retry-After` in whole seconds, rounded up, at least one."""
    seconds = max(1, math.ceil(min(retry_after_s, 86_400)))
    return replace(problem, headers={**problem.headers, "Retry-After": str(seconds)})


def not_found(what: str) -> Problem:
    return Problem(Kind.NOT_FOUND, f"There is no {what} of that id.")


def streams_full() -> Problem:
    detail = "WHENFINAL_STREAMS_MAX is the limit. Try again later, or send the request without a wait."
    return with_retry_after(Problem(Kind.STREAMS_FULL, detail), FULL_RETRY_S)


def members_of(problem: Problem, request_id: str) -> dict[str, Any]:
    """The body of the answer. Absent members are left out."""
    name, status, title = problem.kind.value
    if problem.status is not None:
        status, title = problem.status, title or HTTPStatus(problem.status).phrase
    members = {
        "type": "about:blank" if problem.kind is Kind.OTHER else _TYPE + name,
        "title": title,
        "status": status,
        "detail": problem.detail,
        "instance": problem.instance,
        "errors": [api.FieldError.model_validate(violation).json_values() for violation in problem.errors] or None,
        **problem.extra,
        "request_id": request_id,
    }
    return {name: value for name, value in members.items() if value is not None}


def to_response(problem: Problem, request_id: str) -> Response:
    members = members_of(problem, request_id)
    return Response(
        to_json(members),
        status_code=members["status"],
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **problem.headers},
    )


def to_json(value: object) -> bytes:
    """Encode JSON values. A lone surrogate, which a provider may have sent, becomes a question mark."""
    return _encode(value).encode("utf-8", errors="replace")
