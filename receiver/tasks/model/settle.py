"""What an operator may say about a task, and when. Pure.

Two things can be said: which task of the provider a lost submit created (or that it created none), and how a task ended
whose end the provider reports in words that nobody knows here. Neither can be taken back once an end is recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from receiver.tasks.model.task import SettleRefused, Task
from submitter.errors import InvalidRequest, Violation
from submitter.model import (
    ENDED,
    REPORTED_FINAL,
    Observation,
    Output,
    ProviderTaskId,
    Source,
    TaskError,
    TaskId,
    TaskKey,
    TaskState,
)
from submitter.providers.json_reader import ITEMS_CAP, http_url, origin, signed_until_ms, text

_S = TaskState

SHOWN = 200  # characters of what an operator gave, in the error about it

#: Why nothing is said about a task in these states: the submit is under way, or is not sent yet.
_TOO_EARLY: Mapping[TaskState, str] = {
    _S.QUEUED: "it is queued and the provider has not heard of it; `whenfinal tasks cancel` takes it out",
    _S.SUBMITTING: "its submit is still under way; try again in a minute",
}

_MAY_BE_REPEATED = "its submit may be repeated right now; try again in a minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorId:
    """The provider's id of a task, as an operator gives it."""

    provider_task_id: ProviderTaskId
    #: The id that the task had when the operator saw it. Whatever happened since then is not undone.
    instead_of: ProviderTaskId | None
    #: What the provider answered about the id, for the timeline.
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEnd:
    """How a task ended, as an operator saw it at the provider."""

    #: One of REPORTED_FINAL.
    state: TaskState
    outputs: tuple[Output, ...] = ()
    #: Why it failed.
    reason: str = ""


def read_end(
    *, succeeded: Sequence[str] | None = None, failed: str | None = None, canceled: bool = False, own_host: str | None
) -> OperatorEnd:
    """The end of what an operator gives: the addresses of the files, the reason of a failure, or a cancellation.

    Files on the provider's own host, the base URL `own_host`, are marked as needing the account's key.
    Raise InvalidRequest with every address that is no http(s) URL, and for a reason without a word.
    """
    if canceled:
        return OperatorEnd(state=_S.CANCELED)
    if failed is not None:
        reason = text(failed)
        if not reason:
            raise InvalidRequest([Violation(field="failed", rule="is empty", accepted="why the task failed, in words")])
        return OperatorEnd(state=_S.FAILED, reason=reason)
    given = succeeded or ()
    urls = [url for each in given if (url := http_url(each)) is not None]
    wrong = [each for each in given if http_url(each) is None]
    if wrong or not given or len(given) > ITEMS_CAP:
        accepted = f"1 to {ITEMS_CAP} absolute http(s) URLs without user information"
        rule = f"is not a URL of a file: {text(wrong[0])[:SHOWN]}" if wrong else "has no URL, or too many"
        raise InvalidRequest([Violation(field="succeeded", rule=rule, accepted=accepted)])
    return OperatorEnd(state=_S.SUCCEEDED, outputs=tuple(_output(url, own_host) for url in urls))


def _output(url: str, own_host: str | None) -> Output:
    needs_key = own_host is not None and origin(url) == origin(own_host)
    return Output(url=url, expires_at_ms=signed_until_ms(url), needs_key=needs_key)


def is_correctable(task: Task) -> bool:
    """Whether the provider's id came from an operator, and no end is recorded under it: another id may replace it."""
    return task.settled and task.state not in ENDED


def key_of(task: Task) -> TaskKey:
    """With an empty id for a task that the provider has not named."""
    return TaskKey(provider=task.provider, provider_task_id=task.provider_task_id or ProviderTaskId(""))


def without_wrong_id(task: Task) -> Task:
    """Without the id that an operator gave, and without what the provider reported under that id."""
    if not task.settled:
        return task
    return replace(task, provider_task_id=None, settled=False, raw_state="", progress=None, missing_since_ms=None)


def uncertain_again(task: Task, owner: TaskId) -> Task:
    """A settled task whose id the provider has named as that of another task, `owner`."""
    reason = f"it was settled as {task.provider_task_id}, and the provider says that this is {owner}"
    return replace(
        without_wrong_id(task),
        state=_S.UNCERTAIN,
        error=TaskError(code="uncertain", message=reason),
        next_poll_ms=None,
    )


def why_not_settled(task: Task, *, lease_until_ms: int | None, now_ms: int) -> str | None:
    """Why an operator cannot say what the submit of this task came to; None when that is possible."""
    if task.state is _S.UNCERTAIN:
        return _why_not_alone(task, lease_until_ms, now_ms)
    if is_correctable(task):
        return None
    if task.state in _TOO_EARLY:
        return _TOO_EARLY[task.state]
    if task.state in ENDED:
        return f"only an uncertain task can be settled; this one is {_ended(task)}"
    return f"only an uncertain task can be settled; this one is {task.state.value} under an id that the provider gave"


def belongs_to_another(task: Task, provider_task_id: ProviderTaskId, owner: Task | None) -> SettleRefused | None:
    """Why a task cannot be settled with an id of the provider: `owner`, which has that id, is another task."""
    if owner is None or owner.id == task.id:
        return None
    return SettleRefused(reason=f"{provider_task_id} belongs to another task of {task.provider}: {owner.id}")


def settled_meanwhile(task: Task) -> SettleRefused:
    """The task has another id than the one that the person saw."""
    if task.provider_task_id is None:
        return SettleRefused(reason="its id was taken from it meanwhile")
    return SettleRefused(reason=f"it was settled as {task.provider_task_id} meanwhile")


def why_not_ended(task: Task, *, lease_until_ms: int | None, now_ms: int) -> str | None:
    """Why an operator cannot end this task; None when that is possible."""
    if task.state in ENDED:
        return f"only an unfinished task can be ended; this one is {_ended(task)}"
    if task.state is _S.SUBMITTING and (task.next_poll_ms or 0) <= now_ms:
        return _why_not_alone(task, lease_until_ms, now_ms)  # the process that submitted it must have died
    if task.state in _TOO_EARLY:
        return _TOO_EARLY[task.state]
    return _why_not_alone(task, lease_until_ms, now_ms) if task.state is _S.UNCERTAIN else None


def end_observation(task: Task, end: OperatorEnd, *, actor: str) -> Observation:
    """The operator's statement. Raise ValueError for a state that no provider reports as an end."""
    if end.state not in REPORTED_FINAL:
        message = f"{end.state.value} is no end that a provider reports"
        raise ValueError(message)
    return Observation(
        key=key_of(task),
        state=end.state,
        source=Source.OPERATOR,
        raw_state=task.raw_state,
        outputs=end.outputs,
        error=_error_of(end, actor),
    )


def _error_of(end: OperatorEnd, actor: str) -> TaskError | None:
    match end.state:
        case _S.FAILED:
            return TaskError(code="settled_failed", message=end.reason)
        case _S.CANCELED:
            return TaskError(code="settled_canceled", message=f"settled by {actor}: it was canceled")
        case _:
            return None


def _why_not_alone(task: Task, lease_until_ms: int | None, now_ms: int) -> str | None:
    """A leased task waits, because its POST may be repeated right now and create it after all."""
    is_leased = lease_until_ms is not None and lease_until_ms > now_ms
    return _MAY_BE_REPEATED if task.submit_body is not None and is_leased else None


def _ended(task: Task) -> str:
    under = f" under {task.provider_task_id}" if task.settled and task.provider_task_id else ""
    return f"{task.state.value}{under}, and a recorded end stays"
