"""A task's story for a person: what happened, what happens next and why, and what to do where a person must act.

Pure. The timeline comes in as notes; nothing here decides anything about the task.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from receiver.cli.display.durations import say_duration, say_when
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import DeliveryEntry, TimelineEntry
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import TaskState

DUE_SHOWN = 5  # webhooks of one task; there may be one for each of a thousand subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """`after_ms` counts from the task's first moment; `extra` are words that stand below the line."""

    at_ms: int
    after_ms: int
    kind: str
    text: str
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What happens by itself next, and the commands for a person where it does not."""

    next: tuple[str, ...]
    hint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """`repeatable`: the submit may be sent again without paying twice. `account` is None before its first request."""

    now_ms: int
    repeatable: bool
    configured: bool
    account: AccountStatus | None = None


def tell_story(task: Task, notes: Sequence[TimelineEntry]) -> tuple[StoryLine, ...]:
    return tuple(
        StoryLine(
            at_ms=note.at_ms,
            after_ms=note.at_ms - task.created_ms,
            kind=note.kind,
            text=note.summary,
            extra=tuple(_extra(note)),
        )
        for note in notes
    )


def look_ahead(task: Task, notes: Sequence[TimelineEntry], situation: Situation) -> Outlook:
    """For every state of a task; ends with the deliveries that are still owed or dead."""
    steps = [*_steps(task, situation), *_lateness(task, situation.now_ms), *_owed(notes, situation.now_ms)]
    dead = tuple(_dead_letters(notes))
    return Outlook(next=tuple(steps), hint=(*_hints(task, situation), *dead))


def settle_commands(task: Task) -> tuple[str, str]:
    """The two ways out of uncertainty: it was created, or it was not."""
    return (
        f"whenfinal tasks settle {task.id} --task-id PROVIDER_TASK_ID",
        f"whenfinal tasks settle {task.id} --refused",
    )


def say_offset(after_ms: int) -> str:
    """`+4.2 s`; what a provider dates before our first moment gets its minus."""
    return f"{'-' if after_ms < 0 else '+'}{say_duration(after_ms)}"


def _extra(note: TimelineEntry) -> Iterator[str]:
    error = note.detail.get("error")
    if note.kind == "observation" and isinstance(error, Mapping) and str(error.get("message")) not in note.summary:
        yield f"{error.get('code')}: {error.get('message')}"
    for output in note.detail.get("outputs") or ():
        yield f"{output.get('type', 'file')}: {output.get('url')}"
    if note.kind == "attempt" and note.detail.get("response"):
        yield f"answer: {str(note.detail['response'])[:200]}"
    if note.kind == "audit":
        yield from (f"{name}: {value}" for name, value in note.detail.items())


def _steps(task: Task, situation: Situation) -> Iterator[str]:
    if task.state in _ENDS:
        yield _ENDS[task.state]
        return
    if not situation.configured:
        yield f"Nothing: {task.provider} is not among the configured providers, so nobody asks about it."
        return
    yield _waiting(task, situation)
    if task.next_poll_ms is not None:
        yield f"Next look {say_when(task.next_poll_ms, situation.now_ms)}{_why_then(task)}."
    yield from _pause(situation)


_ENDS: Mapping[TaskState, str] = {
    TaskState.REFUSED: "Nothing: the provider surely created nothing. Submit again once the reason is cured.",
    TaskState.SUCCEEDED: "Nothing: this is final, whatever is reported later.",
    TaskState.FAILED: "Nothing: this is final, whatever is reported later.",
    TaskState.CANCELED: "Nothing: this is final, whatever is reported later.",
    TaskState.EXPIRED: "Nothing by itself. Only an end that the provider reports after all would replace this.",
}


def _waiting(task: Task, situation: Situation) -> str:
    if task.state is TaskState.SUBMITTING:
        again = "sent again under the same key" if situation.repeatable else "called uncertain"
        return f"Its submit is under way; should its process have died, it is {again} at the next look."
    if task.state is TaskState.UNCERTAIN:
        if situation.repeatable:
            return "The reply was lost. The same bytes are sent again under the same key; nothing is paid twice."
        return "The reply was lost. It waits for a callback or a person: another submit could pay twice."
    if task.callback_expected:
        return "The provider calls back at its end; asking is the safety net."
    return "The provider does not call back; it is asked from time to time."


def _why_then(task: Task) -> str:
    if task.missing_since_ms is not None:
        return ", since the provider did not know the id at the last one"
    if task.overdue_ms is not None:
        return ", slower because it is past its deadline"
    if task.callback_expected and task.polls == 0 and task.submitted_ms is not None:
        return ", when the callback is late"
    return ""


def _pause(situation: Situation) -> Iterator[str]:
    account = situation.account
    if account is None:
        return
    if account.paused_until_ms is not None and account.paused_until_ms > situation.now_ms:
        until = say_when(account.paused_until_ms, situation.now_ms)
        yield f"{account.provider} is paused, {account.paused_reason}; it is asked again {until}."
    if account.alarm is not None:
        yield f"{account.provider} needs an operator: {account.alarm}."


def _lateness(task: Task, now_ms: int) -> Iterator[str]:
    if task.state in _ENDS or task.deadline_ms is None:
        return
    when = say_when(task.deadline_ms, now_ms)
    yield f"Its deadline passed {when}." if task.deadline_ms <= now_ms else f"Its deadline is {when}."


def _hints(task: Task, situation: Situation) -> Iterator[str]:
    if task.state is not TaskState.UNCERTAIN or (situation.repeatable and situation.configured):
        return
    created, nothing = settle_commands(task)
    made = say_when(task.created_ms, situation.now_ms)
    yield f"Look into {task.provider}'s console for a task of this request, made {made}."
    yield f"Or in its list:  whenfinal tasks settle {task.id} --look"
    yield f"It is there:     {created}"
    yield f"It is not there: {nothing}"


def _owed(notes: Sequence[TimelineEntry], now_ms: int) -> Iterator[str]:
    dated = [(each.due_ms, each) for each in notes if isinstance(each, DeliveryEntry) and each.due_ms is not None]
    due = sorted(dated, key=lambda pair: pair[0])
    for due_ms, delivery in due[:DUE_SHOWN]:
        when = "is due now" if due_ms <= now_ms else f"is due {say_when(due_ms, now_ms)}"
        waits = "waits until the subscription is enabled" if delivery.is_held else when
        yield f"Its webhook to {delivery.subscription or delivery.endpoint} {waits}: {delivery.delivery_id}."
    if len(due) > DUE_SHOWN:
        yield f"{len(due) - DUE_SHOWN} more of its webhooks are due later."


def _dead_letters(notes: Sequence[TimelineEntry]) -> Iterator[str]:
    for note in notes:
        if isinstance(note, DeliveryEntry) and note.state is DeliveryState.DEAD:
            command = f"whenfinal deliveries redeliver {note.delivery_id}"
            yield f"A webhook is a dead letter; once its endpoint is well: {command}"
