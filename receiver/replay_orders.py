"""What a caller may ask a replay for: our rules for its range. Pure."""

from collections.abc import Iterator, Sequence

from receiver.orders import label_violations
from receiver.subscription import EventFilter, ReplayRange, ReplayWhich
from receiver.subscription_orders import known_violations, model_violations
from submitter.errors import Violation


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
