"""Statements that change a row only if it still is as the caller found it, with rows that they take and must leave.

Only a race reaches most of these conditions, because each caller has checked the same before. So each statement is run
alone. `NOW` is the time that it is given.
"""

from collections.abc import Mapping

from tests.support.guarded import BEYOND, LATER, LATEST, NOW, Guarded
from tests.support.guarded_runs import GUARDED_RUNS

_TASK = {"id": "t", "provider": "p", "task_id": "x", "state": "running", "labels": "{}", "idempotency_key": None}
_FREE = ({"lease_owner": "other", "lease_until_ms": NOW}, {"lease_owner": None, "lease_until_ms": None})
_LEASED = {"lease_owner": "other", "lease_until_ms": LATER}
_DELIVERY = {
    "id": "d",
    "endpoint_id": "e",
    "subscription": "s",
    "event_seq": 7,
    "state": "pending",
    "due_ms": NOW,
    "last_status": None,
    "lease_owner": None,
    "lease_until_ms": None,
}
_SUBSCRIPTION = {"id": "s", "state": "active", "secret": "x"}
_ENDPOINT = {"id": "e", "next_due_ms": None, "paused_until_ms": None, "throttled_rate_per_s": None}
_UNFINISHED = ("submitting", "uncertain", "submitted", "running")
_ENDED = ("queued", "refused", "succeeded", "failed", "canceled", "expired")

GUARDED: Mapping[str, Guarded] = {
    "unpause_account": Guarded(
        table="accounts",
        row={"provider": "p", "paused_until_ms": LATER, "paused_since_ms": NOW - 1, "alarm": None},
        params={"provider": "p", "before_ms": NOW},
        takes=({"paused_since_ms": None}, {"paused_until_ms": None, "alarm": "denied"}),
        leaves=(
            {"provider": "q"},
            {"paused_since_ms": NOW},
            {"paused_since_ms": LATER},
            {"paused_until_ms": None},
        ),
    ),
    "resume_submits": Guarded(
        table="accounts",
        row={"provider": "p", "submits_paused_until_ms": BEYOND, "submits_paused_since_ms": NOW - 1},
        params={"provider": "p", "before_ms": NOW},
        takes=({"submits_paused_since_ms": None},),
        leaves=({"provider": "q"}, {"submits_paused_since_ms": NOW}, {"submits_paused_since_ms": LATER}),
    ),
    "pull_back_account": Guarded(
        table="accounts",
        row={"provider": "p", "paused_until_ms": BEYOND},
        params={"now_ms": NOW, "latest_ms": LATEST, "latest_hold_ms": LATEST + 9, "ahead_ms": LATER},
        takes=(
            {"paused_until_ms": None, "submits_paused_until_ms": LATEST + 10},
            {"paused_until_ms": None, "submits_paused_until_ms": LATER, "submits_paused_since_ms": LATER + 1},
            {"paused_until_ms": None, "learned_ms": LATER + 1},
        ),
        leaves=(
            {"paused_until_ms": LATEST},
            {"paused_until_ms": None},
            {"paused_until_ms": None, "submits_paused_until_ms": LATEST + 9, "submits_paused_since_ms": LATER},
            {"paused_until_ms": None, "learned_ms": LATER},
        ),
    ),
    "pull_back_queue_times": Guarded(
        table="tasks",
        row={**_TASK, "state": "queued", "queued_until_ms": BEYOND, "queued_ms": LATER + 1},
        params={"now_ms": NOW, "ahead_ms": LATER},
        leaves=[
            {"queued_ms": LATER},
            {"queued_ms": None},
            {"queued_until_ms": LATER},
            {"queued_until_ms": None},
            *({"state": state} for state in (*_UNFINISHED, "refused", "canceled")),
        ],
    ),
    "pull_back_deadlines": Guarded(
        table="tasks",
        row={**_TASK, "deadline_ms": BEYOND, "sent_ms": LATER + 1, "overdue_ms": None, "final_ms": None},
        params={"now_ms": NOW, "ahead_ms": LATER},
        leaves=[
            {"sent_ms": LATER},
            {"sent_ms": None},
            {"deadline_ms": LATER},
            {"deadline_ms": None},
            {"overdue_ms": NOW},
            {"final_ms": NOW},
        ],
    ),
    "pull_back_polls": Guarded(
        table="tasks",
        row={**_TASK, "next_poll_ms": BEYOND},
        params={"provider": "p", "now_ms": NOW, "latest_ms": LATEST, "ahead_ms": LATER},
        takes=[{"state": state} for state in ("uncertain", "submitted")],
        leaves=[
            {"provider": "q"},
            {"next_poll_ms": LATEST},
            {"next_poll_ms": None},
            *({"state": state} for state in ("submitting", *_ENDED)),
        ],
    ),
    "pull_back_submits": Guarded(
        table="tasks",
        row={**_TASK, "state": "submitting", "next_poll_ms": BEYOND},
        params={"provider": "p", "dead_ms": LATER, "latest_ms": LATEST},
        leaves=[{"provider": "q"}, {"next_poll_ms": LATEST}, {"state": "uncertain"}, {"state": "running"}],
    ),
    "pull_back_task_leases": Guarded(
        table="tasks",
        row={**_TASK, "final_ms": None, "lease_owner": "other", "lease_until_ms": BEYOND},
        params={"provider": "p", "until_ms": LATER, "latest_ms": LATEST},
        takes=[{"state": state} for state in _UNFINISHED],
        leaves=[{"provider": "q"}, {"lease_until_ms": LATEST}, {"state": "succeeded"}, {"final_ms": 1}],
    ),
    "lease_task": Guarded(
        table="tasks",
        row={**_TASK, "lease_until_ms": None},
        params={"id": "t", "owner": "me", "now_ms": NOW, "until_ms": LATER},
        takes=_FREE,
        leaves=({"id": "u"}, _LEASED),
    ),
    "release_task": Guarded(
        table="tasks",
        row={**_TASK, "lease_owner": "me", "lease_until_ms": LATER},
        params={"id": "t", "owner": "me", "now_ms": NOW, "next_poll_ms": LATER, "not_found": 0, "seen_open": 0},
        leaves=({"id": "u"}, {"lease_owner": "other"}, {"lease_owner": None}),
    ),
    "set_counter": Guarded(
        table="numbers",
        row={"name": "a", "value": 1},
        params={"name": "a", "value": 2},
        leaves=({"name": "b"},),
    ),
    "forget_durations": Guarded(
        table="durations",
        row={"provider": "p", "model": "m", "learned_ms": NOW - 1},
        params={"before_ms": NOW},
        leaves=({"learned_ms": NOW}, {"learned_ms": LATER}),
    ),
    "make_due": Guarded(
        table="tasks",
        row=_TASK,
        params={"id": "t", "now_ms": NOW},
        takes=[{"state": state} for state in _UNFINISHED],
        leaves=[{"id": "u"}, *({"state": state} for state in _ENDED)],
    ),
    "clear_expired_keys": Guarded(
        table="subscriptions",
        row={**_SUBSCRIPTION, "previous_until_ms": NOW},
        params={"now_ms": NOW},
        leaves=({"previous_until_ms": LATER}, {"previous_until_ms": None}),
    ),
    "mark_delivery_dead": Guarded(
        table="deliveries",
        row=_DELIVERY,
        params={"id": "d", "now_ms": NOW, "reason": "why"},
        takes=_FREE,
        leaves=({"id": "x"}, {"due_ms": None, "state": "delivered"}, _LEASED),
    ),
    "remove_idle_endpoint": Guarded(
        table="endpoints",
        row=_ENDPOINT,
        params={"id": "e"},
        leaves=({"id": "f"}, {"next_due_ms": NOW}, {"next_due_ms": 0}),
    ),
    "remove_subscription": Guarded(
        table="subscriptions",
        row={**_SUBSCRIPTION, "state": "deleted"},
        params={"id": "s"},
        leaves=({"id": "t"}, {"state": "active"}, {"state": "disabled"}),
    ),
    "skip_event_numbers": Guarded(
        table="numbers",
        row={"name": "events", "value": 9},
        params={"value": 10},
        leaves=({"value": 10}, {"value": 11}, {"name": "checks"}),
    ),
    "lease_delivery": Guarded(
        table="deliveries",
        row=_DELIVERY,
        params={"id": "d", "owner": "me", "now_ms": NOW, "until_ms": LATER},
        takes=_FREE,
        leaves=({"id": "x"}, {"due_ms": None, "state": "dead"}, _LEASED),
    ),
    "release_delivery": Guarded(
        table="deliveries",
        row={**_DELIVERY, "lease_owner": "me", "lease_until_ms": LATER},
        params={"id": "d", "owner": "me"},
        leaves=({"id": "x"}, {"lease_owner": "other"}, {"lease_owner": None, "lease_until_ms": None}),
    ),
    "bring_forward": Guarded(
        table="deliveries",
        row={**_DELIVERY, "due_ms": LATER},
        params={"id": "d", "now_ms": NOW},
        takes=_FREE,
        leaves=({"id": "x"}, {"due_ms": NOW}, {"due_ms": None, "state": "dead"}, _LEASED),
    ),
    "requeue_dead": Guarded(
        table="deliveries",
        row={**_DELIVERY, "state": "dead", "due_ms": None},
        params={"id": "d", "now_ms": NOW},
        leaves=({"id": "x"}, {"state": "pending", "due_ms": NOW}, {"state": "delivered"}),
    ),
    "poll_now": Guarded(
        table="tasks",
        row={**_TASK, "next_poll_ms": LATER},
        params={"id": "t", "now_ms": NOW},
        leaves=({"id": "u"}, {"next_poll_ms": NOW}, {"next_poll_ms": None}),
    ),
    "pull_back_deliveries": Guarded(
        table="deliveries",
        row={**_DELIVERY, "due_ms": BEYOND, "attempts": 2},
        params={
            "endpoint_id": "e",
            "now_ms": NOW,
            "latest_ms": LATEST,
            "fewest": 2,
            "most": 3,
            "is_throttled": 0,
        },
        takes=({"attempts": 3}, {"last_status": 500}, _LEASED),
        leaves=(
            {"endpoint_id": "f"},
            {"due_ms": LATEST},
            {"due_ms": None},
            {"attempts": 1},
            {"attempts": 4},
            {"last_status": 429},
            {"last_status": 503},
        ),
    ),
    "pull_back_delivery_leases": Guarded(
        table="deliveries",
        row={**_DELIVERY, "lease_owner": "other", "lease_until_ms": BEYOND},
        params={"endpoint_id": "e", "until_ms": LATER, "latest_ms": LATEST},
        leaves=({"endpoint_id": "f"}, {"lease_until_ms": LATEST}, {"lease_until_ms": None}),
    ),
    "pull_back_endpoint": Guarded(
        table="endpoints",
        row={**_ENDPOINT, "paused_until_ms": LATEST + 1},
        params={
            "id": "e",
            "now_ms": NOW,
            "latest_ms": NOW,
            "latest_open_ms": LATEST,
            "latest_throttled_ms": LATEST + 9,
        },
        takes=(
            {"throttled_rate_per_s": 1.0, "paused_until_ms": LATEST + 10},
            {"paused_until_ms": None, "last_leased_ms": LATER},
            {"paused_until_ms": None, "refilled_ms": LATER},
        ),
        leaves=(
            {"id": "f"},
            {"paused_until_ms": LATEST},
            {"paused_until_ms": None, "last_leased_ms": NOW, "refilled_ms": NOW},
            {"throttled_rate_per_s": 1.0, "paused_until_ms": LATEST + 9},
        ),
    ),
    "schedule_endpoint": Guarded(
        table="endpoints",
        row=_ENDPOINT,
        params={"id": "e", "due_ms": NOW},
        takes=({"next_due_ms": LATER},),
        leaves=({"next_due_ms": NOW}, {"next_due_ms": NOW - 1}),
    ),
    "disable_subscription": Guarded(
        table="subscriptions",
        row=_SUBSCRIPTION,
        params={"id": "s", "disabled_ms": NOW, "disabled_reason": "why"},
        leaves=({"id": "t"}, {"state": "disabled"}, {"state": "deleted"}),
    ),
    "finish_attempt": Guarded(
        table="deliveries",
        row={**_DELIVERY, "lease_owner": "me", "lease_until_ms": LATER},
        params={
            "id": "d",
            "owner": "me",
            "state": "delivered",
            "due_ms": None,
            "finished_ms": NOW,
            "last_status": 200,
            "last_error": None,
        },
        leaves=({"id": "x"}, {"lease_owner": "other"}, {"lease_owner": None}),
    ),
    "redeliver": Guarded(
        table="deliveries",
        row={**_DELIVERY, "state": "dead", "due_ms": None},
        params={"id": "d", "now_ms": NOW},
        takes=(*_FREE, {"subscription": None}, {"subscription": "off"}),
        leaves=({"id": "x"}, _LEASED, {"subscription": "gone"}, {"subscription": "nobody"}),
        beside={
            "subscriptions": (
                _SUBSCRIPTION,
                {**_SUBSCRIPTION, "id": "off", "state": "disabled"},
                {**_SUBSCRIPTION, "id": "gone", "state": "deleted"},
            )
        },
    ),
    "requeue_delivery": Guarded(
        table="deliveries",
        row={**_DELIVERY, "state": "delivered", "due_ms": None},
        params={
            "id": "new",
            "event_seq": 7,
            "event_id": "evt",
            "event_type": "task.succeeded",
            "task": "t",
            "subscription": "s",
            "endpoint_id": "e",
            "endpoint": "https://a.example",
            "now_ms": NOW,
        },
        leaves=({"due_ms": NOW, "state": "pending"}, {"due_ms": NOW, "state": "pending", **_LEASED}),
    ),
    "delete_subscription": Guarded(
        table="subscriptions",
        row=_SUBSCRIPTION,
        params={"id": "s", "now_ms": NOW},
        takes=({"state": "disabled"},),
        leaves=({"id": "t"}, {"state": "deleted"}),
    ),
    "remove_deliveries_of_events": Guarded(
        table="deliveries", row=_DELIVERY, params={"last": 7}, leaves=({"event_seq": 8},)
    ),
    "remove_former_subscriptions": Guarded(
        table="former_subscriptions", row={"id": "s", "until_seq": 7}, params={"seq": 7}, leaves=({"until_seq": 8},)
    ),
    "remove_events": Guarded(table="events", row={"seq": 7, "id": "v"}, params={"last": 7}, leaves=({"seq": 8},)),
    **GUARDED_RUNS,
}

#: Statements that change whatever has the id or the name, with the reason for which they need no other condition.
UNGUARDED: Mapping[str, str] = {
    "lease_run": "its transaction has locked the run and seen that it is free",
    "update_observation": "a line that the caller has read under the lock of its task",
    "set_tokens": "its transaction has locked the account",
    "update_account": "its transaction has locked the account",
    "free_request_key": "its transaction has locked the task",
    "remove_queued_request": "its task leaves the queue in the same transaction",
    "pause_account": "a longer pause stays by the value that it sets",
    "prove_writable": "nobody reads its row",
    "bump_api_keys_version": "it only counts up",
    "update_task": "its transaction has locked the task",
    "end_task": "its transaction has locked the task",
    "release_provider_task_id": "its transaction has locked the task",
    "count_reports": "its transaction has locked the task",
    "update_endpoint": "its transaction has locked the endpoint",
    "update_endpoint_due_time": "it sets what is true of the deliveries",
    "reset_endpoint_health": "its transaction has locked the subscription",
    "update_subscription": "its transaction has locked the subscription",
    "bump_subscriptions_version": "a counter",
    "set_fan_out": "its transaction has locked the counter",
    "count_from_now": "its transaction has locked the subscription",
    "reserve_event_numbers": "a counter",
    "remove_endpoint": "its transaction has found that nothing is pending, and no new subscription gets an old id",
    "remove_attempts_of_delivery": "its delivery goes in the same transaction",
    "remove_attempt": "an attempt never changes",
    "remove_observation": "an observation never changes",
    "remove_metadata": "its name says what ended",
    "set_metadata": "the newest value counts",
    "add_minute_count": "a sum, whoever adds first",
    "remove_minute_counts": "a minute that is over for a day never changes",
    "remove_process": "its name is of one start, and that process has stopped",
    "save_process": "a process alone writes its row",
    "set_durations": "its transaction has locked the counter of learned events",
}
