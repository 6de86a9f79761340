"""The count: what the providers' books say was made against what the subscriber was told.

Pure. The providers' books and the subscriber's are kept by nobody who has an interest in the result; the ledger's own
story is used only to link our ids with theirs, and for what only it can know (who ended a task, contradictions).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One video that was wanted once. `task` is our id, None when it was never accepted."""

    order: str
    provider: str
    task: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A task in a provider's books. `contradicted`: it told the other end as well, and was heard (2xx)."""

    provider: str
    task_id: str
    state: str
    is_ended: bool
    contradicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A terminal event as the subscriber received it; the same event may be told more than once."""

    event_id: str
    task: str
    provider: str
    task_id: str | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the ledger knows of a task. `ended_by` is the source of its end: callback, poll, …; None while it runs."""

    task: str
    provider: str
    task_id: str | None
    ended_by: str | None = None
    contradictions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All the evidence. `events`: number of events a provider's tasks have in the ledger's feed."""

    intents: Sequence[Intent]
    paid: Sequence[Paid]
    told: Sequence[Told]
    stories: Sequence[Story]
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
    """A provider's line of the table."""

    provider: str
    submitted: int
    succeeded: int
    failed: int
    by_callback: int
    by_polling: int
    events: int
    webhooks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """`contradictions` are those on record; `unrecorded` those that were told and are not."""

    rows: tuple[Row, ...]
    lost: tuple[Finding, ...]
    doubled: tuple[Finding, ...]
    paid_twice: tuple[Finding, ...]
    disagreeing: tuple[Finding, ...]
    unrecorded: tuple[Finding, ...]
    contradictions: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        return (*self.lost, *self.doubled, *self.paid_twice, *self.disagreeing, *self.unrecorded)

    @property
    def verdict(self) -> str:
        return f"lost {len(self.lost)}, doubled {len(self.doubled)}, paid twice {len(self.paid_twice)}"


def tally(books: Books) -> Tally:
    return Tally(
        rows=tuple(_rows(books)),
        lost=tuple(_lost(books)),
        doubled=tuple(_doubled(books)),
        paid_twice=tuple(_paid_twice(books)),
        disagreeing=tuple(_disagreeing(books)),
        unrecorded=tuple(_contradictions(books, on_record=False)),
        contradictions=tuple(_contradictions(books, on_record=True)),
    )


def _rows(books: Books) -> Iterator[Row]:
    for provider in dict.fromkeys(intent.provider for intent in books.intents):
        told = {each.event_id: each for each in books.told if each.provider == provider}
        states = Counter(each.state for each in told.values())
        ended = Counter(story.ended_by for story in books.stories if story.provider == provider)
        yield Row(
            provider=provider,
            submitted=sum(intent.provider == provider and intent.task is not None for intent in books.intents),
            succeeded=states["succeeded"],
            failed=sum(states.values()) - states["succeeded"],
            by_callback=ended["callback"],
            by_polling=ended["poll"],
            events=books.events.get(provider, 0),
            webhooks=len(told),
        )


def _lost(books: Books) -> Iterator[Finding]:
    """Paid work that nobody was told of, and wishes without an outcome; a task that is both is named once."""
    heard = {(each.provider, each.task_id) for each in books.told}
    silent = {(paid.provider, paid.task_id) for paid in books.paid} - heard
    for paid in books.paid:
        if (paid.provider, paid.task_id) in silent:
            why = f"{paid.state} at the provider, and no webhook" if paid.is_ended else "made, and it never ended"
            yield Finding(provider=paid.provider, task=paid.task_id, why=why)
    named = {story.task for story in books.stories if (story.provider, story.task_id) in silent}
    answered = {each.task for each in books.told} | named
    for intent in books.intents:
        if intent.task is None:
            yield Finding(provider=intent.provider, task=intent.order, why="ordered, and never accepted")
        elif intent.task not in answered:
            yield Finding(provider=intent.provider, task=intent.task, why=f"no outcome of order {intent.order}")


def _doubled(books: Books) -> Iterator[Finding]:
    """A second event of one task, by our id or by the provider's."""
    ours = _event_ids((each.provider, each.task, each.event_id) for each in books.told)
    theirs = _event_ids((each.provider, each.task_id, each.event_id) for each in books.told if each.task_id)
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
    known = {(story.provider, story.task_id) for story in books.stories}
    for provider, made in _by_provider(books.paid).items():
        surplus = max(0, len(made) - wanted[provider])
        unknown_last = sorted(made, key=lambda paid: (paid.provider, paid.task_id) not in known)
        for paid in unknown_last[len(made) - surplus :]:
            why = f"{len(made)} tasks made for {wanted[provider]} orders"
            yield Finding(provider=provider, task=paid.task_id, why=why)


def _by_provider(paid: Sequence[Paid]) -> dict[str, list[Paid]]:
    found: dict[str, list[Paid]] = {}
    for each in paid:
        found.setdefault(each.provider, []).append(each)
    return found


def _disagreeing(books: Books) -> Iterator[Finding]:
    """What the subscriber heard is not what the provider's books say."""
    states = {(paid.provider, paid.task_id): paid.state for paid in books.paid}
    for told in {each.event_id: each for each in books.told}.values():
        state = states.get((told.provider, told.task_id or ""))
        if state is None:
            yield Finding(
                provider=told.provider, task=told.task, why=f"told {told.state}, and the provider has no such"
            )
        elif state != told.state:
            yield Finding(provider=told.provider, task=told.task, why=f"told {told.state}, and it is {state}")


def _contradictions(books: Books, *, on_record: bool) -> Iterator[Finding]:
    recorded = {(story.provider, story.task_id): story for story in books.stories if story.contradictions}
    for paid in books.paid:
        story = recorded.get((paid.provider, paid.task_id))
        if paid.contradicted and (story is not None) is on_record:
            name = paid.task_id if story is None else story.task
            why = f"{paid.state} first, then told otherwise" + ("" if on_record else ", and that is not on record")
            yield Finding(provider=paid.provider, task=name, why=why)
