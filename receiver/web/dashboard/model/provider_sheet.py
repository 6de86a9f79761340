"""What the pages of providers show: health in words, callbacks, polls, and words that nobody knows. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from receiver.metrics.snapshot import ProviderSnapshot
from receiver.reconcile.model.provider import ProviderStatus
from receiver.store.accounts import AccountStatus
from receiver.store.minutes import SpanCount
from receiver.store.overview import UNFINISHED
from receiver.tasks.model.callback_counts import Misses, misses
from receiver.web.dashboard.model.alarm import provider_page
from receiver.web.dashboard.model.provider_alarms import tasks_address

TASKS_MOST = 20  # that are listed of each unknown word

WORDS_MOST = 50

#: How the answers of polls are called; the order is that of the page.
POLL_OUTCOMES: Mapping[str, str] = {
    "open": "not ended yet",
    "final": "ended",
    "unknown_state": "in a state that no document names",
    "not_found": "not known to the provider",
    "throttled": "throttled",
    "denied": "denied",
    "error": "no usable answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why polls or submits of a provider do not go."""

    #: `polls` or `submits`.
    requests: str
    #: Why, with the provider's own words; empty where that is not known.
    said: str
    since_ms: int | None
    until_ms: int | None
    #: It ends by a person, or by an answer of the provider that proves it wrong; not by time.
    is_alarm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """How callbacks of a provider come."""

    #: To the minute; None: none within a day.
    last_ms: int | None
    hour: Misses
    day: Misses


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was read of one provider."""

    #: None where it is not configured, as the snapshot is.
    status: ProviderStatus | None
    snapshot: ProviderSnapshot | None
    #: None where it was never used.
    account: AccountStatus | None
    unfinished: int
    callbacks: Callbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One provider in the list."""

    name: str
    address: str
    #: Name and kind of each badge.
    badges: tuple[tuple[str, str], ...]
    #: None where it is not configured.
    status: ProviderStatus | None
    #: The limit of tasks in flight that holds; None: there is none.
    limit: int | None
    unfinished: int
    #: The list of these.
    unfinished_address: str
    due_polls: int
    price_s: float | None
    callbacks: Callbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWord:
    """A word of a provider, and the tasks that it was last said of."""

    word: str
    number: int
    #: The newest first; when it was said.
    tasks: tuple[tuple[str, int], ...]


def troubles_of(account: AccountStatus | None, now_ms: int) -> list[Trouble]:
    return [] if account is None else [*_troubles(account, now_ms)]


def _troubles(account: AccountStatus, now_ms: int) -> Iterator[Trouble]:
    for requests, alarm, reason, since_ms, until_ms in (
        ("polls", account.alarm, account.paused_reason, account.paused_since_ms, account.paused_until_ms),
        (
            "submits",
            account.submits_alarm,
            account.submits_paused_reason,
            account.submits_paused_since_ms,
            account.submits_paused_until_ms,
        ),
    ):
        is_held = until_ms is not None and until_ms > now_ms
        if alarm is None and not is_held:
            continue
        yield Trouble(
            requests=requests,
            said=alarm or reason or "",
            since_ms=since_ms,
            until_ms=until_ms if is_held else None,
            is_alarm=alarm is not None,
        )


def badges_of(troubles: Sequence[Trouble], *, is_configured: bool, unknown_words: int) -> tuple[tuple[str, str], ...]:
    found = [] if is_configured else [("not configured", "warn")]
    if any(each.is_alarm for each in troubles):
        found.append(("key denied", "bad"))
    found += [
        (f"{requests} {words}", "warn")
        for requests, words in (("polls", "paused"), ("submits", "held"))
        if any(not each.is_alarm and each.requests == requests for each in troubles)
    ]
    if unknown_words:
        found.append(("unknown words", "warn"))
    return tuple(found) or (("ok", "good"),)


def callbacks_of(
    name: str, last_ms: Mapping[str, int], hour_ends: Iterable[SpanCount], day_ends: Iterable[SpanCount]
) -> Callbacks:
    none = Misses(0, 0)
    return Callbacks(
        last_ms=last_ms.get(name), hour=misses(hour_ends).get(name, none), day=misses(day_ends).get(name, none)
    )


def row_of(name: str, known: Known, now_ms: int) -> ProviderRow:
    status, snapshot = known.status, known.snapshot
    troubles = troubles_of(known.account, now_ms)
    unknown = 0 if snapshot is None else snapshot.unknown_words.number
    return ProviderRow(
        name=name,
        address=provider_page(name).address,
        badges=badges_of(troubles, is_configured=status is not None, unknown_words=unknown),
        status=status,
        limit=limit_of(status),
        unfinished=known.unfinished,
        unfinished_address=tasks_address(name, state=UNFINISHED),
        due_polls=0 if snapshot is None else snapshot.due_polls.number,
        price_s=None if snapshot is None else snapshot.poll_price_s,
        callbacks=known.callbacks,
    )


def limit_of(status: ProviderStatus | None) -> int | None:
    if status is None:
        return None
    return min((each for each in (status.max_in_flight, status.learned_in_flight) if each is not None), default=None)


def poll_outcomes(name: str, polls: Iterable[SpanCount]) -> list[tuple[str, int]]:
    """How often each answer came, those that came; labels are kind/outcome."""
    found: Counter[str] = Counter()
    for each in polls:
        if each.provider == name:
            found[each.label.partition("/")[2]] += each.count
    return [(words, found[outcome]) for outcome, words in POLL_OUTCOMES.items() if found[outcome]]


def words_of(found: Mapping[str, Mapping[str, int]]) -> list[UnknownWord]:
    """The words of most tasks first."""
    words = [
        UnknownWord(word=word, number=len(tasks), tasks=tuple(tasks.items())[:TASKS_MOST])
        for word, tasks in found.items()
    ]
    return sorted(words, key=lambda each: (-each.number, each.word))[:WORDS_MOST]
