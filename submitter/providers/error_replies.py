"""Replies that are not a plain success: find the error, and turn it into the outcome of a submit. Pure.

An error is found in this order: HTTP status, readable JSON, `error` object, numeric `code` other than 0 and 200, `code`
as text other than `success`. What an error comes to for a poll is in `statuses`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from submitter.http.messages import HttpReply, is_success
from submitter.model import Refusal, Refused, TaskError, Uncertain
from submitter.providers.json_reader import JsonObject, at, first_text, text

#: The statuses with which a server says that it did not process the request (RFC 9110 section 15.5, RFC 6585). They
#: count in any body, because a proxy, load balancer or firewall that answers so by itself has passed nothing on: a page
#: of nginx for 404 or 413, a firewall's for 403. Every other status is uncertain unless an adapter's documents say
#: otherwise: 408 and 499 are time-outs that the server noticed, 409, 424 and 460 can follow work, and a 5xx can come
#: from a proxy that has passed the request on. Adapters replace single entries.
BY_STATUS: Mapping[int, Refusal] = {
    **dict.fromkeys((400, 404, 405, 410, 411, 412, 413, 414, 415, 417, 421, 422, 426, 428, 431), Refusal.INVALID),
    401: Refusal.DENIED,
    402: Refusal.QUOTA,
    403: Refusal.DENIED,
    407: Refusal.DENIED,
    429: Refusal.THROTTLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply:
    """A reply that reports an error."""

    #: The HTTP status; in a 2xx reply the numeric `code` of the body if it is 400 to 599.
    status: int
    error: TaskError
    retry_after_s: float | None = None


def find_error(reply: HttpReply, document: JsonObject | None) -> ErrorReply | None:
    """Return the error that a reply reports; None if status and envelope report success."""
    if not is_success(reply.status):
        return _error_reply(reply, document, reply.status)
    if document is None:
        return unreadable(reply)
    status = status_of_code(document.get("code"))
    if document.get("error") or status is not None:
        return _error_reply(reply, document, status or reply.status)
    return None


def status_of_code(code: object) -> int | None:
    """Return the HTTP status that a `code` stands for, 0 if none. None: no code, or one that means success."""
    word = text(code).lower()
    if code is None or word in {"0", "200", "success"} or code == "":
        return None
    return int(word) if word.isascii() and word.isdigit() and 400 <= int(word) <= 599 else 0


def unreadable(reply: HttpReply) -> ErrorReply:
    what = "is not the JSON object that the provider documents" if reply.is_complete else "is cut or damaged"
    error = TaskError(code="unreadable", message=f"the reply {what}")
    return ErrorReply(status=reply.status, error=error, retry_after_s=reply.retry_after_s)


def submit_outcome(
    problem: ErrorReply,
    *,
    by_code: Mapping[str, Refusal | None] = MappingProxyType({}),
    by_status: Mapping[int, Refusal] = BY_STATUS,
) -> Refused | Uncertain:
    """Return the outcome of a submit that was answered with an error.

    The code decides before the status, except for 5xx, 408, 429, 499 and redirects. What is in no table is uncertain.
    """
    refusal = by_status.get(problem.status)
    if problem.status not in {408, 429, 499} and (is_success(problem.status) or 400 <= problem.status < 500):
        refusal = by_code.get(problem.error.code, refusal)
    return refused_or_uncertain(problem, refusal)


def refused_or_uncertain(problem: ErrorReply, refusal: Refusal | None) -> Refused | Uncertain:
    if refusal is None:
        return Uncertain(reason=describe(problem))
    return Refused(refusal=refusal, error=problem.error, status=problem.status, retry_after_s=problem.retry_after_s)


def describe(problem: ErrorReply) -> str:
    return f"HTTP {problem.status}, {problem.error.code}: {problem.error.message}"


def _error_reply(reply: HttpReply, document: JsonObject | None, status: int) -> ErrorReply:
    """Read code and message in any documented envelope: `error{code,type,message}` or flat."""
    error = at(document, "error")
    code = first_text(at(error, "code"), at(error, "type"), at(document, "error_code"), at(document, "code"))
    message = first_text(at(error, "message"), error, at(document, "message"), at(document, "msg"))
    stated = TaskError(code=code or f"http_{status}", message=message or "the reply holds no readable error")
    return ErrorReply(status=status, error=stated, retry_after_s=reply.retry_after_s)
