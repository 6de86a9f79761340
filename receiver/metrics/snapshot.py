"""What is open in the ledger at one time, as plain values, and the gauges that it becomes.

`receiver.runtime.snapshots` makes one every 15 seconds; a scrape and the dashboard read the last one. Numbers are
counted up to `MOST` and no further, so that a tick stays cheap; a number of `MOST` means that many or more. Times are
unix milliseconds. Several processes on one ledger show the same gauges: aggregate them with `max`, never `sum`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily, Metric

MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """How many there are, and since when the oldest of them."""

    number: int = 0
    #: None where there is none, and where it is not known.
    since_ms: int | None = None

    def age_s(self, now_ms: int) -> float:
        """Of the oldest; 0 where there is none."""
        return 0.0 if self.since_ms is None else max(0, now_ms - self.since_ms) / 1000


NONE = Open()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Polls or submits of a provider are held back until a time."""

    until_ms: int
    #: A word of ours, such as `throttled` or `denied`.
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSnapshot:
    """What is open at one provider; `other` is every one that is not configured."""

    name: str
    #: Tasks that have not ended, by state.
    tasks: Mapping[str, int] = field(default_factory=dict)
    queued: Open = NONE
    uncertain: Open = NONE
    #: Unfinished tasks whose `task.overdue` was published.
    overdue: Open = NONE
    #: Polls that are due, those under way included; since when the oldest that nobody is polling.
    due_polls: Open = NONE
    #: Tasks with a contradiction in the last 24 hours.
    contradicted: Open = NONE
    #: Unfinished tasks whose provider last said a word that its documents do not name.
    unknown_words: Open = NONE
    #: None: not paused.
    polls_paused: Pause | None = None
    submits_paused: Pause | None = None
    #: An operator must act, because the provider denies the key.
    polls_denied: bool = False
    submits_denied: bool = False
    #: Requests a second that we allow ourselves; None for `other`.
    budget_per_s: float | None = None
    #: Seconds of lateness that a poll must be worth.
    poll_price_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is open in the ledger."""

    at_ms: int
    #: The configured providers in their order, and `other` where a task of another one is open.
    providers: tuple[ProviderSnapshot, ...] = ()
    #: Deliveries that are not finished; since when the one is due that waits longest at an endpoint that may be posted
    #: to, or when the oldest event was published that has no deliveries yet.
    outbox: Open = NONE
    #: Dead letters.
    dead: Open = NONE
    #: Subscriptions by state.
    subscriptions: Mapping[str, int] = field(default_factory=dict)
    #: Of the file of the ledger, and of its write-ahead log; None on a server.
    database_bytes: int | None = None
    wal_bytes: int | None = None


_BY_PROVIDER = ("provider",)

#: Name → what it is, and its labels.
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "whenfinal_tasks": (f"Unfinished tasks, counted up to {MOST} a state", ("provider", "state")),
    "whenfinal_queued_oldest_age_seconds": ("How long the oldest queued task has waited", _BY_PROVIDER),
    "whenfinal_uncertain_submits": ("Submits whose reply was lost, to be settled", _BY_PROVIDER),
    "whenfinal_uncertain_oldest_age_seconds": ("Age of the oldest uncertain submit", _BY_PROVIDER),
    "whenfinal_overdue_tasks": ("Unfinished tasks past their deadline", _BY_PROVIDER),
    "whenfinal_overdue_oldest_age_seconds": ("How long the oldest overdue task has been overdue", _BY_PROVIDER),
    "whenfinal_contradictions": ("Tasks with a contradiction in the last 24 hours", _BY_PROVIDER),
    "whenfinal_unknown_states": ("Unfinished tasks in a state that no document names", _BY_PROVIDER),
    "whenfinal_due_polls": ("Tasks whose poll is due, those under way included", _BY_PROVIDER),
    "whenfinal_oldest_due_poll_age_seconds": (
        "Age of the poll that has been due longest and is not under way",
        _BY_PROVIDER,
    ),
    "whenfinal_provider_paused": (
        "1 while polls or submits of a provider are held back",
        ("provider", "requests", "reason"),
    ),
    "whenfinal_paused_until_timestamp_seconds": ("When the pause of polls or submits ends", ("provider", "requests")),
    "whenfinal_provider_denied": ("1 while a provider denies our key", ("provider", "requests")),
    "whenfinal_poll_budget_per_second": ("Requests that we allow ourselves", _BY_PROVIDER),
    "whenfinal_poll_price_seconds": ("Seconds of lateness that a poll must be worth", _BY_PROVIDER),
    "whenfinal_outbox_pending": (f"Deliveries that are not finished, counted up to {MOST}", ()),
    "whenfinal_outbox_oldest_due_age_seconds": ("Age of the delivery that has been due longest and may be posted", ()),
    "whenfinal_deliveries_dead": (f"Dead letters, counted up to {MOST}", ()),
    "whenfinal_subscriptions": ("Subscriptions", ("state",)),
    "whenfinal_database_bytes": ("Size of the file of the ledger; SQLite only", ()),
    "whenfinal_wal_bytes": ("Size of its write-ahead log; SQLite only", ()),
    "whenfinal_snapshot_timestamp_seconds": ("When these gauges were read from the ledger", ()),
}

_Rows = Iterator[tuple[str, tuple[str, ...], float]]


def gauges_of(snapshot: Snapshot) -> Iterator[Metric]:
    families = {name: GaugeMetricFamily(name, about, labels=labels) for name, (about, labels) in GAUGES.items()}
    for name, labels, value in _rows(snapshot):
        families[name].add_metric(labels, value)
    yield from families.values()


def _rows(snapshot: Snapshot) -> _Rows:
    now_ms = snapshot.at_ms
    for provider in snapshot.providers:
        yield from _rows_of_provider(provider, now_ms)
    yield "whenfinal_outbox_pending", (), snapshot.outbox.number
    yield "whenfinal_outbox_oldest_due_age_seconds", (), snapshot.outbox.age_s(now_ms)
    yield "whenfinal_deliveries_dead", (), snapshot.dead.number
    for state, number in snapshot.subscriptions.items():
        yield "whenfinal_subscriptions", (state,), number
    if snapshot.database_bytes is not None:
        yield "whenfinal_database_bytes", (), snapshot.database_bytes
    if snapshot.wal_bytes is not None:
        yield "whenfinal_wal_bytes", (), snapshot.wal_bytes
    yield "whenfinal_snapshot_timestamp_seconds", (), now_ms / 1000


def _rows_of_provider(provider: ProviderSnapshot, now_ms: int) -> _Rows:
    name = (provider.name,)
    for state, number in provider.tasks.items():
        yield "whenfinal_tasks", (provider.name, state), number
    yield "whenfinal_queued_oldest_age_seconds", name, provider.queued.age_s(now_ms)
    yield "whenfinal_uncertain_submits", name, provider.uncertain.number
    yield "whenfinal_uncertain_oldest_age_seconds", name, provider.uncertain.age_s(now_ms)
    yield "whenfinal_overdue_tasks", name, provider.overdue.number
    yield "whenfinal_overdue_oldest_age_seconds", name, provider.overdue.age_s(now_ms)
    yield "whenfinal_contradictions", name, provider.contradicted.number
    yield "whenfinal_unknown_states", name, provider.unknown_words.number
    yield "whenfinal_due_polls", name, provider.due_polls.number
    yield "whenfinal_oldest_due_poll_age_seconds", name, provider.due_polls.age_s(now_ms)
    for requests, pause, denied in (
        ("polls", provider.polls_paused, provider.polls_denied),
        ("submits", provider.submits_paused, provider.submits_denied),
    ):
        if pause is not None:
            yield "whenfinal_provider_paused", (provider.name, requests, pause.reason), 1
            yield "whenfinal_paused_until_timestamp_seconds", (provider.name, requests), pause.until_ms / 1000
        yield "whenfinal_provider_denied", (provider.name, requests), int(denied)
    if provider.budget_per_s is not None:
        yield "whenfinal_poll_budget_per_second", name, provider.budget_per_s
    if provider.poll_price_s is not None:
        yield "whenfinal_poll_price_seconds", name, provider.poll_price_s
