"""What the demo is to show beside its count, and what is amiss where it did not come to pass. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

EARLY_S = 0.05  # the sender counts from its own clock's milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`retried_s`: until the webhook that was answered 500 came again, `waited_s` the one answered 429; None: never.

    `overlapping` webhooks were verified by the secret before and by the one after the rotation. `resumed_at` is the
    number after which the stream was taken up again. `faults`: webhooks by what was wrong with them.
    """

    retried_s: float | None = None
    waited_s: float | None = None
    retry_after_s: float
    asymmetric: int = 0
    overlapping: int = 0
    resumed_at: int | None = None
    notified: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)


def shown_lines(shown: Shown) -> Iterator[str]:
    """One line for each thing that was shown."""
    if shown.asymmetric:
        yield f"{shown.asymmetric} webhooks signed with ed25519 as well, with CloudEvents attributes"
    if shown.retried_s is not None:
        yield f"a webhook answered 500 sent again after {shown.retried_s:.1f} s"
    if shown.waited_s is not None:
        yield f"a webhook answered 429, Retry-After {shown.retry_after_s:g}, sent again after {shown.waited_s:.1f} s"
    if shown.overlapping:
        yield f"secret rotated, {shown.overlapping} webhooks signed with the old and the new one"
    if shown.resumed_at is not None:
        yield f"stream resumed at seq {shown.resumed_at}"
    if shown.notified:
        yield f"{shown.notified} ends told to the address in the task's own notify"


def remarks(shown: Shown) -> list[str]:
    """What is wrong."""
    came_early = shown.waited_s is not None and shown.waited_s < shown.retry_after_s - EARLY_S
    amiss = {
        "the webhook that was answered 500 was not sent again": shown.retried_s is None,
        "the webhook that was answered 429 was not sent again": shown.waited_s is None,
        "the webhook that was answered 429 was sent again before its Retry-After": came_early,
        "no webhook was signed with both secrets after the rotation": not shown.overlapping,
        "the stream was not resumed": shown.resumed_at is None,
    }
    return [*(f"{count} webhooks {fault}" for fault, count in shown.faults.items()), *_true(amiss)]


def _true(amiss: Mapping[str, bool]) -> Sequence[str]:
    return [remark for remark, is_so in amiss.items() if is_so]


STREAM_NAME = "stream"  # stands for the provider where something is wrong with the stream as such


class Way(StrEnum):
    """By what an end is told: to a subscription to everything, to one to failures, to a follower, to one who asked."""

    EVERYTHING = "webhook"
    FAILURES = "failures"
    STREAM = "stream"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One video that was wanted once. `task` is our id, None when it was never accepted."""

    order: str
    provider: str
    task: str | None
    is_notified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A task in a provider's books. `contradicted`: it told the other end as well, and was heard (2xx)."""

    provider: str
    provider_task_id: str
    state: str
    is_ended: bool
    contradicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A terminal event as it was received; the same event may be told by several ways, and again by a webhook."""

    way: Way
    seq: int
    event_id: str
    task: str
    provider: str
    provider_task_id: str | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the ledger knows of a task. `ended_by` is the source of its end: callback, poll, …; None while it runs."""

    task: str
    provider: str
    provider_task_id: str | None
    ended_by: str | None = None
    contradictions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All the evidence. `events`: number of events a provider's tasks have in the ledger's feed.

    `streamed` is every number that the follower of the stream saw, in its order, from the first event on.
    """

    intents: Sequence[Intent]
    paid: Sequence[Paid]
    told: Sequence[Told]
    stories: Sequence[Story]
    streamed: Sequence[int] = ()
    events: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong; `task` is the name under which one can look it up."""

    provider: str
    task: str
    why: str

    def __str__(self) -> str:
        return f"{self.provider} {self.task}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a provider's tasks came to. The last four: ends that were told by each way."""

    provider: str
    submitted: int
    succeeded: int
    failed: int
    by_callback: int
    by_polling: int
    events: int
    webhooks: int
    failures: int
    streamed: int
    notified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """`contradictions` are those on record; `unrecorded` those that were told and are not.

    `unwanted` came to somebody who had not asked for it.
    """

    rows: tuple[Row, ...]
    lost: tuple[Finding, ...]
    doubled: tuple[Finding, ...]
    paid_twice: tuple[Finding, ...]
    unwanted: tuple[Finding, ...]
    disagreeing: tuple[Finding, ...]
    unrecorded: tuple[Finding, ...]
    contradictions: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        return (*self.lost, *self.doubled, *self.paid_twice, *self.unwanted, *self.disagreeing, *self.unrecorded)

    @property
    def verdict(self) -> str:
        return f"lost {len(self.lost)}, doubled {len(self.doubled)}, paid twice {len(self.paid_twice)}"


def tally(books: Books) -> Tally:
    return Tally(
        rows=tuple(_rows(books)),
        lost=(*_lost(books), *_gaps(books)),
        doubled=(*_doubled(books), *_repeated(books)),
        paid_twice=tuple(_paid_twice(books)),
        unwanted=tuple(_unwanted(books)),
        disagreeing=tuple(_disagreeing(books)),
        unrecorded=tuple(_contradictions(books, on_record=False)),
        contradictions=tuple(_contradictions(books, on_record=True)),
    )


def silent(
    paid: Iterable[Paid], told: Iterable[Told], *, notified: Collection[tuple[str, str | None]]
) -> list[tuple[Paid, list[Way]]]:
    """Whose end has not come by every way that it must, and by which. `notified` are (provider, task_id)."""
    heard: dict[tuple[str, str | None], set[Way]] = {}
    for each in told:
        heard.setdefault((each.provider, each.provider_task_id), set()).add(each.way)
    found = []
    for each_paid in paid:
        key = (each_paid.provider, each_paid.provider_task_id)
        asked = {Way.FAILURES: each_paid.state == "failed", Way.NOTIFY: key in notified}
        missing = [way for way in Way if asked.get(way, True) and way not in heard.get(key, ())]
        if missing:
            found.append((each_paid, missing))
    return found


def _rows(books: Books) -> Iterator[Row]:
    for provider in dict.fromkeys(intent.provider for intent in books.intents):
        told = {(each.way, each.event_id): each for each in books.told if each.provider == provider}.values()
        states = Counter({each.event_id: each.state for each in told}.values())
        ways = Counter(each.way for each in told)
        ended = Counter(story.ended_by for story in books.stories if story.provider == provider)
        yield Row(
            provider=provider,
            submitted=sum(intent.provider == provider and intent.task is not None for intent in books.intents),
            succeeded=states["succeeded"],
            failed=sum(states.values()) - states["succeeded"],
            by_callback=ended["callback"],
            by_polling=ended["poll"],
            events=books.events.get(provider, 0),
            webhooks=ways[Way.EVERYTHING],
            failures=ways[Way.FAILURES],
            streamed=ways[Way.STREAM],
            notified=ways[Way.NOTIFY],
        )


def _lost(books: Books) -> Iterator[Finding]:
    """Paid work that was not told by every way it must be, and wishes without an outcome; each task is named once."""
    tasks = {(story.provider, story.provider_task_id): story.task for story in books.stories}
    asked = {intent.task for intent in books.intents if intent.is_notified}
    notified = {key for key, task in tasks.items() if task in asked}
    named: set[str | None] = set()
    for paid, missing in silent(books.paid, books.told, notified=notified):
        named.add(tasks.get((paid.provider, paid.provider_task_id)))
        unheard = f"{paid.state} at the provider, and no {', no '.join(missing)}"
        why = unheard if paid.is_ended else "made, and it never ended"
        yield Finding(provider=paid.provider, task=paid.provider_task_id, why=why)
    yield from _without_outcome(books.intents, answered={each.task for each in books.told} | named)


def _without_outcome(intents: Iterable[Intent], *, answered: Collection[str | None]) -> Iterator[Finding]:
    for intent in intents:
        if intent.task is None:
            yield Finding(provider=intent.provider, task=intent.order, why="ordered, and never accepted")
        elif intent.task not in answered:
            yield Finding(provider=intent.provider, task=intent.task, why=f"no outcome of order {intent.order}")


def _gaps(books: Books) -> Iterator[Finding]:
    """Numbers that never came by the stream, but those of the ends that are lost by name already."""
    numbers = range(1, max(books.streamed, default=0) + 1)
    for seq in sorted(set(numbers) - set(books.streamed) - {each.seq for each in books.told}):
        yield Finding(provider=STREAM_NAME, task=f"seq {seq}", why="it was left out")


def _repeated(books: Books) -> Iterator[Finding]:
    """Each number of the stream must be above those before it."""
    last = 0
    for seq in books.streamed:
        if seq <= last:
            yield Finding(provider=STREAM_NAME, task=f"seq {seq}", why=f"it came after {last}")
        last = max(last, seq)


def _unwanted(books: Books) -> Iterator[Finding]:
    """What came to somebody who had asked for less."""
    notified = {intent.task for intent in books.intents if intent.is_notified}
    for told in {(each.way, each.event_id): each for each in books.told}.values():
        if told.way is Way.FAILURES and told.state != "failed":
            yield Finding(provider=told.provider, task=told.task, why=f"it {told.state}, and went to the failures")
        if told.way is Way.NOTIFY and told.task not in notified:
            yield Finding(provider=told.provider, task=told.task, why="notified, and it was not asked for")


def _doubled(books: Books) -> Iterator[Finding]:
    """A second event of one task, by our id or by the provider's, whichever way it came."""
    ours = _event_ids((each.provider, each.task, each.event_id) for each in books.told)
    theirs = _event_ids(
        (each.provider, each.provider_task_id, each.event_id) for each in books.told if each.provider_task_id
    )
    counted: set[str] = set()
    for (provider, task), event_ids in {**ours, **theirs}.items():
        for event_id in sorted(event_ids - {min(event_ids)} - counted):
            counted.add(event_id)
            yield Finding(provider=provider, task=task, why=f"ended again by event {event_id}")


def _event_ids(told: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for provider, task, event_id in told:
        found.setdefault((provider, task), set()).add(event_id)
    return found


def _paid_twice(books: Books) -> Iterator[Finding]:
    """More tasks made than wanted. Named are those that no task of ours stands for, then the latest."""
    wanted = Counter(intent.provider for intent in books.intents)
    known = {(story.provider, story.provider_task_id) for story in books.stories}
    for provider, made in _by_provider(books.paid).items():
        surplus = max(0, len(made) - wanted[provider])
        unknown_last = sorted(made, key=lambda paid: (paid.provider, paid.provider_task_id) not in known)
        for paid in unknown_last[len(made) - surplus :]:
            why = f"{len(made)} tasks made for {wanted[provider]} orders"
            yield Finding(provider=provider, task=paid.provider_task_id, why=why)


def _by_provider(paid: Sequence[Paid]) -> dict[str, list[Paid]]:
    found: dict[str, list[Paid]] = {}
    for each in paid:
        found.setdefault(each.provider, []).append(each)
    return found


def _disagreeing(books: Books) -> Iterator[Finding]:
    """What was told is not what the provider's books say; an event is named once for each state that it told."""
    states = {(paid.provider, paid.provider_task_id): paid.state for paid in books.paid}
    for told in {(each.event_id, each.state): each for each in books.told}.values():
        state = states.get((told.provider, told.provider_task_id or ""))
        if state is None:
            yield Finding(
                provider=told.provider, task=told.task, why=f"told {told.state}, and the provider has no such"
            )
        elif state != told.state:
            yield Finding(provider=told.provider, task=told.task, why=f"told {told.state}, and it is {state}")


def _contradictions(books: Books, *, on_record: bool) -> Iterator[Finding]:
    recorded = {(story.provider, story.provider_task_id): story for story in books.stories if story.contradictions}
    for paid in books.paid:
        story = recorded.get((paid.provider, paid.provider_task_id))
        if paid.contradicted and (story is not None) is on_record:
            name = paid.provider_task_id if story is None else story.task
            why = f"{paid.state} first, then told otherwise" + ("" if on_record else ", and that is not on record")
            yield Finding(provider=paid.provider, task=name, why=why)
