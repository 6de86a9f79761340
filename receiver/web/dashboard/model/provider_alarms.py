"""What is wrong at one provider. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from receiver.metrics.registry import OTHER
from receiver.metrics.snapshot import MOST, Open, Pause, ProviderSnapshot
from receiver.store.accounts import AccountStatus
from receiver.store.minutes import MINUTE_MS
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.alarm import Alarm, Button, Facts, Link, Severity, lasted, provider_page

LATE_POLLS_MS = 120_000

OLD_UNCERTAIN_MS = 900_000  # then it is critical

UNANSWERED_MS = 10 * MINUTE_MS  # without one usable answer to a poll

FEW_POLLS = 3  # of fewer it says little that none was answered

REFUSED_MS = 10 * MINUTE_MS  # in which submits were refused and none accepted

FEW_REFUSED = 3  # fewer may be requests that are wrong

QUEUE_STANDS_MS = 10 * MINUTE_MS  # a queue of which no submit was accepted for so long


def of_provider(provider: ProviderSnapshot, facts: Facts) -> Iterator[Alarm]:
    yield from _of_tasks(provider, facts)
    if provider.name == OTHER:
        yield from _not_configured(provider)
        return
    account = facts.troubles.accounts.get(provider.name, _no_account(provider.name))
    yield from _of_polls(provider, account, facts.now_ms)
    yield from _of_submits(provider, account, facts)
    yield from _not_answering(provider.name, facts)


def number_of(found: Open | int) -> str:
    """With a plus where it was not counted to its end."""
    number = found if isinstance(found, int) else found.number
    return f"{number:,}{'+' if number >= MOST else ''}"


def tasks_address(provider: str, **filters: str | Sequence[str]) -> str:
    """The list of just these tasks; of every provider for `other`, which is no name."""
    return f"{ROOT}/tasks?{urlencode([*filters.items(), *_of(provider)], doseq=True)}"


def _of(provider: str) -> tuple[tuple[str, str], ...]:
    """The filter of a list; none for `other`, which is no name."""
    return () if provider == OTHER else (("provider", provider),)


def _no_account(name: str) -> AccountStatus:
    return AccountStatus(provider=name, tokens=0.0, refilled_ms=0)


def _resume(name: str, words: str) -> Button:
    return Button(words=words, kind="resume-provider", fields=(("provider", name),))


def _tasks(found: Open, one: str, more: str) -> str:
    """`1 task` or `12 tasks`, with the words that follow."""
    return f"1 {one}" if found.number == 1 else f"{number_of(found)} {more}"


def _of_polls(provider: ProviderSnapshot, account: AccountStatus, now_ms: int) -> Iterator[Alarm]:
    name = provider.name
    if provider.polls_denied:
        since = f" for {lasted(account.paused_since_ms, now_ms)}" if account.paused_since_ms else ""
        yield Alarm(
            kind="denied",
            severity=Severity.CRITICAL,
            sentence=f"{name} has denied our key for polls{since}, so none of its tasks is polled.",
            since_ms=account.paused_since_ms,
            said=account.alarm or "",
            cure="Replace the key or its rights, restart, then resume. A good poll ends it too.",
            links=(provider_page(name),),
            buttons=(_resume(name, f"Resume {name}"),),
        )
    elif provider.polls_paused is not None:
        hold = _Hold("polls", account.paused_since_ms, account.paused_reason)
        yield _paused(name, provider.polls_paused, hold, now_ms)
    elif provider.due_polls.age_s(now_ms) * 1000 > LATE_POLLS_MS:
        age = lasted(provider.due_polls.since_ms, now_ms)
        yield Alarm(
            kind="polls_late",
            severity=Severity.WARNING,
            sentence=f"Polls of {name} are late: {number_of(provider.due_polls)} due, the first for {age}.",
            since_ms=provider.due_polls.since_ms,
            cure="No worker runs, or the rate budget is too small. See that a worker runs; the provider's page shows "
            "the budget and the price of a poll.",
            links=(provider_page(name),),
        )


def _not_answering(name: str, facts: Facts) -> Iterator[Alarm]:
    """Polls count, because there are few submits, and one that is not answered is told as uncertain or refused."""
    since_ms = facts.now_ms - UNANSWERED_MS
    polls = [each for each in facts.polls if each.provider == name and each.at_ms >= since_ms]
    number = sum(each.count for each in polls)
    if number < FEW_POLLS or any(not each.label.endswith("/error") for each in polls):
        return
    first_ms = min(each.at_ms for each in polls)
    yield Alarm(
        kind="not_answering",
        severity=Severity.WARNING,
        sentence=f"{name} gives no usable answer: none to {number:,} polls within 10 minutes.",
        since_ms=first_ms,
        cure="It is down, or its address is wrong or blocked: compare the BASE_URL of the account, and run whenfinal "
        "doctor. Polls go on, so no end is lost.",
        links=(provider_page(name),),
    )


def _of_submits(provider: ProviderSnapshot, account: AccountStatus, facts: Facts) -> Iterator[Alarm]:
    name, now_ms = provider.name, facts.now_ms
    waiting = f" {_tasks(provider.queued, 'task waits', 'tasks wait')} in the queue." if provider.queued.number else ""
    if provider.submits_denied:
        since_ms = account.submits_paused_since_ms
        since = f" for {lasted(since_ms, now_ms)}" if since_ms else ""
        yield Alarm(
            kind="denied",
            severity=Severity.CRITICAL,
            sentence=f"{name} has denied our key for submits{since}.{waiting}",
            since_ms=since_ms,
            said=account.submits_alarm or "",
            cure="Replace the key or its rights, or pay the account, restart, then resume. A receipt ends it too.",
            links=(provider_page(name), *_queue(provider)),
            buttons=(_resume(name, f"Resume {name}"),),
        )
    elif provider.submits_paused is not None:
        hold = _Hold("submits", account.submits_paused_since_ms, account.submits_paused_reason)
        yield _paused(name, provider.submits_paused, hold, now_ms, waiting)
    elif refused := _all_refused(name, facts):
        yield Alarm(
            kind="submits_refused",
            severity=Severity.WARNING,
            sentence=f"{name} refuses our submits: {refused:,} within 10 minutes, and it accepted none.{waiting}",
            cure="A refused task shows the answer. If the account is out of balance or quota, pay or raise it; else "
            "correct the requests.",
            links=(Link(words="Refused tasks", address=tasks_address(name, state="refused")), provider_page(name)),
        )
    elif _queue_stands(provider, facts):
        yield Alarm(
            kind="queue_stands",
            severity=Severity.WARNING,
            sentence=f"No task of the queue of {name} was submitted within 10 minutes: "
            f"{_tasks(provider.queued, 'task waits', 'tasks wait')}, the first for "
            f"{lasted(provider.queued.since_ms, now_ms)}.",
            since_ms=provider.queued.since_ms,
            cure="The tasks in flight fill the limit of the account, or no worker runs. The provider's page shows "
            "both; overdue tasks do not count for the limit.",
            links=(*_queue(provider), provider_page(name)),
        )


def _all_refused(name: str, facts: Facts) -> int:
    """How many submits were refused lately; 0 where one was accepted, or where they are few."""
    since_ms = facts.now_ms - REFUSED_MS
    submits = [each for each in facts.submits if each.provider == name and each.at_ms >= since_ms]
    refused = sum(each.count for each in submits if each.label == "refused")
    return 0 if refused < FEW_REFUSED or any(each.label == "accepted" for each in submits) else refused


def _queue_stands(provider: ProviderSnapshot, facts: Facts) -> bool:
    if not provider.queued.number or provider.queued.age_s(facts.now_ms) * 1000 <= QUEUE_STANDS_MS:
        return False
    since_ms = facts.now_ms - QUEUE_STANDS_MS
    accepted = (each for each in facts.submits if each.provider == provider.name and each.label == "accepted")
    return all(each.at_ms < since_ms for each in accepted)


def _queue(provider: ProviderSnapshot) -> tuple[Link, ...]:
    if not provider.queued.number:
        return ()
    return (Link(words="Queued tasks", address=tasks_address(provider.name, state="queued")),)


class _Hold(NamedTuple):
    """What the account says of a pause."""

    requests: str
    since_ms: int | None
    #: Our word for it, with the provider's own behind it.
    reason: str | None


def _paused(name: str, pause: Pause, hold: _Hold, now_ms: int, waiting: str = "") -> Alarm:
    return Alarm(
        kind="paused",
        severity=Severity.WARNING,
        sentence=f"{name} has held back our {hold.requests} ({pause.reason}); they go on in "
        f"{lasted(now_ms, pause.until_ms)}.{waiting}",
        since_ms=hold.since_ms,
        said="" if hold.reason in {None, pause.reason} else hold.reason or "",
        cure="It goes on by itself. If it comes again, raise the limit at the provider or submit less.",
        links=(provider_page(name),),
        buttons=(_resume(name, f"Resume {name} now"),),
    )


def _of_tasks(provider: ProviderSnapshot, facts: Facts) -> Iterator[Alarm]:
    name, now_ms = provider.name, facts.now_ms
    at = "at providers that are not configured" if name == OTHER else f"at {name}"
    if provider.uncertain.number:
        yield _uncertain(provider, at, facts)
    if provider.contradicted.number:
        yield Alarm(
            kind="contradictions",
            severity=Severity.WARNING,
            sentence=f"{_tasks(provider.contradicted, 'task', 'tasks')} {at} had ended, and another end was reported "
            "within 24 hours.",
            since_ms=provider.contradicted.since_ms,
            cure="The first end counts, and no event was sent for the other. The task shows both: look which is true "
            "at the provider.",
            links=(Link(words="Contradicted tasks", address=tasks_address(name, contradicted="1")),),
        )
    if provider.unknown_words.number:
        since = lasted(provider.unknown_words.since_ms, now_ms)
        yield Alarm(
            kind="unknown_words",
            severity=Severity.WARNING,
            sentence=f"{_tasks(provider.unknown_words, 'task', 'tasks')} {at} {_is(provider.unknown_words)} in a state "
            f"that no document names, the first for {since}.",
            since_ms=provider.unknown_words.since_ms,
            cure="They count as running. The provider's page shows the words: set one in the STATE_WORDS of the "
            "account, or settle its task.",
            links=(Link(words="The words and their tasks", address=_words_address(name)),),
        )
    if provider.overdue.number:
        yield _overdue(provider, at, now_ms)


def _words_address(name: str) -> str:
    return f"{ROOT}/providers" if name == OTHER else f"{provider_page(name).address}#words"


def _is(found: Open) -> str:
    return "is" if found.number == 1 else "are"


def _uncertain(provider: ProviderSnapshot, at: str, facts: Facts) -> Alarm:
    found, of, now_ms = provider.uncertain, _of(provider.name), facts.now_ms
    is_listed = provider.name in facts.lists_tasks
    look = Button(words="Look at the provider's list", kind="look-candidates", fields=of)
    where = "what the provider lists" if is_listed else "the provider's console"
    is_old = found.age_s(now_ms) * 1000 > OLD_UNCERTAIN_MS
    return Alarm(
        kind="uncertain",
        severity=Severity.CRITICAL if is_old else Severity.WARNING,
        sentence=f"{_tasks(found, 'submit', 'submits')} {at} {_is(found)} uncertain, the first for "
        f"{lasted(found.since_ms, now_ms)}: the reply was lost, and it may be paid for.",
        since_ms=found.since_ms,
        cure=f"Compare each with {where}, then {'accept a candidate' if is_listed else 'settle it by its id there'} or "
        "settle it as never created.",
        links=(
            Link(words="Doubtful submits", address=f"{ROOT}/doubtful?{urlencode(of)}".rstrip("?")),
            Link(words="Their tasks", address=tasks_address(provider.name, state="uncertain")),
        ),
        buttons=(look,) if is_listed else (),
    )


def _overdue(provider: ProviderSnapshot, at: str, now_ms: int) -> Alarm:
    found, name = provider.overdue, provider.name
    fields = (("overdue", "1"), *_of(name))
    reconcile = Button(words="Reconcile them", kind="reconcile-tasks", fields=fields)
    return Alarm(
        kind="overdue",
        severity=Severity.WARNING,
        sentence=f"{_tasks(found, 'task', 'tasks')} {at} {_is(found)} overdue, the first for "
        f"{lasted(found.since_ms, now_ms)}.",
        since_ms=found.since_ms,
        cure="Ask the provider about them now. One that it never ends can be settled on its own page.",
        links=(Link(words="Overdue tasks", address=tasks_address(name, overdue="1")),),
        buttons=() if name == OTHER else (reconcile,),
    )


def _not_configured(provider: ProviderSnapshot) -> Iterator[Alarm]:
    number = sum(provider.tasks.values())
    if not number:
        return
    one = number == 1
    yield Alarm(
        kind="not_configured",
        severity=Severity.WARNING,
        sentence=f"{number_of(number)} unfinished {'task belongs' if one else 'tasks belong'} to providers that are "
        "not configured, so nobody polls them.",
        cure="Configure the account again, or settle them.",
        links=(Link(words="Providers", address=f"{ROOT}/providers"),),
    )
