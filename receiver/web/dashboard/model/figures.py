"""Numbers of the first page: what is open, and what happened in the last 24 hours, by provider. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from receiver.metrics.counting import quantile
from receiver.metrics.registry import OTHER
from receiver.metrics.snapshot import NONE, Open, ProviderSnapshot, Snapshot
from receiver.store.minutes import HOUR_MS, MINUTE_MS, SpanCount
from receiver.tasks.model.callback_counts import misses
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.alarm import provider_page
from receiver.web.dashboard.model.provider_alarms import number_of, tasks_address

DAY_MS = 24 * HOUR_MS

SPAN_MS = 15 * MINUTE_MS  # one point of a sparkline

POINTS = DAY_MS // SPAN_MS

#: States of tasks that the provider has, or is being given.
RUNNING = ("submitting", "submitted", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """How many there are, since when the oldest, and the list of just these."""

    title: str
    number: str
    is_zero: bool
    since_ms: int | None
    address: str
    #: `warn` or `bad` where there are some; empty for what is normal.
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRow:
    """What is open at one provider."""

    name: str
    address: str
    #: Title and number of each, with the list of just these; None for no list.
    cells: tuple[tuple[str, str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """What happened at one provider in the last 24 hours."""

    name: str
    address: str
    #: Of the last 15 minutes.
    ends_per_minute: str
    #: Ends in each 15 minutes, oldest first.
    ends: tuple[int, ...]
    ends_total: int
    #: Of tasks that succeeded in the last hour, in milliseconds; None without one.
    p50_ms: int | None
    p95_ms: int | None
    #: Of ends that expected a callback.
    by_callback: int
    by_poll: int
    missed: tuple[int, ...]
    accepted: int
    refused: int
    uncertain: int
    submits: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """Counts of the last 24 hours in spans of `SPAN_MS`, and durations of the last hour."""

    ends: Sequence[SpanCount] = ()
    submits: Sequence[SpanCount] = ()
    durations: Sequence[SpanCount] = ()


def first_span_ms(now_ms: int) -> int:
    """When the first of `POINTS` spans begins; the last one is that of now."""
    return now_ms - now_ms % SPAN_MS - (POINTS - 1) * SPAN_MS


def tiles_of(snapshot: Snapshot) -> list[Tile]:
    def all_of(get: Callable[[ProviderSnapshot], Open]) -> Open:
        return _together([get(each) for each in snapshot.providers])

    return [
        _tile("Queued", all_of(lambda each: each.queued), tasks_address(OTHER, state="queued"), ""),
        _tile("Uncertain submits", all_of(lambda each: each.uncertain), tasks_address(OTHER, state="uncertain"), "bad"),
        _tile("Overdue", all_of(lambda each: each.overdue), tasks_address(OTHER, overdue="1"), "warn"),
        _tile(
            "Contradicted, 24 h", all_of(lambda each: each.contradicted), tasks_address(OTHER, contradicted="1"), "warn"
        ),
        _tile("Dead letters", snapshot.dead, f"{ROOT}/deliveries?state=dead", "bad"),
    ]


def open_rows(snapshot: Snapshot) -> list[OpenRow]:
    return [_open_row(each) for each in snapshot.providers]


def _open_row(provider: ProviderSnapshot) -> OpenRow:
    name, is_other = provider.name, provider.name == OTHER

    def cell(title: str, number: Open | int, **filters: str | Sequence[str]) -> tuple[str, str, str | None]:
        return title, number_of(number), None if is_other else tasks_address(name, **filters)

    return OpenRow(
        name=name,
        address=provider_page(name).address,
        cells=(
            cell("Running", sum(provider.tasks.get(each, 0) for each in RUNNING), state=RUNNING),
            cell("Queued", provider.queued, state="queued"),
            cell("Uncertain", provider.uncertain, state="uncertain"),
            cell("Overdue", provider.overdue, overdue="1"),
            cell("Contradicted", provider.contradicted, contradicted="1"),
            ("Polls due", number_of(provider.due_polls), None),
        ),
    )


def rate_rows(names: Sequence[str], counts: DayCounts, now_ms: int) -> list[RateRow]:
    """Of these providers in their order, and `other` behind them where something was counted of it."""
    ends, submits, durations = map(_by_provider, (counts.ends, counts.submits, counts.durations))
    more = [name for name in (OTHER,) if name not in names and (ends.get(name) or submits.get(name))]
    return [_rate_row(name, ends[name], submits[name], durations[name], now_ms) for name in [*names, *more]]


def _rate_row(
    name: str,
    ends: Sequence[SpanCount],
    submits: Sequence[SpanCount],
    durations: Sequence[SpanCount],
    now_ms: int,
) -> RateRow:
    points, missed = line_of(ends, now_ms), [each for each in ends if _is_missed(each.label)]
    outcomes: Counter[str] = Counter()
    for each in submits:
        outcomes[each.label] += each.count
    found = misses(ends).get(name)
    return RateRow(
        name=name,
        address=provider_page(name).address,
        ends_per_minute=_rate(points, now_ms),
        ends=points,
        ends_total=sum(points),
        p50_ms=time_to_end_ms(durations, 0.5),
        p95_ms=time_to_end_ms(durations, 0.95),
        by_callback=0 if found is None else found.expected - found.missed,
        by_poll=0 if found is None else found.missed,
        missed=line_of(missed, now_ms),
        accepted=outcomes["accepted"],
        refused=outcomes["refused"],
        uncertain=outcomes["uncertain"],
        submits=line_of(submits, now_ms),
    )


def line_of(counts: Iterable[SpanCount], now_ms: int) -> tuple[int, ...]:
    """A number for each of the `POINTS` spans, oldest first."""
    first_ms = first_span_ms(now_ms)
    numbers = [0] * POINTS
    for each in counts:
        place = (each.at_ms - first_ms) // SPAN_MS
        if 0 <= place < POINTS:
            numbers[place] += each.count
    return tuple(numbers)


def time_to_end_ms(durations: Iterable[SpanCount], share: float) -> int | None:
    """Of tasks that succeeded; labels are state/bound."""
    buckets: Counter[str] = Counter()
    for each in durations:
        state, bound = each.label.split("/")
        if state == "succeeded":
            buckets[bound] += each.count
    found = quantile(buckets, share)
    return None if found is None else round(found) * 1000


def _is_missed(label: str) -> bool:
    _, by, is_expected = label.split("/")
    return is_expected == "true" and by != "callback"


def _rate(points: Sequence[int], now_ms: int) -> str:
    """Ends a minute of the span of now and of the one before, so that a new span does not begin at 0."""
    minutes = (now_ms % SPAN_MS + SPAN_MS) / MINUTE_MS
    rate = sum(points[-2:]) / minutes
    return f"{rate:,.0f}" if rate >= 10 or rate == 0 else f"{rate:.1f}" if rate >= 0.05 else "under 0.1"


def _by_provider(counts: Iterable[SpanCount]) -> Mapping[str, list[SpanCount]]:
    found: dict[str, list[SpanCount]] = defaultdict(list)
    for each in counts:
        found[each.provider].append(each)
    return found


def _together(parts: Sequence[Open]) -> Open:
    known = [each.since_ms for each in parts if each.since_ms is not None]
    return Open(number=sum(each.number for each in parts), since_ms=min(known, default=None)) if parts else NONE


def _tile(title: str, found: Open, address: str, kind: str) -> Tile:
    is_zero = not found.number
    return Tile(
        title=title,
        number=number_of(found),
        is_zero=is_zero,
        since_ms=found.since_ms,
        address=address,
        kind="" if is_zero else kind,
    )
