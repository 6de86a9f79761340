"""Examples of bodies and path parameters for `/openapi.json`; a test checks each against its model. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from receiver.runtime.example import HOST, MODEL, PROVIDER, PROVIDER_TASK_ID
from receiver.web.example_acts import ACT_BODIES
from receiver.web.example_values import (
    DELIVERY_ID,
    DETAIL,
    EVENT,
    EVENT_ID,
    KEY_ID,
    RUN_ID,
    RUNNING,
    SUBSCRIPTION_ID,
    TASK,
    TASK_ID,
    TIMELINE,
)
from receiver.web.schemas import endpoints as endpoint_schemas
from receiver.web.schemas import keys as key_schemas
from receiver.web.schemas import subscriptions as subscription_schemas
from receiver.web.schemas import tasks as task_schemas
from submitter import api, api_keys, api_operations, api_service, api_webhooks

_WANTED: Mapping[str, Any] = {
    "url": "https://hooks.example.com/videos",
    "description": "failed films",
    "types": ["task.failed", "task.expired"],
    "providers": [PROVIDER],
    "models": [],
    "labels": {"film": "1"},
    "asymmetric": False,
    "cloudevents": False,
    "handshake": False,
    "rate_per_s": 5.0,
    "max_in_flight": 3,
}

_SUBSCRIPTION: Mapping[str, Any] = {
    "id": SUBSCRIPTION_ID,
    **_WANTED,
    "state": "active",
    "public_key": None,
    "granted_per_s": None,
    "created_at": "2026-09-21T14:00:00.000Z",
    "changed_at": "2026-09-21T14:00:00.000Z",
    "disabled": None,
    "previous_secret_until": None,
    "breaker": {"state": "closed", "failures": 0, "failing_since": None, "paused_until": None, "slow_per_s": None},
}

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the example of the Standard Webhooks specification

_DELIVERY: Mapping[str, Any] = {
    "id": DELIVERY_ID,
    "event_seq": 17,
    "event_id": EVENT_ID,
    "event_type": "task.succeeded",
    "task": TASK_ID,
    "subscription": SUBSCRIPTION_ID,
    "endpoint": "https://hooks.example.com/videos",
    "state": "delivered",
    "attempts": 1,
    "due_at": None,
    "created_at": "2026-09-21T14:13:20.000Z",
    "finished_at": "2026-09-21T14:13:20.210Z",
    "last_status": 204,
    "last_error": None,
}

_ATTEMPT: Mapping[str, Any] = {"latency_ms": 85, "status": 204, "error": None, "response": ""}

_ENDPOINT: Mapping[str, Any] = {
    "endpoint": "https://hooks.example.com",
    "breaker": {**_SUBSCRIPTION["breaker"]},
    "pending": 0,
    "dead": 2,
}

_PROVIDER: Mapping[str, Any] = {
    "name": PROVIDER,
    "adapter": PROVIDER,
    "host": HOST,
    "tokens": 18.5,
    "burst": 20,
    "paused_until": None,
    "paused_reason": None,
    "alarm": None,
    "submits_paused_until": "2026-11-20T12:35:00Z",
    "submits_paused_reason": "throttled: RATE_LIMITED: too many requests",
    "submits_alarm": None,
    "unfinished": 12,
    "queued": 4,
    "in_flight": 8,
    "max_in_flight": 10,
    "learned_in_flight": 8,
}

_DURATION: Mapping[str, Any] = {
    "model": MODEL,
    "resolution": None,
    "length": None,
    "count": 312,
    "p50_s": 38.2,
    "p95_s": 61.0,
    "p99_s": 88.4,
    "prior_share": 0.001,
    "is_drifting": False,
    "is_damaged": False,
}

_KEY: Mapping[str, Any] = {
    "id": KEY_ID,
    "name": "render-farm",
    "scopes": ["read", "submit"],
    "providers": [PROVIDER],
    "label": "team=films",
    "created_at": "2026-09-21T14:00:00.000Z",
    "created_by": "key ops",
    "last_used_at": None,
    "revoked_at": None,
    "is_setting": False,
}

BODIES: Mapping[type[BaseModel], Mapping[str, Any]] = {
    **ACT_BODIES,
    task_schemas.SubmitRequest: {
        "provider": PROVIDER,
        "video": {"model": MODEL, "prompt": "a horse at dawn", "duration": 5},
        "labels": {"film": "1"},
        "notify": {"url": "https://hooks.example.com/videos"},
    },
    task_schemas.ReconcileTaskRequest: {"dry_run": True, "ask": True},
    task_schemas.ReconcileRequest: {"provider": PROVIDER, "older_than_s": 600, "dry_run": True},
    task_schemas.SettleRequest: {"task_id": PROVIDER_TASK_ID},
    subscription_schemas.CreateSubscriptionRequest: _WANTED,
    subscription_schemas.ChangeSubscriptionRequest: {"types": ["task.failed"], "rate_per_s": None, "enabled": True},
    subscription_schemas.RotateSecretRequest: {"overlap_s": 3600},
    subscription_schemas.ReplayRequest: {"since": "2026-09-21T14:00:00Z", "which": "missing", "dry_run": True},
    api.SubmittedTask: {**RUNNING, "notify": {"secret": _SECRET}},
    api.Task: TASK,
    api.TaskDetail: DETAIL,
    api.TasksPage: {"tasks": [TASK], "next_cursor": None},
    api.Timeline: TIMELINE,
    api.ReconcileSummary: {
        "asked": 1,
        "changed": 1,
        "skipped": 0,
        "tasks": [
            {
                "task": TASK_ID,
                "provider": PROVIDER,
                "task_id": PROVIDER_TASK_ID,
                "state": "running",
                "plan": "ask for its status",
                "finding": "stated",
                "after": "succeeded",
                "skipped": None,
            }
        ],
    },
    api.EventsPage: {"events": [EVENT], "next_after": 17, "has_more": False, "newest": 17},
    api_service.CallbackVerdict: {"verdict": "duplicate"},
    api_operations.Health: {"status": "alive"},
    api_operations.Readiness: {
        "status": "ready",
        "note": None,
        "accounts": [
            {
                "provider": PROVIDER,
                "paused_until": None,
                "paused_reason": None,
                "submits_paused_until": None,
                "submits_paused_reason": None,
                "alarm": None,
                "submits_alarm": None,
            }
        ],
    },
    api.Problem: {
        "type": "urn:whenfinal:problem:invalid-request",
        "title": "The request breaks a rule",
        "status": 422,
        "detail": "deadline_s: is too small; accepted: 1 or more.",
        "errors": [{"field": "deadline_s", "rule": "is too small", "accepted": "1 or more"}],
        "request_id": "req_5f0c2a9be17d44c3a1b6d208",
    },
    key_schemas.CreateKeyRequest: {
        "name": "render-farm",
        "scopes": ["submit", "read"],
        "providers": [PROVIDER],
        "label": "team=films",
    },
    key_schemas.StreamTokenRequest: {
        "ttl_s": 300,
        "conditions": {"types": ["task.succeeded"], "labels": {"film": "1"}},
    },
    api_keys.StreamToken: {"token": "eyJrZXkiOiJvcHMi…", "expires_at": "2026-09-21T14:05:00.000Z"},
    api_keys.Key: _KEY,
    api_keys.CreatedKey: {**_KEY, "key": "wf_4QJk0u2rHqTnW1d8sYpVxZbC6mEoLgA9fRiUjK7tM3c"},
    api_keys.KeysPage: {"keys": [_KEY], "next_cursor": None},
    endpoint_schemas.ResumeEndpointRequest: {"endpoint": "https://hooks.example.com", "dead_letters": True},
    api_operations.NotifyEndpointsPage: {"endpoints": [_ENDPOINT], "next_cursor": None},
    api_operations.ResumedEndpoint: {
        **_ENDPOINT,
        "was_failing": True,
        "made_due": 3,
        "redelivered": 2,
        "has_more": False,
    },
    api_operations.ProviderStatus: _PROVIDER,
    api_operations.ProviderStatuses: {"providers": [_PROVIDER]},
    api_operations.ProviderWithDurations: {
        **_PROVIDER,
        "callback_miss_rate": 0.004,
        "polls_waiting": 412,
        "polls_waiting_since": "2026-09-21T14:13:20.125Z",
        "poll_price_s": 37.5,
        "durations": [_DURATION],
    },
    api_operations.CallbackAddress: {
        "provider": PROVIDER,
        "address": f"https://whenfinal.example.com/callbacks/{PROVIDER}/{PROVIDER}~~0.eyJhbGciOi",
        "steps": ["Open the console of the provider.", "Create a rule with this address."],
    },
    api_operations.ResumedProvider: {**_PROVIDER, "ended": True, "made_due": 3},
    api_webhooks.Subscription: _SUBSCRIPTION,
    api_webhooks.SubscriptionWithSecret: {**_SUBSCRIPTION, "secret": _SECRET},
    api_webhooks.SubscriptionWithBacklog: {
        **_SUBSCRIPTION,
        "deliveries": {"pending": 2, "dead": 1, "last_failed": {"id": DELIVERY_ID, "status": 500, "error": None}},
    },
    api_webhooks.SubscriptionsPage: {"subscriptions": [_SUBSCRIPTION], "next_cursor": None},
    api_webhooks.ResumedSubscription: {
        **_SUBSCRIPTION,
        "was_disabled": True,
        "was_failing": True,
        "made_due": 3,
        "has_more": False,
    },
    api_webhooks.ProbeResult: {"delivered": True, **_ATTEMPT, "was_failing": True, "made_due": 3},
    api_webhooks.ReplayResult: {
        "subscription": SUBSCRIPTION_ID,
        "matched": 12,
        "made_due": 3,
        "oldest_seq": None,
        "dry_run": True,
    },
    api_webhooks.Delivery: _DELIVERY,
    api_webhooks.DeliveryWithAttempts: {**_DELIVERY, "tries": [{"at": "2026-09-21T14:13:20.125Z", **_ATTEMPT}]},
    api_webhooks.DeliveriesPage: {"deliveries": [_DELIVERY], "next_cursor": None},
}

#: The body of a callback is the provider's; this is HiAPI's.
CALLBACK: Mapping[str, Any] = {
    "taskId": PROVIDER_TASK_ID,
    "status": "success",
    "output": [{"url": "https://cdn.example.com/v.mp4", "type": "video"}],
}

STREAM = (
    'retry: 3000\nid: 16\nevent: hello\ndata: {"after":16}\n\n'
    'id: 17\nevent: task.succeeded\ndata: {"seq":17,"event_id":"evt_…","type":"…"}\n\n'
)

#: Schema and example of a body that has no model, by its type.
WITHOUT_MODEL: Mapping[str, Mapping[str, Any]] = {
    "application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}},
    "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"},
    "video/mp4": {"schema": {"type": "string", "format": "binary"}, "example": "(the bytes of the file)"},
    "text/plain": {
        "schema": {"type": "string"},
        "example": f'whenfinal_tasks_final_total{{provider="{PROVIDER}",state="succeeded",by="callback",'
        'callback_expected="true"} 17.0\n',
    },
}

#: Description and example of a path parameter, by the part of the path that it follows.
PATH_PARAMS: Mapping[str, tuple[str, str]] = {
    "callbacks/{provider}": ("The provider's name in the settings.", PROVIDER),
    "{provider}/{token}": ("The token that the submit gave the provider, valid for one task.", "eyJhbGciOi…"),
    "tasks/{id}": ("Our id of the task.", TASK_ID),
    "subscriptions/{id}": ("The id of the subscription.", SUBSCRIPTION_ID),
    "deliveries/{id}": ("The id of the delivery.", DELIVERY_ID),
    "files/{number}": ("The place of the file in `outputs`; the first is 0.", "0"),
    "runs/{id}": ("The id of the run.", RUN_ID),
    "keys/{id}": ("The id of the key, or `setting_` and the name of one of the settings.", KEY_ID),
    "providers/{name}": ("The provider's name in the settings.", PROVIDER),
}
