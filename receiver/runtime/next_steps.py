"""What `whenfinal tasks explain` and the dashboard say: details of timeline entries, and a task's next steps. Pure.

Nothing here decides anything about the task.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from receiver.config.accounts import prefix_of
from receiver.reconcile.model.decisions import RESULT_POLLS
from receiver.reconcile.model.duration_report import WaitingPolls, poll_reason
from receiver.reconcile.model.poll_times import PollTimes
from receiver.runtime.durations import format_duration, format_when
from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import QueuePlace
from receiver.tasks.model.reports import left_out
from receiver.tasks.model.settle import is_correctable
from receiver.tasks.model.task import Task
from receiver.tasks.model.timeline import DeliveryEntry, TimelineEntry
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import TaskState
from submitter.providers.schedule import POLL_PRICE_S

DUE_SHOWN = 5  # webhooks of one task; there may be one for each of a thousand subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSteps:
    """What comes next for a task, a sentence each."""

    #: What happens without an operator.
    automatic: tuple[str, ...]
    #: What an operator can do, with the commands.
    manual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """What the next steps depend on, beside the task and its timeline."""

    now_ms: int
    #: The submit may be sent again without paying twice.
    is_repeatable: bool
    #: The task's provider is among the configured ones.
    is_configured: bool
    #: None before the first request to the provider.
    account: AccountStatus | None = None
    #: Where the task stands in the queue; None unless it is queued.
    place: QueuePlace | None = None
    #: What was learned of tasks like it; None where its provider is not configured.
    times: PollTimes | None = None
    #: The provider documents a list of its tasks.
    has_list: bool = False
    #: The polls of the provider that wait for its rate budget; None where the task is not due.
    waiting: WaitingPolls | None = None


def next_steps(task: Task, timeline: Sequence[TimelineEntry], context: TaskContext) -> NextSteps:
    """For a task in any state. The last steps are about its pending deliveries and its dead letters."""
    automatic = [
        *_polling(task, context),
        *_missing_result(task, timeline),
        *_deadline(task, context.now_ms),
        *_pending(timeline, context.now_ms),
        *_left_out(task),
    ]
    manual = [
        *_settling(task, context),
        *_named(task, timeline),
        *_unknown_word(task, timeline),
        *_ending(task, timeline),
        *_resuming(task, context),
        *_dead_letters(timeline),
    ]
    return NextSteps(automatic=tuple(automatic), manual=tuple(manual))


_FINAL = "Nothing: this is final, whatever is reported later."

_ENDS: Mapping[TaskState, str] = {
    TaskState.REFUSED: "Nothing: the provider created nothing. Submit again once the reason is fixed.",
    TaskState.SUCCEEDED: _FINAL,
    TaskState.FAILED: _FINAL,
    TaskState.CANCELED: _FINAL,
    TaskState.EXPIRED: "Nothing automatic. Only an end that the provider reports after all would replace this.",
}


def _polling(task: Task, context: TaskContext) -> Iterator[str]:
    if task.state in _ENDS:
        yield _ENDS[task.state]
        return
    if context.place is not None:
        yield from _queue(task, context.place, context)
        return
    if not context.is_configured:
        yield f"Nothing: {task.provider} is not among the configured providers, so it is not polled."
        return
    yield _waiting_for(task, context)
    if task.next_poll_ms is not None:
        when = format_when(task.next_poll_ms, context.now_ms)
        yield f"Next poll {when}{_reason_for_time(task)}{_learned_reason(task, context)}."
        yield from _turn(task, context)
    yield from _account_problems(context)


def _turn(task: Task, context: TaskContext) -> Iterator[str]:
    """Why a task that is due has not been polled yet."""
    if context.waiting is None or context.times is None or context.waiting.price_s <= POLL_PRICE_S:
        return
    worth_s = context.times.index_of(task, context.now_ms)
    yield (
        f"It waits for its turn: {context.waiting.count} polls of {task.provider} wait for its rate budget. A poll is "
        f"made when it is worth {context.waiting.price_s:.1f} s of expected lateness, and this one is worth "
        f"{worth_s:.1f} s; every fifth goes to the task that was not polled for longest."
    )


def _queue(task: Task, place: QueuePlace, context: TaskContext) -> Iterator[str]:
    """Of a task that its provider has not got."""
    if not context.is_configured:
        yield f"It cannot be sent: {task.provider} is not among the configured providers."
    else:
        yield f"It is number {place.position} of {place.depth} that wait for room at {task.provider}."
    if place.held_until_ms is not None:
        until = format_when(place.held_until_ms, context.now_ms)
        yield f"Submits of {task.provider} are held back, {place.held_reason}; the next one is sent {until}."
    if place.until_ms is not None:
        yield f"If it still waits {format_when(place.until_ms, context.now_ms)}, it is refused."
    yield from _alarms(context)


def _missing_result(task: Task, timeline: Sequence[TimelineEntry]) -> Iterator[str]:
    """A success without its result: it is polled again a few times, then it ends without one."""
    found = [entry for entry in timeline if entry.kind == "observation" and entry.detail.get("without_result")]
    if task.state is TaskState.SUCCEEDED and not task.outputs:
        yield f"{task.provider} reports a success and gives no result; search its console for the file."
    elif task.state is TaskState.RUNNING and found:
        yield (
            f"{task.provider} reports a success without its result, in {len(found)} polls so far. "
            f"The poll number {RESULT_POLLS + 1} that finds none ends the task without one."
        )


def _waiting_for(task: Task, context: TaskContext) -> str:
    if task.state is TaskState.SUBMITTING:
        if context.is_repeatable:
            return "Its submit is in progress. If its process has died, the next poll sends it again with the same key."
        return "Its submit is in progress. If its process has died, the next poll marks it uncertain."
    if task.state is TaskState.UNCERTAIN:
        if context.is_repeatable:
            return "The reply was lost. The same bytes are sent again under the same key; nothing is paid twice."
        return "The reply was lost. It waits for a callback or an operator, because another submit could pay twice."
    if task.callback_expected:
        return "The provider calls back at the end; polling covers a lost callback."
    return "The provider does not call back; it is polled."


def _reason_for_time(task: Task) -> str:
    if task.missing_since_ms is not None:
        return ", because the provider did not know the id at the last one"
    if task.overdue_ms is not None:
        return ", slower because the deadline has passed"
    if task.callback_expected and task.polls == 0 and task.submitted_ms is not None:
        return ", when the callback is late"
    return ""


def _learned_reason(task: Task, context: TaskContext) -> str:
    """Empty where the time follows from something else: a missing id, a deadline, an open submit."""
    follows = task.state in {TaskState.SUBMITTED, TaskState.RUNNING} and not (task.missing_since_ms or task.overdue_ms)
    reason = poll_reason(task, context.times) if follows and context.times is not None else None
    if reason is None:
        return ""
    age, half = format_duration(round(reason.age_s * 1000)), format_duration(round(reason.p50_s * 1000))
    known = f"half of the {reason.count} tasks {reason.of} ended within {half}"
    if not reason.count:
        known = f"half of the tasks of an unknown model are taken to end within {half}"
    if reason.callback_miss_rate is not None:
        known += f", and {reason.callback_miss_rate:.1%} of the callbacks do not come"
    return f", {age} after its submit, because {known}"


def _account_problems(context: TaskContext) -> Iterator[str]:
    account = context.account
    if account is None:
        return
    if account.paused_until_ms is not None and account.paused_until_ms > context.now_ms:
        until = format_when(account.paused_until_ms, context.now_ms)
        yield f"{account.provider} is paused, {account.paused_reason}; polling resumes {until}."
    yield from _alarms(context)


def _alarms(context: TaskContext) -> Iterator[str]:
    if context.account is not None:
        yield from (f"{context.account.provider} needs an operator: {alarm}." for alarm in context.account.alarms)


def _resuming(task: Task, context: TaskContext) -> Iterator[str]:
    if context.account is None or task.state in _ENDS or not context.is_configured:
        return
    place, name = context.place, context.account.provider
    if place is not None and (place.held_until_ms is not None or context.account.submits_alarm is not None):
        yield f"When the reason is fixed, let submits go again: whenfinal providers resume {name}"
    elif place is None and any(True for _ in _account_problems(context)):
        yield f"When the reason is fixed, end the pause: whenfinal providers resume {name}"


def _deadline(task: Task, now_ms: int) -> Iterator[str]:
    if task.state in _ENDS or task.deadline_ms is None:
        return
    when = format_when(task.deadline_ms, now_ms)
    yield f"Its deadline passed {when}." if task.deadline_ms <= now_ms else f"Its deadline is {when}."


def _left_out(task: Task) -> Iterator[str]:
    for verdict, number in left_out(task.reports).items():
        yield f"{number} more reports were {verdict}; they are counted and not shown."


def _ending(task: Task, timeline: Sequence[TimelineEntry]) -> Iterator[str]:
    """The provider may have reported the end in a word that no document names, or have forgotten the task."""
    is_unknown = any(
        each.detail.get("unknown_word") is True and each.detail.get("raw_state") == task.raw_state for each in timeline
    )
    if task.state not in {TaskState.SUBMITTED, TaskState.RUNNING} or not (is_unknown or task.overdue_ms):
        return
    settle = f"whenfinal tasks settle {task.id}"
    yield f"If {task.provider}'s console shows that this task has ended, end it here; that is final."
    yield f"It succeeded:    {settle} --succeeded URL"
    yield f"It failed:       {settle} --failed REASON"
    yield f"It was canceled: {settle} --canceled"


def _settling(task: Task, context: TaskContext) -> Iterator[str]:
    if context.place is not None:
        yield f"Take it out of the queue; nothing is paid: whenfinal tasks cancel {task.id}"
    settle = f"whenfinal tasks settle {task.id}"
    if is_correctable(task):
        yield f"It was settled as {task.provider_task_id}. If that is another task: {settle} --task-id PROVIDER_TASK_ID"
    if task.state is not TaskState.UNCERTAIN or (context.is_repeatable and context.is_configured):
        return
    when = format_when(task.sent_ms or task.created_ms, context.now_ms)
    yield f"Search {task.provider}'s console for a task of this request, sent {when}."
    if context.has_list:
        yield f"Or its list:     {settle} --look"
    yield f"It is there:     {settle} --task-id PROVIDER_TASK_ID"
    yield f"It is not there: {settle} --refused"


def _unknown_word(task: Task, timeline: Sequence[TimelineEntry]) -> Iterator[str]:
    """The provider's last word has no known meaning, so it counts as running. An operator may know better."""
    said = [entry for entry in timeline if entry.kind == "observation" and entry.detail.get("source") != "submit"]
    if task.state not in _ENDS and said and said[-1].detail.get("unknown_word"):
        setting, word = f"{prefix_of(task.provider)}STATE_WORDS", task.raw_state
        yield f'{task.provider} says "{word}", which no document names. If that is an end, set its meaning and restart:'
        yield f"{setting}={word.lower()}=succeeded"


def _named(task: Task, timeline: Sequence[TimelineEntry]) -> Iterator[str]:
    """The ids that replies named, each once, the newest first."""
    if task.state is not TaskState.UNCERTAIN:
        return
    lines = [each.detail for each in timeline if each.kind == "observation" and "reason" in each.detail]
    for named in dict.fromkeys(str(line["task_id"]) for line in reversed(lines) if line.get("task_id")):
        yield f"A reply names {named}. If that is this task: whenfinal tasks settle {task.id} --task-id {quote(named)}"


def _pending(timeline: Sequence[TimelineEntry], now_ms: int) -> Iterator[str]:
    dated = [(each.due_ms, each) for each in timeline if isinstance(each, DeliveryEntry) and each.due_ms is not None]
    due = sorted(dated, key=lambda pair: pair[0])
    for due_ms, delivery in due[:DUE_SHOWN]:
        when = "is due now" if due_ms <= now_ms else f"is due {format_when(due_ms, now_ms)}"
        waits = "waits until the subscription is enabled" if delivery.is_held else when
        yield f"Its webhook to {delivery.subscription or delivery.endpoint} {waits}: {delivery.delivery_id}."
    if len(due) > DUE_SHOWN:
        yield f"{len(due) - DUE_SHOWN} more of its webhooks are due later."


def _dead_letters(timeline: Sequence[TimelineEntry]) -> Iterator[str]:
    for entry in timeline:
        if isinstance(entry, DeliveryEntry) and entry.state is DeliveryState.DEAD:
            command = f"whenfinal deliveries redeliver {entry.delivery_id}"
            yield f"A webhook is a dead letter; redeliver it when the endpoint works again: {command}"
