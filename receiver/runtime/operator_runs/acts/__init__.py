"""Every act in one literal table: the items of its condition, and what is done with some of them."""

from collections.abc import Mapping

from receiver.runtime.operator_runs.acts import candidates, deliveries, providers, replay, settle, subscriptions, tasks
from receiver.runtime.operator_runs.acts.act import Act

__all__ = ["ACTS", "Act"]

#: By the name that addresses and audit lines have.
ACTS: Mapping[str, Act] = {
    "reconcile-tasks": Act(items=tasks.tasks_to_reconcile, work=tasks.reconcile),
    "cancel-tasks": Act(items=tasks.previewed_tasks_to_cancel, work=tasks.on_fitting(tasks.cancel)),
    "refuse-tasks": Act(items=tasks.previewed_tasks, work=tasks.on_fitting(settle.refuse)),
    "settle-task": Act(items=settle.the_task, work=settle.settle),
    "look-candidates": Act(items=candidates.tasks_to_look_for, work=candidates.look),
    "settle-candidates": Act(items=candidates.accepted_tasks, work=candidates.accept),
    "redeliver-tasks": Act(items=deliveries.dead_letters_of_tasks, work=deliveries.redeliver),
    "redeliver-deliveries": Act(items=deliveries.found_deliveries, work=deliveries.redeliver_fitting),
    "redeliver-delivery": Act(items=deliveries.the_delivery, work=deliveries.redeliver),
    "resume-provider": Act(items=providers.the_provider, work=providers.resume),
    "test-subscription": Act(items=subscriptions.the_subscription, work=subscriptions.test),
    "resume-subscription": Act(items=subscriptions.the_subscription, work=subscriptions.resume),
    "disable-subscription": Act(items=subscriptions.the_subscription, work=subscriptions.disable),
    "rotate-secret": Act(items=subscriptions.the_subscription, work=subscriptions.is_left),
    "resume-host": Act(items=subscriptions.the_host, work=subscriptions.resume_host),
    "replay-events": Act(items=replay.events_to_replay, work=replay.replay),
}
