"""The plan of every act in one literal table, by the name that its address has."""

from collections.abc import Mapping

from receiver.web.dashboard.acts import candidates, deliveries, providers, replay, settle, subscriptions, tasks
from receiver.web.dashboard.acts.plan import MakePlan

PLANS: Mapping[str, MakePlan] = {
    "reconcile-tasks": tasks.plan_reconcile,
    "cancel-tasks": tasks.plan_cancel,
    "refuse-tasks": tasks.plan_refuse,
    "settle-task": settle.plan_settle,
    "look-candidates": candidates.plan_look,
    "settle-candidates": candidates.plan_accept,
    "redeliver-tasks": deliveries.plan_redeliver_tasks,
    "redeliver-deliveries": deliveries.plan_redeliver_found,
    "redeliver-delivery": deliveries.plan_redeliver,
    "resume-provider": providers.plan_resume,
    "test-subscription": subscriptions.plan_test,
    "resume-subscription": subscriptions.plan_resume,
    "disable-subscription": subscriptions.plan_disable,
    "rotate-secret": subscriptions.plan_rotate,
    "resume-host": subscriptions.plan_resume_host,
    "replay-events": replay.plan_replay,
}
