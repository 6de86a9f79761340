"""The demo's judgement: the simulated providers' records against what each consumer received. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

STREAM_NAME = "stream"  # in place of a provider, where a finding is about the stream itself

TaskKey = tuple[str, str | None]
"""A provider and its id of a task."""


def last_part(task_id: str) -> str:
    """A provider's id without the path before it, which some of our ids hold and the provider's records do not."""
    return task_id.rpartition("/")[2]


class Channel(StrEnum):
    """How a consumer receives the ends of tasks."""

    EVERYTHING = "webhook"
    """A subscription to every event about a task."""
    FAILURES = "failures"
    """A subscription to `task.failed` alone."""
    STREAM = "stream"
    """The event stream."""
    NOTIFY = "notify"
    """The URL in a task's own `notify`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One video that the demo wants once."""

    #: The name that the demo gives it.
    name: str
    provider: str
    #: Our id of the task; None when no submit was accepted.
    task: str | None
    #: The request names a URL in `notify`.
    is_notified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfTask:
    """Something about a task, by the provider's id of it."""

    provider: str
    provider_task_id: str | None

    @property
    def key(self) -> TaskKey:
        return self.provider, self.provider_task_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid(_OfTask):
    """A task in a provider's records: it was created, so it is paid."""

    provider_task_id: str
    created_ms: int
    #: The body of the submit.
    body: str = field(repr=False)
    state: str
    is_ended: bool
    #: A callback with the opposite end was sent as well, and answered 2xx.
    contradicted: bool = False
    #: Such a callback is planned, and has not been answered 2xx yet.
    awaits_contradiction: bool = False
    #: It never ends by itself.
    is_stuck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(_OfTask):
    """A terminal event that a consumer received. One event may come by several channels, and by webhook again."""

    channel: Channel
    seq: int
    event_id: str
    task: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTask(_OfTask):
    """What the ledger says about a task."""

    task: str
    #: The source of its end, such as callback or poll; None while it runs.
    ended_by: str | None = None
    #: How many reports contradicted its end.
    contradictions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the count is made from."""

    wanted: Sequence[Wanted]
    paid: Sequence[Paid]
    received: Sequence[Received]
    ledger: Sequence[LedgerTask]
    #: Every `seq` that the follower of the stream received, in order, from the first event on.
    streamed: Sequence[int] = ()
    #: Every `seq` of a type that is sent only to those who name it.
    named_only: frozenset[int] = frozenset()
    #: The number of ends of each provider's tasks, read by pages.
    events: Mapping[str, int] = field(default_factory=dict)

    @property
    def notified(self) -> set[str | None]:
        """Our ids of the tasks whose request names a URL in `notify`."""
        return {wanted.task for wanted in self.wanted if wanted.is_notified}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with an id by which the task can be found."""

    provider: str
    task: str
    why: str

    def __str__(self) -> str:
        return f"{self.provider} {self.task}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The counts of one provider's tasks. The last four count ends by channel."""

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
    rows: tuple[Row, ...]
    #: By kind, see `KINDS`.
    findings: Mapping[str, tuple[Finding, ...]]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """A contradiction that is on record is as it should be; every other finding is wrong."""
        return tuple(each for kind, found in self.findings.items() if kind != "contradictions" for each in found)

    @property
    def verdict(self) -> str:
        lost, doubled, paid_twice = (len(self.findings[kind]) for kind in ("lost", "doubled", "paid_twice"))
        return f"lost {lost}, doubled {doubled}, paid twice {paid_twice}"


def tally(evidence: Evidence) -> Tally:
    findings = {kind: tuple(each for find in finders for each in find(evidence)) for kind, finders in KINDS.items()}
    return Tally(rows=tuple(_rows(evidence)), findings=findings)


def undelivered(
    paid: Iterable[Paid], received: Iterable[Received], *, notified: Collection[TaskKey]
) -> list[tuple[Paid, list[Channel]]]:
    """The paid tasks whose end has not come by every channel that it must, each with the missing channels."""
    channels: dict[TaskKey, set[Channel]] = {}
    for each in received:
        channels.setdefault(each.key, set()).add(each.channel)
    found = []
    for task in paid:
        subscribed = {Channel.FAILURES: task.state == "failed", Channel.NOTIFY: task.key in notified}
        due = (channel for channel in Channel if subscribed.get(channel, True))
        missing = [channel for channel in due if channel not in channels.get(task.key, ())]
        if missing:
            found.append((task, missing))
    return found


def _rows(evidence: Evidence) -> Iterator[Row]:
    for provider in dict.fromkeys(wanted.provider for wanted in evidence.wanted):
        received = [each for each in _without_repeats(evidence) if each.provider == provider]
        states = Counter({each.event_id: each.state for each in received}.values())
        channels = Counter(each.channel for each in received)
        ended = Counter(task.ended_by for task in evidence.ledger if task.provider == provider)
        yield Row(
            provider=provider,
            submitted=sum(each.provider == provider and each.task is not None for each in evidence.wanted),
            succeeded=states["succeeded"],
            failed=sum(states.values()) - states["succeeded"],
            by_callback=ended["callback"],
            by_polling=ended["poll"],
            events=evidence.events.get(provider, 0),
            webhooks=channels[Channel.EVERYTHING],
            failures=channels[Channel.FAILURES],
            streamed=channels[Channel.STREAM],
            notified=channels[Channel.NOTIFY],
        )


def _without_repeats(evidence: Evidence) -> Iterable[Received]:
    """Each event once for each channel: a webhook may come again."""
    return {(each.channel, each.event_id): each for each in evidence.received}.values()


def _lost(evidence: Evidence) -> Iterator[Finding]:
    """Paid tasks whose end is missing, and wanted videos without an outcome. Each task is named once."""
    tasks = {task.key: task.task for task in evidence.ledger}
    notified = {key for key, task in tasks.items() if task in evidence.notified}
    named: set[str | None] = {each.task for each in evidence.received}
    for paid, missing in undelivered(evidence.paid, evidence.received, notified=notified):
        named.add(tasks.get(paid.key))
        silent = f"{paid.state} at the provider, and no {', no '.join(missing)}"
        why = silent if paid.is_ended else "created, and it never ended"
        yield Finding(provider=paid.provider, task=paid.provider_task_id, why=why)
    for wanted in evidence.wanted:
        if wanted.task is None:
            yield Finding(provider=wanted.provider, task=wanted.name, why="submitted, and never accepted")
        elif wanted.task not in named:
            yield Finding(provider=wanted.provider, task=wanted.task, why=f"no outcome of request {wanted.name}")


def _gaps(evidence: Evidence) -> Iterator[Finding]:
    """Numbers missing from the stream, except those of ends that are already named as lost, and of other types."""
    numbers = set(range(1, max(evidence.streamed, default=0) + 1)) - evidence.named_only
    for seq in sorted(numbers - set(evidence.streamed) - {each.seq for each in evidence.received}):
        yield Finding(provider=STREAM_NAME, task=f"seq {seq}", why="the stream left it out")


def _repeated(evidence: Evidence) -> Iterator[Finding]:
    """Each number of the stream must be above those before it."""
    last = 0
    for seq in evidence.streamed:
        if seq <= last:
            yield Finding(provider=STREAM_NAME, task=f"seq {seq}", why=f"it came after {last}")
        last = max(last, seq)


def _doubled(evidence: Evidence) -> Iterator[Finding]:
    """A second event of one task, by our id or by the provider's, by any channel."""
    event_ids: dict[tuple[str, str], set[str]] = {}
    for each in evidence.received:
        for task in (each.task, each.provider_task_id or each.task):
            event_ids.setdefault((each.provider, task), set()).add(each.event_id)
    counted: set[str] = set()
    for (provider, task), found in event_ids.items():
        for event_id in sorted(found - {min(found)} - counted):
            counted.add(event_id)
            yield Finding(provider=provider, task=task, why=f"ended again by event {event_id}")


def _paid_twice(evidence: Evidence) -> Iterator[Finding]:
    """More tasks created than wanted. Those that are missing from the ledger are named first, then the latest."""
    wanted = Counter(each.provider for each in evidence.wanted)
    known = {task.key for task in evidence.ledger}
    for provider, count in Counter(paid.provider for paid in evidence.paid).items():
        created = [paid for paid in evidence.paid if paid.provider == provider]
        unknown_last = sorted(created, key=lambda paid: paid.key not in known)
        for paid in unknown_last[min(count, wanted[provider]) :]:
            why = f"{count} tasks created for {wanted[provider]} requests"
            yield Finding(provider=provider, task=paid.provider_task_id, why=why)


def _unwanted(evidence: Evidence) -> Iterator[Finding]:
    """Events that a consumer had not subscribed to."""
    for each in _without_repeats(evidence):
        if each.channel is Channel.FAILURES and each.state != "failed":
            yield Finding(provider=each.provider, task=each.task, why=f"it {each.state}, and was sent to the failures")
        if each.channel is Channel.NOTIFY and each.task not in evidence.notified:
            yield Finding(provider=each.provider, task=each.task, why="sent to a notify URL that it does not have")


def _disagreeing(evidence: Evidence) -> Iterator[Finding]:
    """Events that differ from the provider's records. An event is named once for each state that it reported."""
    states: dict[TaskKey, str] = {paid.key: paid.state for paid in evidence.paid}
    for each in {(each.event_id, each.state): each for each in evidence.received}.values():
        state = states.get(each.key)
        if state != each.state:
            truth = "the provider has no such task" if state is None else f"it is {state}"
            yield Finding(provider=each.provider, task=each.task, why=f"reported {each.state}, and {truth}")


def _contradictions(evidence: Evidence, *, on_record: bool) -> Iterator[Finding]:
    recorded = {task.key: task for task in evidence.ledger if task.contradictions}
    for paid in evidence.paid:
        task = recorded.get(paid.key)
        if paid.contradicted and (task is not None) is on_record:
            name = paid.provider_task_id if task is None else task.task
            why = f"{paid.state} first, then reported otherwise" + ("" if on_record else ", which is not on record")
            yield Finding(provider=paid.provider, task=name, why=why)


KINDS: Mapping[str, tuple[Callable[[Evidence], Iterator[Finding]], ...]] = {
    "lost": (_lost, _gaps),
    "doubled": (_doubled, _repeated),
    "paid_twice": (_paid_twice,),
    "unwanted": (_unwanted,),
    "disagreeing": (_disagreeing,),
    "unrecorded": (partial(_contradictions, on_record=False),),
    "contradictions": (partial(_contradictions, on_record=True),),
}
