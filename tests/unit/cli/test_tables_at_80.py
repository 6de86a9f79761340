"""Every table on a terminal of 80 columns: what is most telling is there, and ids are whole."""

from collections.abc import Iterable
from typing import TypeVar

import pytest
from pydantic import BaseModel
from rich.console import Console

from receiver.cli.display.count_tables import counts_parts
from receiver.cli.display.endpoint_tables import endpoints_table
from receiver.cli.display.key_tables import keys_table
from receiver.cli.display.list_tables import attempts_table, deliveries_table, events_table
from receiver.cli.display.listing import is_wide
from receiver.cli.display.provider_tables import models_table, providers_table
from receiver.cli.display.run_tables import runs_table
from receiver.cli.display.subscription_tables import subscriptions_table
from receiver.web.examples import BODIES
from submitter import api, api_keys, api_operations, api_runs, api_service, api_webhooks
from tests.support.builders import T0

M = TypeVar("M", bound=BaseModel)


def _example(model: type[M]) -> M:
    return model.model_validate(BODIES[model])


NOW_MS = T0 + 180_000

#: The parts of each table, the words that 80 columns have room for, and those that only a wider one has.
TABLES: dict[str, tuple[Iterable[object], list[str], list[str]]] = {
    "events": (
        [events_table(_example(api.EventsPage).events, NOW_MS)],
        ["17", "task.succeeded", "tsk_01m7yrqm47904bn5a9g1vxy29m", "14:13:20, 3 min ago"],
        ["supersedes"],
    ),
    "deliveries": (
        [deliveries_table(_example(api_webhooks.DeliveriesPage).deliveries, NOW_MS)],
        ["dlv_01m7yrqm47904bn5a9g1vxy29m", "delivered", "204", "min ago"],
        ["endpoint", "created", "sub_01m7yrqm47904bn5a9g1vxy29m"],
    ),
    "attempts": (
        [attempts_table(_example(api_webhooks.DeliveryWithAttempts).tries, NOW_MS)],
        ["min ago", "85 ms", "204"],
        [],
    ),
    "runs": (
        [runs_table(_example(api_runs.RunsPage).runs, NOW_MS)],
        ["run_01m7yrqm47904bn5a9g1vxy29m", "cancel-tasks", "finished", "212 of 213"],
        ["started", "ended"],
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
