"""Replies that are no plain success: what they say, and what a submit or a question makes of it.

The order of the checks is that of every adapter: HTTP status, readable JSON, `error` object, numeric `code` other than
0 and 200, word `code` other than `success`. Only after these does an adapter look for a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from submitter.http.messages import HttpReply
from submitter.model import Denied, Refusal, Refused, TaskError, Throttled, Unavailable, Uncertain
from submitter.providers.json_reader import JsonObject, at, first_text, retry_after_s, text

#: 4xx means surely not created (rule 2 of the design) but for two: a time-out that the server noticed, and a client
#: that a proxy gave up on (499, nginx). Adapters replace single lines.
BY_STATUS: Mapping[int, Refusal] = {
    **dict.fromkeys((status for status in range(400, 500) if status not in {408, 499}), Refusal.INVALID),
    401: Refusal.DENIED,
    402: Refusal.QUOTA,
    403: Refusal.DENIED,
    429: Refusal.THROTTLED,
}

NO_CODES: Mapping[str, Refusal | None] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`status` is HTTP's, or within a 2xx the numeric `code` where that lies in 400-599."""

    status: int
    error: TaskError
    retry_after_s: float | None = None


def is_2xx(status: int) -> bool:
    return 200 <= status < 300


def fault_in(reply: HttpReply, document: JsonObject | None) -> Fault | None:
    """None where the envelope says that all is well."""
    if not is_2xx(reply.status):
        return _fault(reply, document, reply.status)
    if document is None:
        return unreadable(reply)
    status = status_of_code(document.get("code"))
    if document.get("error") or status is not None:
        return _fault(reply, document, status or reply.status)
    return None


def status_of_code(code: object) -> int | None:
    """None for a code that means success or is absent; else the status it stands for, 0 where it stands for none."""
    word = text(code).lower()
    if code is None or word in {"0", "200", "success"} or code == "":
        return None
    return int(word) if word.isascii() and word.isdigit() and 400 <= int(word) <= 599 else 0


def unreadable(reply: HttpReply) -> Fault:
    error = TaskError(code="unreadable", message="the reply is not the JSON object that the provider documents")
    return Fault(status=reply.status, error=error, retry_after_s=retry_after_s(reply))


def refuse(
    fault: Fault,
    *,
    by_code: Mapping[str, Refusal | None] = NO_CODES,
    by_status: Mapping[int, Refusal] = BY_STATUS,
) -> Refused | Uncertain:
    """A code decides before its status, but never for 5xx, 408, 429 and redirects. What no table names is uncertain."""
    refusal = by_status.get(fault.status)
    if fault.status not in {408, 429, 499} and (is_2xx(fault.status) or 400 <= fault.status < 500):
        refusal = by_code.get(fault.error.code, refusal)
    return refused_or_uncertain(fault, refusal)


def refused_or_uncertain(fault: Fault, refusal: Refusal | None) -> Refused | Uncertain:
    if refusal is None:
        return Uncertain(reason=in_words(fault))
    return Refused(refusal=refusal, error=fault.error, status=fault.status, retry_after_s=fault.retry_after_s)


def no_statement(fault: Fault) -> Throttled | Denied | Unavailable:
    """What a question came to that was not answered: nothing here speaks of the task."""
    if fault.status in {401, 403}:
        return Denied(status=fault.status, message=fault.error.message)
    if fault.status == 429:
        return Throttled(retry_after_s=fault.retry_after_s)
    return Unavailable(reason=in_words(fault), retry_after_s=fault.retry_after_s)


def in_words(fault: Fault) -> str:
    return f"HTTP {fault.status}, {fault.error.code}: {fault.error.message}"


def other_task(reply_id: str) -> Unavailable:
    return Unavailable(reason=f"the reply names task {reply_id!r}, which is not the one asked for")


def task_error(code: object, message: object) -> TaskError:
    """Why a task failed, with our own words where the provider gives none."""
    return TaskError(code=first_text(code) or "failed", message=first_text(message) or "the provider gave no reason")


def _fault(reply: HttpReply, document: JsonObject | None, status: int) -> Fault:
    return Fault(status=status, error=stated_error(document, status), retry_after_s=retry_after_s(reply))


def stated_error(document: JsonObject | None, status: int) -> TaskError:
    """The words of an error reply; one reading serves every envelope: `error{code,type,message}` and the flat ones."""
    error = at(document, "error")
    code = first_text(at(error, "code"), at(error, "type"), at(document, "error_code"), at(document, "code"))
    message = first_text(at(error, "message"), error, at(document, "message"), at(document, "msg"))
    return TaskError(code=code or f"http_{status}", message=message or "the reply holds no readable error")
