"""Replays: which events, the rules for the range, and the outcome. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from receiver.events.model.query import EventFilter
from receiver.webhooks.model.endpoint import label_violations
from receiver.webhooks.model.request import known_violations, model_violations
from submitter.errors import Violation, WhenfinalError


class ReplayWhich(StrEnum):
    """Which events of the range are requeued.

    `all`: also delivered ones. `dead`: only dead letters. `missing`: only those without a delivery to the subscription.
    """

    ALL = "all"
    DEAD = "dead"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRange:
    """Which events to requeue for one subscription, in addition to its own filter. None is no bound."""

    #: The first and the last number, both inclusive.
    first_seq: int | None = None
    last_seq: int | None = None
    #: `since_ms <= at_ms < until_ms`
    since_ms: int | None = None
    until_ms: int | None = None
    filter: EventFilter = field(default_factory=EventFilter)
    which: ReplayWhich = ReplayWhich.ALL


def validate_replay(wanted: ReplayRange, providers: Sequence[str]) -> Iterator[Violation]:
    """Every broken rule. `providers` are the configured ones.

    A range without any bound is refused, because a forgotten field must not send the whole history; `first_seq: 1` asks
    for it explicitly.
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
    """Whether anything bounds the range."""
    bounds = (wanted.first_seq, wanted.last_seq, wanted.since_ms, wanted.until_ms)
    dead_only = wanted.which is ReplayWhich.DEAD  # there are few of these
    return wanted.filter != EventFilter() or dead_only or any(bound is not None for bound in bounds)


def _is_backwards(first: int | None, last: int | None) -> bool:
    return first is not None and last is not None and last < first


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCount:
    """What a replay did, or would do."""

    #: Events in the range that pass both filters.
    matched: int = 0
    #: Deliveries that were requeued. The others were pending already, or `which` leaves them out.
    requeued: int = 0
    #: The oldest stored event, when the range begins before it.
    oldest_seq: int | None = None


class ReplayRefused(WhenfinalError):
    """Nothing is requeued for the subscription."""


class SubscriptionNotFound(ReplayRefused):
    """There is no such subscription."""


class SubscriptionNotActive(ReplayRefused):
    """The subscription is disabled, so nothing is requeued until it is enabled."""

    def __init__(self, subscription_id: str, reason: str | None = None) -> None:
        super().__init__(f"{subscription_id} is disabled")
        self.subscription_id = subscription_id
        self.reason = reason
