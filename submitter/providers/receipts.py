"""What the reply to a submit proves, however odd it is. Pure.

An id in its documented place proves that the task was created, whatever stands beside it: another success code, an
`error` object, a failure of the task at once. In a 2xx it makes a receipt; in any other reply it makes the submit
uncertain and is kept, so that a person can settle the task with it. "Refused" takes a documented refusal.
"""

from dataclasses import dataclass, replace

from submitter.http.messages import HttpReply, is_success
from submitter.model import ProviderTaskId, Receipt, Refused, Uncertain
from submitter.providers.cut_json import read_start
from submitter.providers.error_replies import ErrorReply
from submitter.providers.json_reader import (
    JsonObject,
    StateWords,
    at,
    capped,
    read_object,
    usable_id,
    waiting_or_running,
)

_SUCCESS_CODES = frozenset({"", "ok", "success", "succeeded", "created", "accepted", "submitted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReply:
    """The reply to a submit as its adapter reads it."""

    reply: HttpReply
    #: The whole body as JSON; None where it cannot be read to its end.
    document: JsonObject | None
    #: The same, or what is readable of a body that is cut or broken. Good for the id and its state, not for a refusal.
    readable: JsonObject | None

    @property
    def is_success(self) -> bool:
        return is_success(self.reply.status)


def read_submit_reply(reply: HttpReply) -> SubmitReply:
    document = read_object(reply.body)
    # Where a byte is not UTF-8 the id is read from text in which that byte shows: an id that lost one is not the id.
    is_clean = document is not None and _is_utf8(reply.body)
    return SubmitReply(reply=reply, document=document, readable=document if is_clean else read_start(reply.body))


def first_id(*places: object) -> ProviderTaskId | None:
    """Return the first usable id of the documented places, a text before a number.

    All documents show texts. A positive whole number is taken for its digits; beside a text it can be the row of a
    table.
    """
    numbers = [str(value) for value in places if type(value) is int and 0 < value < 10**20]
    return next((usable for usable in map(usable_id, (*places, *numbers)) if usable), None)


def receipt(provider_task_id: ProviderTaskId, word: str, words: StateWords) -> Receipt:
    """Return the receipt of a created task. A word that ends the task waits for a poll, which brings the reason."""
    return Receipt(provider_task_id=provider_task_id, state=waiting_or_running(word, words), raw_state=word)


def without_id(place: str) -> Uncertain:
    """The outcome of a 2xx that reports no error and names no task."""
    return Uncertain(reason=f"accepted without a readable {place}")


def with_evidence(
    outcome: Refused | Uncertain, said: SubmitReply, named: ProviderTaskId | None, problem: ErrorReply | None
) -> Refused | Uncertain:
    """Return the outcome of a reply that is no receipt, with the reply's bytes and the id that it names all the same.

    A refusal that names a task is none: the task was created.
    """
    raw = capped(said.reply.body)
    if isinstance(outcome, Refused):
        if named is None:
            return replace(outcome, raw=raw)
        reason = f"HTTP {said.reply.status}, {outcome.error.code}: {outcome.error.message}"
        return Uncertain(
            reason=f"{reason}; and yet the reply names a task",
            retry_after_s=outcome.retry_after_s,
            provider_task_id=named,
            raw=raw,
        )
    return replace(outcome, provider_task_id=named, was_accepted=_was_accepted(said, problem), raw=raw)


def _was_accepted(said: SubmitReply, problem: ErrorReply | None) -> bool:
    """Whether the POST was accepted: a 2xx that reports neither an error nor another status in its envelope.

    A `code` that is a word names an error, a number that is no HTTP status can be a success code of another kind.
    """
    if not said.is_success or (problem is not None and not is_success(problem.status)):
        return False
    code = at(said.document, "code")
    is_word = isinstance(code, str) and code.lower() not in _SUCCESS_CODES and not code.isdigit()
    return not (at(said.document, "error") or at(said.document, "error_code") or is_word)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True
