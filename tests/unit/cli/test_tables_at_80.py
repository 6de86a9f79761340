"""Every table on a terminal of 80 columns: what is most telling is there, and ids are whole."""

import re
from collections.abc import Iterable
from typing import TypeVar

import pytest
from pydantic import BaseModel
from rich.console import Console

from receiver.cli.commands.submit import results_table
from receiver.cli.display.count_tables import counts_parts
from receiver.cli.display.delivery_sheet import delivery_sheet
from receiver.cli.display.endpoint_tables import endpoints_table
from receiver.cli.display.key_tables import keys_table
from receiver.cli.display.list_tables import attempts_table, deliveries_table, events_table, tasks_table
from receiver.cli.display.listing import is_wide
from receiver.cli.display.provider_tables import models_table, providers_table
from receiver.cli.display.run_tables import preview_parts, run_parts, runs_table
from receiver.cli.display.settle_tables import candidates_table, looks_table
from receiver.cli.display.subscription_tables import subscriptions_table
from receiver.cli.display.tables import queued_table, reconcile_table
from receiver.cli.submitting import LineResult
from receiver.web.examples import BODIES
from submitter import api, api_keys, api_operations, api_runs, api_service, api_tasks, api_webhooks
from submitter.api_queue import QueuedTask
from tests.support.builders import T0

M = TypeVar("M", bound=BaseModel)


def _example(model: type[M]) -> M:
    return model.model_validate(BODIES[model])


NOW_MS = T0 + 180_000

TASK = "tsk_01m7yrqm47904bn5a9g1vxy29m"

UUID = "08967877-4bbe-4fe6-9461-df02d49f94a5"

UNANSWERED = _example(api_webhooks.Delivery).model_copy(
    update={
        "state": "dead",
        "last_status": None,
        "last_error": "ConnectFailed: https://hooks.example.com: Connection refused",
    }
)

QUEUED = QueuedTask.model_validate(
    {
        **_example(api.TasksPage).tasks[0].json_values(),
        "state": "queued",
        "model": "happyhorse-1.1/reference-to-video",
        "waits_since": T0,
        "queue": {
            "position": 2,
            "depth": 340,
            "priority": 9,
            "oldest_at": T0,
            "until_at": None,
            "held_until_at": None,
            "held_reason": None,
        },
    }
)

RECONCILED = _example(api.ReconcileSummary)

CANDIDATE = {
    "provider_task_id": UUID,
    "raw_state": "completed",
    "model": "happyhorse-1.1/reference-to-video",
    "prompt": None,
    "created_at": T0,
    "after_s": 2.5,
    "same_model": True,
    "same_prompt": None,
    "also_fits": ["tsk_01m7yrqm47904bn5a9g1vxy290"],
    "fits": True,
}

LOOK = api_tasks.Look.model_validate(
    {
        "task": TASK,
        "provider": "hiapi",
        "listed": 200,
        "problem": None,
        "clear": None,
        "why": "the only candidate also fits tsk_01m7yrqm47904bn5a9g1vxy290, whose submit was lost at the same time",
        "candidates": [CANDIDATE],
        "more": 0,
    }
)

LONG_ID = _example(api.TasksPage).tasks[0].model_copy(update={"provider_task_id": UUID})


#: The parts of each table, the words that 80 columns have room for, and those that only a wider one has.
TABLES: dict[str, tuple[Iterable[object], list[str], list[str]]] = {
    "events": (
        [events_table(_example(api.EventsPage).events, NOW_MS)],
        ["17", "task.succeeded", "tsk_01m7yrqm47904bn5a9g1vxy29m", "14:13:20, 3 min ago"],
        ["supersedes"],
    ),
    "deliveries": (
        [deliveries_table(_example(api_webhooks.DeliveriesPage).deliveries, NOW_MS)],
        ["dlv_01m7yrqm47904bn5a9g1vxy29m", "delivered 204", TASK],
        ["hooks.example.com", "created", "sub_01m7yrqm47904bn5a9g1vxy29m"],
    ),
    "a delivery without an answer": (
        [deliveries_table([UNANSWERED], NOW_MS)],
        ["dlv_01m7yrqm47904bn5a9g1vxy29m", "dead no", "connection", TASK],
        ["hooks.example.com", "due or ended"],
    ),
    "a delivery": (
        [delivery_sheet(_example(api_webhooks.DeliveryWithAttempts), NOW_MS)],
        [TASK, "task.succeeded", "https://hooks.example.com/videos", "sub_01m7yrqm47904bn5a9g1vxy29m", "attempts"],
        [],
    ),
    "attempts": (
        [attempts_table(_example(api_webhooks.DeliveryWithAttempts).tries, NOW_MS)],
        ["min ago", "85 ms", "204"],
        [],
    ),
    "runs": (
        [runs_table(_example(api_runs.RunsPage).runs, NOW_MS)],
        ["run_01m7yrqm47904bn5a9g1vxy29m", "cancel-tasks", "finished", "212 of 213", "failed"],
        ["started", "ended"],
    ),
    "items that a run would work on": (
        [*preview_parts(_example(api_runs.RunPreview), "task")],
        [TASK, "would be worked on"],
        [],
    ),
    "what a run said": (
        [*run_parts(_example(api_runs.Run), "task")],
        [TASK, "done 212 of 213, failed 1"],
        [],
    ),
    "tasks": (
        [tasks_table(_example(api.TasksPage).tasks, NOW_MS)],
        [TASK, "succeeded", "hiapi", "min ago"],
        ["tk-hiapi-01K5QW8Y", "labels"],
    ),
    "queued": (
        [queued_table([QUEUED], NOW_MS)],
        [TASK, "hiapi", "2 of 340", "3 min"],
        ["happyhorse-1.1/reference-to-video", "film=1"],
    ),
    "submitted": (
        [results_table([LineResult(number=7, task=_example(api.TasksPage).tasks[0]), LineResult(number=8)])],
        [TASK, "succeeded", "hiapi", "tk-hiapi-01K5QW8Y", "none"],
        [],
    ),
    "submitted, with a long id": (
        [results_table([LineResult(number=7, task=LONG_ID)])],
        [TASK, "succeeded", "hiapi"],
        [UUID],
    ),
    "reconciled": (
        [reconcile_table(RECONCILED, dry_run=True)],
        [TASK, "running", "stated", "succeeded", "ask for its", "would change 1"],
        ["hiapi"],
    ),
    "looks": (
        [looks_table([LOOK])],
        [TASK, "hiapi", "also fits", "tsk_01m7yrqm47904bn5a9g1vxy290"],
        [UUID],
    ),
    "candidates": (
        [candidates_table(LOOK)],
        [UUID, "completed", "after the submit"],
        ["happyhorse-1.1/reference-to-video", "also fits"],
    ),
    "keys": (
        [keys_table(_example(api_keys.KeysPage).keys, NOW_MS)],
        ["render-farm", "works", "read, submit", "team=films"],
        ["key_01m7yrqm47904bn5a9g1vxy29m", "created"],
    ),
    "counts": (
        [*counts_parts(_example(api_service.Counts), NOW_MS)],
        ["tasks uncertain", "since", "dead letters", "hiapi", "running"],
        ["unknown words"],
    ),
    "models": (
        [models_table(_example(api_service.ModelsAnswer).models)],
        ["hiapi", "happyhorse-1.1/reference-to-video", "3 to 15 s"],
        ["pictures", "seed", "1 to 9"],
    ),
    "endpoints": (
        [endpoints_table(_example(api_operations.NotifyEndpointsPage).endpoints, NOW_MS)],
        ["https://hooks.example.com", "closed"],
        [],
    ),
    "providers": (
        [providers_table(_example(api_operations.ProviderStatuses).providers)],
        ["hiapi", "in flight"],
        [],
    ),
    "subscriptions": (
        [subscriptions_table(_example(api_webhooks.SubscriptionsPage).subscriptions, NOW_MS)],
        ["sub_01m7yrqm47904bn5a9g1vxy29m", "active", "closed"],
        ["filter", "created"],
    ),
}


def _drawn(parts: Iterable[object], width: int) -> str:
    out = Console(width=width, force_terminal=False)
    with out.capture() as captured:
        for part in parts:
            out.print(part)
    return captured.get()


@pytest.mark.parametrize("name", TABLES)
def test_80_columns_have_what_is_most_telling_and_break_no_id(name: str) -> None:
    parts, shown, left_out = TABLES[name]
    drawn = _drawn(parts, 80)
    assert max(len(line.rstrip()) for line in drawn.splitlines()) <= 80
    assert [word for word in shown if word not in drawn] == []
    table, _, note = drawn.partition("too narrow for: ")
    assert [word for word in left_out if word in table] == []
    assert ("-o wide" in note) is bool(left_out)


@pytest.mark.parametrize("width", [48, 60, 80, 100, 130])
@pytest.mark.parametrize("name", TABLES)
def test_no_id_is_broken_at_any_width(name: str, width: int) -> None:
    drawn = _drawn(TABLES[name][0], width)
    assert {len(found) for found in re.findall(r"\b(?:tsk|dlv|sub|run|evt|key)_[0-9a-z]*", drawn)} <= {len(TASK)}
    for each in (UUID, "tk-hiapi-01K5QW8Y"):
        assert drawn.count(each[:8]) == drawn.count(each)
    assert drawn.count("happyhorse") == len(re.findall(r"happyhorse-1.1/(?:text|reference)-to-video", drawn))


@pytest.mark.parametrize("name", TABLES)
def test_wide_has_every_column(name: str) -> None:
    parts, shown, left_out = TABLES[name]
    token = is_wide.set(True)
    try:
        drawn = _drawn(parts, 4_000)
    finally:
        is_wide.reset(token)
    assert [word for word in (*shown, *left_out) if word not in drawn] == []
    assert "too narrow" not in drawn
