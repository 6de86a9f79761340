"""What a caller may ask a replay for: our rules for its range. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from receiver.events.model.query import EventFilter
from receiver.webhooks.model.endpoint import label_violations
from receiver.webhooks.model.request import known_violations, model_violations
from submitter.errors import Violation


class ReplayWhich(StrEnum):
    """`all`, delivered ones too; only `dead` letters; or only what was never owed to it (`missing`)."""

    ALL = "all"
    DEAD = "dead"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRange:
    """Which events to make due again for one subscription, beside its own filter; None does not bound.

    Numbers are inclusive at both ends, times `since_ms <= at < until_ms`.
    """

    first_seq: int | None = None
    last_seq: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    filter: EventFilter = field(default_factory=EventFilter)
    which: ReplayWhich = ReplayWhich.ALL


def find_violations(wanted: ReplayRange, providers: Sequence[str]) -> Iterator[Violation]:
    """Every broken rule. `providers` are the configured ones. A range that nothing bounds is refused.

    Nobody should send a whole history by leaving something out; whoever wants it says so with the first number.
    """
    if not is_bounded(wanted):
        rule = "is missing, and nothing else bounds the replay"
        accepted = "a bound by number, time, filter or `which: dead`; `first_seq: 1` replays everything"
        yield Violation(field="first_seq", rule=rule, accepted=accepted)
    if _is_backwards(wanted.first_seq, wanted.last_seq):
        yield Violation(field="last_seq", rule="is smaller than first_seq", accepted=f"{wanted.first_seq} or more")
    if wanted.until_ms is not None and _is_backwards(wanted.since_ms, wanted.until_ms - 1):
        yield Violation(field="until", rule="is not later than since", accepted="a later time")
    yield from known_violations("providers", sorted(wanted.filter.providers), providers)
    yield from model_violations(sorted(wanted.filter.models))
    yield from label_violations(wanted.filter.labels)


def is_bounded(wanted: ReplayRange) -> bool:
    bounds = (wanted.first_seq, wanted.last_seq, wanted.since_ms, wanted.until_ms)
    dead_only = wanted.which is ReplayWhich.DEAD  # these are few by themselves
    return wanted.filter != EventFilter() or dead_only or any(bound is not None for bound in bounds)


def _is_backwards(first: int | None, last: int | None) -> bool:
    return first is not None and last is not None and last < first


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCount:
    """`matched` events, of which `made_due` deliveries follow; the rest was due already or left out by `which`.

    `oldest_seq` is set when the range begins before what is kept: the number of the oldest event that still is.
    """

    matched: int = 0
    made_due: int = 0
    oldest_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotActive:
    """The subscription is disabled: nothing is made due for it until it is enabled."""

    subscription: str
    reason: str | None = None
