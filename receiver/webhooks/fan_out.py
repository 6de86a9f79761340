"""Fan out: make the deliveries of events, in transactions of their own after those that stored the events.

A counter says up to which event deliveries were made. A transaction takes the next events in order, adds a delivery for
each recipient and raises the counter; its lock orders the processes that do it at once. So each event gets its
deliveries once, also when a process dies in between.

Who receives an event is decided by the subscriptions as they were when the event was committed. The counter of event
numbers orders the commits: a change of a subscription locks it (`keep_former`), so the events up to its value were
committed before the change, and all others after it. A subscription stores the number from which it counts, and what it
was before is kept until the events up to there have their deliveries.

A delivery is as if it was made with its event: created, and due, at the event's time. It is due now where that time
lies ahead, because the clock that set it was ahead.

An event of a type that this version does not know was stored by a newer one, which also knows who receives it. So
nothing is made for it and for those after it; the error says so.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from receiver.events.model.event import EventFacts, EventType
from receiver.events.model.query import needs_body
from receiver.store.engine import Engine, Reader, Row, Tx, Value
from receiver.store.errors import StoreUnavailable, Unsuited
from receiver.store.ids import IdMaker
from receiver.webhooks.model.rows import subscriber_of
from receiver.webhooks.model.subscription import Subscriber, recipients_of

DELIVERIES_AT_ONCE = 2_000  # in one transaction, about 60 ms; the last event may add as many as there are subscriptions

EVENTS_AT_ONCE = 2_000  # that one transaction reads at most

MATCHES_AT_ONCE = 50_000  # of an event with a subscription, in one transaction: about 30 ms

ADVANCES_AT_ONCE = 10  # transactions that one call makes before a replay, in about half a second

WAITED_ALREADY_S = 4.5  # of about five, so that who only reads deliveries waits half a second for the writer

_TYPES = frozenset(each.value for each in EventType)


class FanOut:
    """One for a process. It caches the subscriptions until their version counter changes.

    `on_failure` is called with the reason why no deliveries were made, once until it is over or another one.
    """

    def __init__(
        self, engine: Engine, new_id: IdMaker, clock: Callable[[], int], *, on_failure: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._new_id = new_id
        self._clock = clock
        self._cached: tuple[Subscriber, ...] = ()
        self._cached_version: int | None = None
        self._on_failure = on_failure
        self._failure = ""

    async def advance(self, *, waited_s: float = 0.0) -> bool:
        """One transaction if there are events without their deliveries. Return whether there may be more of them.

        Where there are none it only reads. Raise StoreUnavailable, also where the next event is of an unknown type;
        then nothing was changed. `waited_s` is as in `Engine.write`.
        """
        # What is lost with the power is made again.
        return await self._engine.read(_is_behind) and await self._engine.write(
            self._fan_out, waited_s=waited_s, is_durable=False
        )

    async def advance_to(self, seq: int) -> None:
        """Make the deliveries of all events up to a number.

        Raise StoreUnavailable when `ADVANCES_AT_ONCE` transactions are too few; what they made stays.
        """
        for _ in range(ADVANCES_AT_ONCE):
            if await self._engine.read(_done) >= seq:
                return
            await self.advance()
        done = await self._engine.read(_done)
        if done < seq:
            raise StoreUnavailable(f"{seq - done} events have no deliveries yet; they are being made")

    async def try_advance(self) -> bool | Exception:
        """As `advance`, before deliveries are read or leased: without waiting long, because what is stored will do.

        Return what `advance` does, or why nothing was done.
        """
        try:
            has_more = await self.advance(waited_s=WAITED_ALREADY_S)
        except Unsuited:
            raise  # another engine does it
        except Exception as error:  # noqa: BLE001 - whatever it is, what is stored is leased and shown
            reason = f"{type(error).__name__}: {error}"
            if reason != self._failure:
                self._on_failure(reason)
            self._failure = reason
            return error
        self._failure = ""
        return has_more

    async def _fan_out(self, tx: Tx) -> bool:
        await tx.execute("lock_counter", name="fanned_out")
        place = await tx.fetch_one("fan_out_place") or {}
        done, newest = place["done"], place["newest"]
        if done >= newest:
            return False
        # No earlier than the newest number, because they must be as late as every event that is read.
        subscribers = await self._subscribers(tx, place["version"])
        most = max(1, min(EVENTS_AT_ONCE, MATCHES_AT_ONCE // max(1, len(subscribers))))
        has_body = any(needs_body(each.filter) for each in subscribers)
        found = await tx.fetch_all("events_to_fan_out", after=done, until=newest, limit=most, has_body=int(has_body))
        events = list(takewhile(lambda event: event["type"] in _TYPES, found))
        if found and not events:
            seq, kind = found[0]["seq"], found[0]["type"]
            raise StoreUnavailable(f"event {seq} is of type {kind}, which this version does not know: run a newer one")
        rows, last = self._delivery_rows(events, subscribers)
        # Numbers without an event, which were lost, are passed as well.
        reached = newest if len(found) < most and last == len(found) else events[last - 1]["seq"]
        await tx.execute_many("schedule_endpoint", _schedule_rows(rows))  # before deliveries: the lock order
        await tx.execute_many("insert_delivery", rows)
        await tx.execute("set_fan_out", seq=reached)
        await tx.execute("remove_former_subscriptions", seq=reached)
        return bool(reached < newest)

    async def _subscribers(self, tx: Tx, version: int) -> tuple[Subscriber, ...]:
        if version != self._cached_version:
            self._cached = tuple(subscriber_of(row) for row in await tx.fetch_all("subscribers"))
            self._cached_version = version
        return self._cached

    def _delivery_rows(
        self, events: Sequence[Row], subscribers: Sequence[Subscriber]
    ) -> tuple[list[dict[str, Value]], int]:
        """The deliveries of as many events as one transaction takes, at least one, and how many events these are."""
        rows: list[dict[str, Value]] = []
        now_ms = self._clock()
        for number, event in enumerate(events):
            if len(rows) >= DELIVERIES_AT_ONCE:
                return rows, number
            common = {
                "event_seq": event["seq"],
                "event_id": event["id"],
                "event_type": event["type"],
                "task": event["task"],
                "due_ms": min(event["at_ms"], now_ms),
                "created_ms": event["at_ms"],
            }
            rows += [
                {
                    **common,
                    "id": self._new_id("dlv", event["at_ms"]),
                    "subscription": each.subscription,
                    "endpoint_id": each.endpoint_id,
                    "endpoint": each.url,
                }
                for each in recipients_of(_facts_of(event), event["seq"], event["notify_url"], subscribers)
            ]
        return rows, len(events)


async def keep_former(tx: Tx, subscription_ids: Sequence[str]) -> None:
    """Before these subscriptions change in this transaction: let them count as they are for the events up to now.

    It locks the counter of events, so no event is committed until this transaction ends: see the lock order.
    """
    await tx.fetch_one("lock_counter", name="events")
    ids: list[dict[str, Value]] = [{"id": each} for each in subscription_ids]
    await tx.execute_many("keep_former_subscription", ids)
    await tx.execute_many("count_from_now", ids)


def _facts_of(event: Row) -> EventFacts:
    """Without the body, which is read only if a filter needs it, the facts are the type alone."""
    kind, body = event["type"], event["body"]
    return EventFacts(type=kind) if body is None else EventFacts.of_body(kind, body)


def _schedule_rows(deliveries: Sequence[Mapping[str, Value]]) -> list[dict[str, Value]]:
    """When the first of each endpoint's is due."""
    due_ms: dict[Value, Value] = {}
    for row in sorted(deliveries, key=lambda each: int(each["due_ms"] or 0)):
        due_ms.setdefault(row["endpoint_id"], row["due_ms"])
    return [{"id": name, "due_ms": due_ms[name]} for name in sorted(due_ms, key=str)]


async def _is_behind(reader: Reader) -> bool:
    row = await reader.fetch_one("fan_out_place") or {}
    return bool(row["done"] < row["newest"])


async def _done(reader: Reader) -> int:
    return int((await reader.fetch_one("fan_out_place") or {})["done"])
