"""The plan of a replay: which events would be posted again to one subscription, and which not."""

import re
from dataclasses import dataclass, replace

from receiver.runtime.operator_runs.acts.replay import EVENTS_AT_ONCE
from receiver.web.dashboard.acts.plan import ActPlan, Asked, counted
from receiver.web.dashboard.acts.subscriptions import page_of, the_subscription
from receiver.web.dashboard.model.list_filter import TIME_FORMS, read_time
from receiver.webhooks.model.replay import ReplayRange, ReplayWhich
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from receiver.webhooks.replay_repository import ReplayScope
from submitter.errors import InvalidRequest, Violation

LOOKED_AT_MOST = 2_000  # events of a preview

_NUMBER = re.compile("[0-9]{1,18}")

_LEFT_OUT = {
    ReplayWhich.ALL: "pending already",
    ReplayWhich.DEAD: "no dead letters",
    ReplayWhich.MISSING: "with a delivery to it already",
}


@dataclass(slots=True, kw_only=True)
class _Looked:
    """What a preview has found in the part of the range that it looked at."""

    events: int = 0
    matched: int = 0
    requeued: int = 0
    is_whole: bool = False


async def plan_replay(asked: Asked) -> ActPlan:
    """The range ends with the newest event of the preview. Raise InvalidRequest for what is no range."""
    own = (await the_subscription(asked)).subscription
    which = _which(asked)
    log = asked.services.store.events
    first, given, newest = await _first_seq(asked), _number(asked, "last_seq"), await log.last_seq()
    last = newest if given is None else min(given, newest)
    oldest = await log.oldest_after() + 1
    plan = ActPlan(
        title="Replay",
        button="Replay",
        sentences=(),
        condition={"subscription": own.id, "first_seq": first, "last_seq": last, "which": which.value},
        expected=None,
        back=page_of(own.id),
        fields={"first_seq": str(first), "last_seq": str(last), "since": ""},
    )
    if own.state is not SubscriptionState.ACTIVE:
        return replace(plan, refusal="It is disabled and is sent nothing; enable it first.")
    if max(first, oldest) > last:
        return replace(plan, refusal="No event is stored in this range.")
    looked = await _look(asked, own, ReplayRange(first_seq=first, last_seq=last, which=which))
    number = f"{looked.requeued:,}{'' if looked.is_whole else ' or more'}"
    return replace(
        plan,
        button=f"Post {counted(looked.requeued, 'event', has_more=not looked.is_whole)} again",
        sentences=tuple(_sentences(looked, which, number)),
        expected=looked.requeued if looked.is_whole else None,
        facts=(
            ("subscription", f"{own.id} {own.description}".rstrip()),
            ("to", own.url),
            ("range", f"event {max(first, oldest)} to event {last}: {last - max(first, oldest) + 1:,} in all"),
            *((("note", f"events before {oldest} are no longer stored"),) if first < oldest and first > 0 else ()),
        ),
        refusal="" if looked.requeued or not looked.is_whole else _nothing(looked, which),
    )


async def _look(asked: Asked, own: Subscription, wanted: ReplayRange) -> _Looked:
    """At the first `LOOKED_AT_MOST` events of the range."""
    replays, looked = asked.services.store.replays, _Looked()
    rest = await replays.plan(own.id, wanted)
    while rest.after_seq < rest.last_seq and looked.events < LOOKED_AT_MOST:
        batch = await replays.count_batch(own.id, wanted, rest, limit=EVENTS_AT_ONCE)
        looked.events += batch.next_after - rest.after_seq
        looked.matched += batch.matched
        looked.requeued += batch.requeued
        rest = ReplayScope(after_seq=batch.next_after, last_seq=rest.last_seq)
    looked.is_whole = rest.after_seq >= rest.last_seq
    return looked


def _sentences(looked: _Looked, which: ReplayWhich, number: str) -> list[str]:
    looked_at = "" if looked.is_whole else f"Of the first {looked.events:,} events, which were looked at: "
    events = "event is" if number == "1" else "events are"
    said = [
        f"{looked_at}{number} {events} posted again, after what is new, under the webhook-id of before.",
        "A receiver that keeps the event's id takes it once.",
    ]
    left, others = looked.matched - looked.requeued, looked.events - looked.matched
    if left:
        said.append(f"{counted(left, 'event')} {'is' if left == 1 else 'are'} left out: {_LEFT_OUT[which]}.")
    if others:
        said.append(f"{counted(others, 'event')} {'does' if others == 1 else 'do'} not pass its filter.")
    return said


def _nothing(looked: _Looked, which: ReplayWhich) -> str:
    if not looked.matched:
        return "No event of this range passes its filter."
    return f"Nothing is to be posted: {counted(looked.matched, 'event')}, {_LEFT_OUT[which]}."


async def _first_seq(asked: Asked) -> int:
    """The number that is given, or the first event at the time that is given."""
    since = asked.value("since")
    if not since:
        first = _number(asked, "first_seq")
        if first is None:
            rule, accepted = "is missing", "the number of an event, or a time in `since`"
            raise InvalidRequest([Violation(field="first_seq", rule=rule, accepted=accepted)])
        return first
    at_ms = read_time(since, asked.at_ms)
    if at_ms is None:
        raise InvalidRequest([Violation(field="since", rule="is no time", accepted=TIME_FORMS)])
    log = asked.services.store.events
    found = await log.first_since(at_ms)
    return await log.last_seq() + 1 if found is None else found


def _number(asked: Asked, name: str) -> int | None:
    text = asked.value(name)
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise InvalidRequest([Violation(field=name, rule="is no number of an event", accepted="digits")])
    return int(text)


def _which(asked: Asked) -> ReplayWhich:
    text = asked.value("which") or ReplayWhich.ALL
    if text not in frozenset(ReplayWhich):
        accepted = ", ".join(ReplayWhich)
        raise InvalidRequest([Violation(field="which", rule="is not one of the known words", accepted=accepted)])
    return ReplayWhich(text)
