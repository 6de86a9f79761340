"""What a reply to a poll or a callback says: whether it is about the task, its state, and why the task failed. Pure.

A reply is about a task if one of its ids is the requested one. A gateway behind a gateway hands the answer of its own
upstream on with only one of `id` and `task_id` replaced (QuantumNous/new-api, relay/channel/task/sora/adaptor.go,
ConvertToOpenAIVideo, read 2026-11-26), so the other one may be foreign. A reply that names the task and a state is a
statement, whatever the code around it says: a failed task is reported with the code of its failure as well.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from submitter.http.messages import HttpReply
from submitter.model import Denied, ProviderTaskId, Refusal, TaskError, TaskState, Throttled, Unavailable
from submitter.providers.contract import Account
from submitter.providers.error_replies import ErrorReply, describe, status_of_code
from submitter.providers.json_reader import StateWords, at, capped, first_text, state_of, text

#: No words beside the documented ones.
NO_WORDS: StateWords = MappingProxyType({})

#: Envelopes repeat such a word beside a task that failed; it is no reason.
_NO_REASON = frozenset({"success", "succeed", "ok"})


def read_state(
    word: str, account: Account, documented: StateWords, others: StateWords = NO_WORDS
) -> tuple[TaskState, bool]:
    """Return the state, and whether the word is documented or was taught to the account by its operator.

    The account's own words go first. `others` are words that only other sources than the provider's documents name.
    An unknown word is RUNNING and never ends a task. Case is ignored.
    """
    taught = account.state_words.get(word.lower())
    if taught is not None:
        return taught, True
    state, is_documented = state_of(word, documented)
    return (state, True) if is_documented else (state_of(word, others)[0], False)


def names_task(requested: ProviderTaskId, *ids: object) -> bool:
    """Whether one of these ids is the requested one. A number counts as its digits; blanks around it do not count."""
    return any(id_text(each) == requested.strip() for each in ids)


def id_text(value: object) -> str:
    """An id that a reply names, as text; empty where there is none."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def unusable(reply: HttpReply, reason: str) -> Unavailable:
    return Unavailable(reason=reason, retry_after_s=reply.retry_after_s, raw=capped(reply.body))


def other_task(reply: HttpReply, named: object) -> Unavailable:
    return unusable(reply, f"the reply names task {text(named)[:200]!r}, which is not the requested one")


def poll_outcome(
    problem: ErrorReply, reply: HttpReply, by_code: Mapping[str, Refusal | None] = MappingProxyType({})
) -> Throttled | Denied | Unavailable:
    """Return the outcome of a poll that was answered with an error; it says nothing about the task.

    `by_code` is what a documented code means within a 2xx, where the HTTP status says nothing.
    """
    refusal = by_code.get(problem.error.code) if problem.status < 300 else None
    if problem.status in {401, 403} or refusal is Refusal.DENIED:
        status = problem.status if problem.status == 403 else 401
        return Denied(status=status, message=problem.error.message, raw=capped(reply.body))
    if problem.status == 429 or refusal is Refusal.THROTTLED:
        return Throttled(retry_after_s=problem.retry_after_s)
    return Unavailable(reason=describe(problem), retry_after_s=problem.retry_after_s, raw=capped(reply.body))


def reason(state: TaskState, *places: object, code: str = "failed") -> TaskError | None:
    """Return why a task ended badly, from the first of the places that says so; `code` where none names one.

    None for a task that did not end badly, and for a canceled one without stated words. A place is an object with the
    reason in one of the members that providers of this kind use: `error` as an object or as text (HiAPI, new-api),
    `fail_reason` (new-api), `error_message` (gateways), `task_status_msg` (Kling), or `code` and `message` (DashScope,
    also beside `output`).
    """
    if state is not TaskState.FAILED and state is not TaskState.CANCELED:
        return None
    words = next(filter(None, map(_message, places)), "")
    if state is TaskState.FAILED or words:
        otherwise = code if state is TaskState.FAILED else "canceled"
        stated = next(filter(None, map(_code, places)), otherwise)
        return TaskError(code=stated, message=words or "the provider gave no reason")
    return None


def _code(place: object) -> str:
    own = at(place, "code")
    envelope = "" if status_of_code(own) is None else own
    return first_text(at(place, "error", "code"), at(place, "error", "type"), at(place, "error_code"), envelope)


def _message(place: object) -> str:
    return next((found for found in map(text, _messages(place)) if found and found.lower() not in _NO_REASON), "")


def _messages(place: object) -> Iterator[object]:
    error = at(place, "error")
    yield from (at(place, "fail_reason"), at(error, "message"), error)
    yield from (at(place, name) for name in ("error_message", "error_msg", "task_status_msg", "message", "msg"))
