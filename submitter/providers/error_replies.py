"""Replies that are not a plain success: find the error, and turn it into the outcome of a submit or a poll. Pure.

Every adapter checks in this order: HTTP status, readable JSON, `error` object, numeric `code` other than 0 and 200,
`code` as text other than `success`. Only then it reads the task. Which reply means that the provider does not know the
task is in each adapter (`NotFound`); what that means for the task is in `receiver.reconcile.model.decisions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from submitter.http.messages import HttpReply, is_success
from submitter.model import Denied, Refusal, Refused, TaskError, Throttled, Unavailable, Uncertain
from submitter.providers.json_reader import JsonObject, at, first_text, text

#: A 4xx means that nothing was created, except 408, a timeout that the server noticed, and 499, with which nginx notes
#: that the client closed the connection. Adapters replace single entries.
BY_STATUS: Mapping[int, Refusal] = {
    **dict.fromkeys((status for status in range(400, 500) if status not in {408, 499}), Refusal.INVALID),
    401: Refusal.DENIED,
    402: Refusal.QUOTA,
    403: Refusal.DENIED,
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


def poll_outcome(problem: ErrorReply) -> Throttled | Denied | Unavailable:
    """Return the outcome of a poll that was answered with an error; it says nothing about the task."""
    if problem.status in {401, 403}:
        return Denied(status=problem.status, message=problem.error.message)
    if problem.status == 429:
        return Throttled(retry_after_s=problem.retry_after_s)
    return Unavailable(reason=describe(problem), retry_after_s=problem.retry_after_s)


def describe(problem: ErrorReply) -> str:
    return f"HTTP {problem.status}, {problem.error.code}: {problem.error.message}"


def other_task(reply_id: str) -> Unavailable:
    return Unavailable(reason=f"the reply names task {reply_id!r}, which is not the requested one")


def task_error(code: object, message: object) -> TaskError:
    """Return why a task failed, with our own words where the provider gives none."""
    return TaskError(code=first_text(code) or "failed", message=first_text(message) or "the provider gave no reason")


def _error_reply(reply: HttpReply, document: JsonObject | None, status: int) -> ErrorReply:
    """Read code and message in any documented envelope: `error{code,type,message}` or flat."""
    error = at(document, "error")
    code = first_text(at(error, "code"), at(error, "type"), at(document, "error_code"), at(document, "code"))
    message = first_text(at(error, "message"), error, at(document, "message"), at(document, "msg"))
    stated = TaskError(code=code or f"http_{status}", message=message or "the reply holds no readable error")
    return ErrorReply(status=status, error=stated, retry_after_s=reply.retry_after_s)
