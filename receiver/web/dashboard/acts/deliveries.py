"""Plans to redeliver: one delivery, those that a filter finds, or the dead letters of tasks that a filter finds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from receiver.tasks.model.search import search_values
from receiver.web.dashboard.acts.plan import ActPlan, Asked, Touched
from receiver.web.dashboard.acts.tasks import COUNTED_MOST, TOUCHED_SHOWN, found_for_act
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.delivery_filter import DELIVERIES, read_search
from receiver.web.problems import not_found
from receiver.webhooks.model.delivery import Delivery, DeliveryState
from receiver.webhooks.model.delivery_search import delivery_search_values
from receiver.webhooks.model.subscription import notify_endpoint_id

RECEIVERS_SHOWN = 20

_AGAIN = "Its schedule begins again. A receiver that keeps the event's id takes it once."


async def plan_redeliver(asked: Asked) -> ActPlan:
    delivery = await asked.services.store.deliveries.delivery(asked.value("delivery"))
    if delivery is None:
        raise not_found("delivery")
    back = f"{ROOT}/tasks/{delivery.task_id}" if delivery.task_id else ROOT
    is_pending = delivery.state is DeliveryState.PENDING
    return ActPlan(
        title="Redeliver",
        button="Redeliver 1 delivery",
        sentences=("The delivery is due now, and is posted again.", _AGAIN),
        condition={"delivery": delivery.id},
        expected=1,
        touched=(_touched(delivery),),
        facts=(
            ("to", delivery.endpoint),
            ("attempts so far", str(delivery.attempts)),
            ("last answer", str(delivery.last_error or delivery.last_status or "none")),
            *((("note", "It is pending already, and is attempted by itself; this makes it due now."),) * is_pending),
        ),
        back=back,
    )


async def plan_redeliver_found(asked: Asked) -> ActPlan:
    """Without a state in the filter only dead letters are meant: to send all again has to be asked for."""
    filters = DELIVERIES.given_in(asked.fields)
    search = read_search(filters, asked.at_ms)
    until_ms = asked.at_ms if search.until_ms is None else min(search.until_ms, asked.at_ms)
    wanted = replace(search, until_ms=until_ms)
    if not wanted.states and not wanted.is_failing:
        wanted = replace(wanted, states=frozenset({DeliveryState.DEAD}))
    page = await asked.services.store.delivery_search.page(wanted, limit=COUNTED_MOST)
    found, has_more = page.deliveries, page.next_cursor is not None
    nouns = ("dead letter", "dead letters") if wanted.states == {DeliveryState.DEAD} else ("delivery", "deliveries")
    is_one = len(found) == 1 and not has_more
    words = f"{len(found):,}{' or more' if has_more else ''} {nouns[0] if is_one else nouns[1]}"
    is_empty = not found and not has_more
    return ActPlan(
        title="Redeliver",
        button=f"Redeliver {words}",
        sentences=(
            f"{words} {'is' if is_one else 'are'} due now, and posted again.",
            "The schedule of each begins again. A receiver that keeps the events' ids takes each once.",
            "One that does not fit the filter any more when its turn comes is left alone.",
        ),
        condition={"deliveries": delivery_search_values(wanted)},
        expected=None if has_more else len(found),
        touched=tuple(map(_touched, found[:TOUCHED_SHOWN])),
        facts=() if is_empty else tuple(_facts(found, has_more=has_more)),
        refusal="No delivery of this filter can be redelivered: nothing fits." if is_empty else "",
        back=DELIVERIES.address(filters),
    )


def _touched(delivery: Delivery) -> Touched:
    address, note = f"{DELIVERIES.path}/{delivery.id}", f"{delivery.event_type}, {delivery.state.value}"
    return Touched(text=delivery.id, address=address, note=note)


def _facts(found: Sequence[Delivery], *, has_more: bool) -> Iterator[tuple[str, str]]:
    """Who receives them, the most first, and what states they are in."""
    of = f" of the newest {len(found):,}" if has_more else ""
    receivers = Counter(each.subscription or notify_endpoint_id(each.endpoint) for each in found)
    urls = {each.subscription or notify_endpoint_id(each.endpoint): each.endpoint for each in reversed(found)}
    for name, number in receivers.most_common(RECEIVERS_SHOWN):
        to = f"{number:,}{of}" + (f" to {urls[name]}" if name.startswith("sub_") else ", named by tasks in notify")
        yield name, to
    if len(receivers) > RECEIVERS_SHOWN:
        yield "others", f"{len(receivers) - RECEIVERS_SHOWN:,} more receivers"
    states = Counter(each.state.value for each in found)
    yield "states", ", ".join(f"{number:,} {state}" for state, number in sorted(states.items())) + of


async def plan_redeliver_tasks(asked: Asked) -> ActPlan:
    found = await found_for_act(asked)
    tasks = await asked.services.store.task_search.page(found.search, limit=500)
    dead = await asked.services.store.deliveries.dead_letters_of_tasks([task.id for task in tasks.tasks])
    is_whole = tasks.next_cursor is None
    words = f"{len(dead):,}{'' if is_whole else ' or more'} dead letter{'' if len(dead) == 1 and is_whole else 's'}"
    return ActPlan(
        title="Redeliver dead letters",
        button=f"Redeliver {words}",
        sentences=(f"{words} of {found.words()} are due now, and are posted again.", _AGAIN),
        condition={"search": search_values(found.search)},
        expected=len(dead) if is_whole else None,
        touched=found.touched if dead or not is_whole else (),
        refusal="" if dead or not is_whole else "The tasks of this filter have no dead letters.",
        back=found.back,
    )
