"""Values that several examples of `/openapi.json` share. Pure."""

from collections.abc import Mapping
from typing import Any

from receiver.runtime.example import MODEL, PROVIDER, PROVIDER_TASK_ID

TASK_ID, SUBSCRIPTION_ID, DELIVERY_ID, EVENT_ID, RUN_ID, KEY_ID = (
    f"{prefix}_01m7yrqm47904bn5a9g1vxy29m" for prefix in ("tsk", "sub", "dlv", "evt", "run", "key")
)

TASK: Mapping[str, Any] = {
    "id": TASK_ID,
    "provider": PROVIDER,
    "task_id": PROVIDER_TASK_ID,
    "model": MODEL,
    "state": "succeeded",
    "raw_state": "success",
    "progress": 100,
    "labels": {"film": "1"},
    "created_at": "2026-09-21T14:10:02.120Z",
    "submitted_at": "2026-09-21T14:10:02.480Z",
    "final_at": "2026-09-21T14:13:20.000Z",
    "deadline_at": "2026-09-21T15:10:02.120Z",
    "outputs": [
        {
            "type": "video",
            "url": "https://cdn.example.com/v.mp4",
            "expires_at": "2026-09-28T14:13:20.000Z",
            "needs_key": False,
        }
    ],
    "error": None,
    "supersedes": None,
    "callback_expected": True,
    "polls": 0,
}

RUNNING: Mapping[str, Any] = {
    **TASK,
    "state": "submitted",
    "raw_state": "pending",
    "progress": None,
    "final_at": None,
    "outputs": [],
}

EVENT: Mapping[str, Any] = {
    "seq": 17,
    "event_id": EVENT_ID,
    "type": "task.succeeded",
    "timestamp": "2026-09-21T14:13:20.000Z",
    "task": TASK,
    "supersedes": None,
}

DETAIL: Mapping[str, Any] = {
    **RUNNING,
    "state": "queued",
    "task_id": None,
    "raw_state": "",
    "submitted_at": None,
    "deadline_at": None,
    "request": {
        "provider": PROVIDER,
        "video": {"model": MODEL, "prompt": "a horse at dawn", "duration": 5},
        "labels": {"film": "1"},
        "notify": {"url": "https://hooks.example.com/videos"},
    },
    "queue": {
        "position": 3,
        "depth": 40,
        "priority": 0,
        "oldest_at": "2026-09-21T14:09:58.000Z",
        "until_at": "2026-09-21T15:10:02.120Z",
        "held_until_at": None,
        "held_reason": None,
    },
    "notify_url": "https://hooks.example.com/videos",
    "idempotency_key": "film-1-shot-7",
    "next_poll_at": None,
    "overdue_at": None,
}

TIMELINE: Mapping[str, Any] = {
    "task": TASK_ID,
    "timeline": [
        {
            "at": "2026-09-21T14:13:20.000Z",
            "kind": "event",
            "summary": "event 17: task.succeeded",
            "detail": {"seq": 17, "event_id": EVENT_ID, "supersedes": None},
        }
    ],
    "left_out": {"duplicate": 380},
}
