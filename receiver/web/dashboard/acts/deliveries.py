"""Plans to redeliver: one delivery, or the dead letters of the tasks that a filter finds."""

from receiver.tasks.model.search import search_values
from receiver.web.dashboard.acts.plan import ActPlan, Asked, Touched
from receiver.web.dashboard.acts.tasks import found_for_act
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.problems import not_found
from receiver.webhooks.model.delivery import DeliveryState

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
        touched=(Touched(text=delivery.id, address=back, note=f"{delivery.event_type}, {delivery.state.value}"),),
        facts=(
            ("to", delivery.endpoint),
            ("attempts so far", str(delivery.attempts)),
            ("last answer", str(delivery.last_error or delivery.last_status or "none")),
            *((("note", "It is pending already, and is attempted by itself; this makes it due now."),) * is_pending),
        ),
        back=back,
    )


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
