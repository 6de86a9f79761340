"""fal's errors: of a model `detail` is a list, of the platform it is a text with an `error_type`. Pure.

Sources: https://fal.ai/docs/documentation/model-apis/errors.md and .../model-apis/request-errors. Not every endpoint
follows the form yet. `X-Fal-Error-Type` repeats the type. `type` and `error_type` are to be branched on, never `msg`.
"""

from dataclasses import replace

from submitter.http.messages import HttpReply
from submitter.model import TaskError, TaskState
from submitter.providers.error_replies import ErrorReply, find_error
from submitter.providers.json_reader import JsonObject, at, first_text, items_at, text_at

#: A client took its own request back (request-errors page). That a cancellation ends so is inferred.
_CANCELED = frozenset({"client_cancelled", "client_canceled"})

#: A failed POST with these words in its text is of an account without credit (a public record of the site, section 9).
_WITHOUT_CREDIT = ("locked", "balance")


def find_problem(reply: HttpReply, document: JsonObject | None) -> ErrorReply | None:
    """As `error_replies.find_error`, with the code and the words in fal's forms."""
    problem = find_error(reply, document)
    stated = None if problem is None else stated_error(document, reply)
    return problem if problem is None or stated is None else replace(problem, error=stated)


def stated_error(document: object, reply: HttpReply | None = None) -> TaskError | None:
    """Return the error that a document states in one of fal's forms; None where it states none."""
    first = next(iter(items_at(document, "detail")), None)
    header = None if reply is None else reply.header("x-fal-error-type")
    code = first_text(at(first, "type"), at(document, "error_type"), header)
    words = first_text(at(first, "msg"), at(document, "detail"), at(document, "error"))
    if not code and not at(document, "detail"):
        return None
    return TaskError(code=code or "failed", message=_with_place(words, first) or "the provider gave no reason")


def is_typed(document: object, reply: HttpReply) -> bool:
    """Whether an error names its type, as the errors of a task that ran do."""
    first = next(iter(items_at(document, "detail")), None)
    return bool(first_text(at(first, "type"), at(document, "error_type"), reply.header("x-fal-error-type")))


def end_of(error: TaskError | None) -> TaskState:
    """The state of a task that ended with this error."""
    return TaskState.CANCELED if error is not None and error.code in _CANCELED else TaskState.FAILED


def is_without_credit(error: TaskError) -> bool:
    return any(word in error.message.lower() for word in _WITHOUT_CREDIT)


def _with_place(words: str, detail: object) -> str:
    """`loc` is where in the request the value is, such as `body`, `duration`."""
    place = ".".join(filter(None, (first_text(each) for each in items_at(detail, "loc"))))
    return f"{place}: {words}" if place and words else words or text_at(detail, "type")
