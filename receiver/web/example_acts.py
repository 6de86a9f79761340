"""Examples of the bodies about batches, acts, runs, and the service as a whole. Pure; see `examples`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from receiver.runtime.example import MODEL, PROVIDER, PROVIDER_TASK_ID
from receiver.web.example_values import DETAIL, RUN_ID, RUNNING, TASK, TASK_ID, TIMELINE
from receiver.web.schemas import acts
from receiver.web.schemas import tasks as task_schemas
from submitter import api_queue, api_runs, api_service, api_tasks

_LOOK_ID = "run_01m7yrqm4y904bn5a9g1vxy29m"

_LOOK: Mapping[str, Any] = {
    "task": TASK_ID,
    "provider": PROVIDER,
    "listed": 14,
    "problem": None,
    "clear": PROVIDER_TASK_ID,
    "why": None,
    "candidates": [
        {
            "task_id": PROVIDER_TASK_ID,
            "raw_state": "running",
            "model": MODEL,
            "prompt": "a horse at dawn",
            "created_at": "2026-09-21T14:10:03.000Z",
            "after_s": 0.52,
            "same_model": True,
            "same_prompt": True,
            "fits": True,
            "also_fits": [],
        }
    ],
    "more": 0,
}

_QUEUED: Mapping[str, Any] = {name: value for name, value in DETAIL.items() if name in {*TASK, "queue"}}

_RUN: Mapping[str, Any] = {
    "id": RUN_ID,
    "kind": "cancel-tasks",
    "actor": "key ops",
    "state": "finished",
    "expected": 213,
    "done": 212,
    "failed": 1,
    "notes": [{"item": TASK_ID, "words": "it has ended already: succeeded", "look": None}],
    "created_at": "2026-09-21T14:20:00.000Z",
    "ended_at": "2026-09-21T14:21:12.300Z",
    "last_error": None,
}

_MODEL: Mapping[str, Any] = {
    "provider": PROVIDER,
    "model": "happyhorse-1.1/reference-to-video",
    "kinds": ["reference-to-video"],
    "ratios": ["16:9", "9:16"],
    "resolutions": ["720p", "1080p"],
    "durations": {"least": 3, "most": 15},
    "only_durations": [],
    "prompt_required": True,
    "prompt_weight": 5000,
    "prompt_characters": None,
    "negative_prompt": None,
    "reference_images": {"least": 1, "most": 9},
    "first_frame": False,
    "first_frame_optional": False,
    "last_frame": False,
    "frames_exclude_references": False,
    "ratio_for_text": False,
    "ratio_without_frame": False,
    "text_ratios": [],
    "resolution_for_frame": False,
    "audio": False,
    "required": [],
    "image_schemes": ["https", "http"],
    "seed": None,
    "watermark": False,
    "reference_types": [],
}

_NONE: Mapping[str, Any] = {"number": 0, "since_at": None}

_ONE: Mapping[str, Any] = {"number": 1, "since_at": "2026-09-21T14:10:02.120Z"}

ACT_BODIES: Mapping[type[BaseModel], Mapping[str, Any]] = {
    acts.BatchRequest: {
        "tasks": [
            {
                "provider": PROVIDER,
                "video": {"model": MODEL, "prompt": "a horse at dawn", "duration": 5},
                "idempotency_key": "film-1-shot-7",
            },
            {
                "provider": PROVIDER,
                "video": {"model": MODEL, "prompt": "a horse at dusk", "duration": 99},
                "idempotency_key": "film-1-shot-8",
            },
        ]
    },
    acts.TaskActRequest: {"state": ["running"], "provider": PROVIDER, "older_than_s": 3600, "dry_run": True},
    acts.SettleTasksRequest: {"look": _LOOK_ID, "dry_run": True},
    acts.RedeliverRequest: {"endpoint": "https://hooks.example.com", "since": "2026-09-21T14:00:00Z", "dry_run": True},
    task_schemas.IdentifyRequest: {"task_id": PROVIDER_TASK_ID},
    api_tasks.Identification: {
        "task": {**RUNNING, "state": "uncertain", "task_id": None, "raw_state": ""},
        "asked_for": PROVIDER_TASK_ID,
        "says": f"{PROVIDER} says running: {MODEL}, created 2026-09-21T14:10:03.000Z, 1 s after the "
        "submit began, with the same prompt",
        "state": "running",
        "doubts": [],
    },
    api_queue.QueueAnswer: {
        "tasks": [{**_QUEUED, "waits_since": "2026-09-21T14:10:02.120Z"}],
        "has_more": True,
        "queues": [
            {
                "provider": PROVIDER,
                "depth": 40,
                "oldest_at": "2026-09-21T14:09:58.000Z",
                "held_until": None,
                "held_reason": None,
            }
        ],
    },
    api_tasks.BatchAnswer: {
        "outcomes": [
            {
                "index": 0,
                "status": 202,
                "replayed": False,
                "task": {**RUNNING, "notify": None},
                "problem": None,
            },
            {
                "index": 1,
                "status": 422,
                "replayed": False,
                "task": None,
                "problem": {
                    "type": "urn:whenfinal:problem:invalid-request",
                    "title": "The request breaks a rule",
                    "status": 422,
                    "detail": "tasks[1].video.duration: is out of range; accepted: 3 to 15 whole seconds.",
                    "errors": [
                        {
                            "field": "tasks[1].video.duration",
                            "rule": "is out of range",
                            "accepted": "3 to 15 whole seconds",
                        }
                    ],
                    "request_id": "req_5f0c2a9be17d44c3a1b6d208",
                },
            },
        ]
    },
    api_tasks.FoundTasks: {"tasks": [TASK], "next_cursor": None, "read_as": "id_or_key"},
    api_tasks.Explanation: {
        "task": DETAIL,
        "timeline": TIMELINE["timeline"],
        "left_out": TIMELINE["left_out"],
        "next": ["It is sent when the 2 tasks before it are, if its account has room then."],
        "cure": ["To take it out of the queue: whenfinal tasks cancel ID"],
    },
    api_tasks.CanceledTask: {"task": RUNNING, "was_queued": False},
    api_tasks.Look: _LOOK,
    api_runs.RunPreview: {
        "count": 1,
        "has_more": False,
        "at_most": 500,
        "until": "2026-09-21T14:19:30.000Z",
        "ids": [TASK_ID],
        "sample": [{"id": TASK_ID, "note": f"running at {PROVIDER}"}],
        "missing": [],
    },
    api_runs.Run: _RUN,
    api_runs.RunsPage: {"runs": [_RUN], "next_cursor": None},
    api_service.ModelsAnswer: {"models": [_MODEL]},
    api_service.Counts: {
        "at": "2026-09-21T14:20:00.000Z",
        "most": 100000,
        "queued": {"number": 4, "since_at": "2026-09-21T14:19:48.000Z"},
        "uncertain": _ONE,
        "overdue": _NONE,
        "contradicted": _NONE,
        "providers": [
            {
                "provider": PROVIDER,
                "tasks": {"queued": 4, "submitting": 0, "uncertain": 1, "submitted": 2, "running": 9},
                "queued": {"number": 4, "since_at": "2026-09-21T14:19:48.000Z"},
                "uncertain": _ONE,
                "overdue": _NONE,
                "contradicted": _NONE,
                "due_polls": _NONE,
                "unknown_words": _NONE,
            }
        ],
        "deliveries": {"pending": {"number": 12, "since_at": None}, "dead": _ONE},
        "subscriptions": {"active": 3, "disabled": 0},
    },
    api_service.AuditPage: {
        "lines": [
            {
                "id": "aud_01m7yrqm47904bn5a9g1vxy29m",
                "at": "2026-09-21T14:20:00.000Z",
                "actor": "key ops",
                "action": "settle",
                "task": TASK_ID,
                "detail": {"refused": True},
            }
        ],
        "next_cursor": None,
    },
    api_service.ChecksAnswer: {
        "ok": True,
        "checks": [
            {
                "name": "uncertain",
                "level": "warn",
                "what": "1 uncertain: their reply was lost, and they may be paid for, the oldest for 9 min",
                "cure": "list them: whenfinal tasks list --state uncertain",
                "count": 1,
                "since_at": "2026-09-21T14:10:02.120Z",
            }
        ],
    },
}
