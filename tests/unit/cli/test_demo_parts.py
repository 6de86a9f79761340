"""The demo's readers, its operator's decision and its result, each by itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from receiver.cli.demo.display import Progress, Result, closing, progress_line, result_view
from receiver.cli.demo.processes import Setup
from receiver.cli.demo.records import (
    Uncertain,
    ledger_task,
    likely_mistake,
    paid_task,
    settle_arguments,
    settlements,
)
from receiver.cli.demo.tally import Channel, Evidence, LedgerTask, Paid, Received, Wanted, tally
from receiver.config.settings import Settings
from receiver.tasks.model.timeline import build_timeline
from submitter.simulator import PLATFORMS
from tests.support.demo_results import SHOWN

SETUP = Setup(directory=Path("/demo"), simulator="http://127.0.0.1:1", receiver="http://127.0.0.1:2")
IN_LEDGER = LedgerTask(task="tsk_1", provider="hiapi", provider_task_id="tk-1")
PROMPT = "a paper boat"
UNCERTAIN = Uncertain(task="tsk_1", provider="dashscope", created_ms=10_000, prompt=PROMPT)
RECORD = Paid(
    provider="dashscope",
    provider_task_id="theirs",
    created_ms=10_050,
    body=json.dumps({"input": {"prompt": PROMPT}}),
    state="running",
    is_ended=False,
)


def test_the_environment_of_the_demo_makes_settings_for_all_simulated_providers() -> None:
    settings = Settings.from_mapping(SETUP.environment())
    assert {account.name for account in settings.providers.accounts} == set(PLATFORMS)
    assert all(account.base_url.startswith(SETUP.simulator) for account in settings.providers.accounts)
    assert settings.database.url == "sqlite:////demo/ledger.db"


def test_the_operator_adopts_what_the_console_shows_for_the_prompt() -> None:
    assert settlements([UNCERTAIN], [RECORD], known=()) == {"tsk_1": "theirs"}


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, created_ms=5_000),
        replace(RECORD, created_ms=60_000),
        replace(RECORD, body=json.dumps({"prompt": "another"})),
        replace(RECORD, body="not JSON"),
        replace(RECORD, provider="modellix"),
    ],
)
def test_the_operator_settles_as_refused_where_nothing_fits(record: Paid) -> None:
    assert settlements([UNCERTAIN], [record], known=()) == {"tsk_1": None}


def test_the_operator_gives_no_record_to_two_tasks() -> None:
    both = [UNCERTAIN, replace(UNCERTAIN, task="tsk_2")]
    assert settlements(both, [RECORD], known=()) == {"tsk_1": "theirs", "tsk_2": None}
    assert settlements([UNCERTAIN], [RECORD], known={("dashscope", "theirs")}) == {"tsk_1": None}


def test_the_operator_mistakes_a_task_only_for_one_that_is_stuck() -> None:
    stuck = replace(RECORD, provider_task_id="stuck", is_stuck=True)
    found = {"tsk_1": "theirs", "tsk_2": "stuck"}
    assert likely_mistake(found, [RECORD, stuck]) == ("tsk_1", "stuck")
    assert likely_mistake(found, [RECORD, replace(stuck, provider="modellix")]) is None
    assert likely_mistake(found, [RECORD, replace(stuck, is_ended=True)]) is None
    assert likely_mistake({"tsk_1": "theirs", "tsk_2": None}, [RECORD, stuck]) is None


def test_a_settlement_is_a_command_that_one_can_type() -> None:
    assert settle_arguments("tsk_1", "x") == ("tasks", "settle", "tsk_1", "--task-id", "x", "--yes")
    assert settle_arguments("tsk_1", None) == ("tasks", "settle", "tsk_1", "--refused", "--yes")


def _entry(source: str, state: str, verdict: str) -> Mapping[str, Any]:
    row = {"at_ms": 1, "source": source, "state": state, "raw_state": "WORD (odd)", "verdict": verdict}
    rows: dict[str, list[Any]] = {kind: [] for kind in ("audit", "event", "delivery", "attempt")}
    (entry,) = build_timeline({**rows, "observation": [{**row, "detail": "{}", "raw": ""}]})
    return {"kind": entry.kind, "detail": entry.detail}


def test_what_the_ledger_says_is_read_from_the_observations_of_the_timeline() -> None:
    timeline = [
        _entry("poll", "running", "applied"),
        _entry("callback", "succeeded", "applied"),
        _entry("poll", "succeeded", "duplicate"),
        _entry("callback", "failed", "contradiction"),
    ]
    found = ledger_task({"id": "tsk_1", "provider": "hiapi", "task_id": "tk-1"}, timeline)
    assert found == replace(IN_LEDGER, ended_by="callback", contradictions=1)


def _recorded(*attempts: tuple[str, int | None]) -> Paid:
    task = {"platform": "hiapi", "task_id": "tk-1", "state": "succeeded", "created_ms": 1, "raw_body_base64": ""}
    callbacks = [{"reported": reported, "status": status} for reported, status in attempts]
    return paid_task({**task, "faults": ["callback_contradicting"], "callbacks": callbacks})


def test_a_contradiction_counts_once_it_was_answered_with_success() -> None:
    unanswered = _recorded(("succeeded", 204), ("failed", None), ("failed", 503))
    assert (unanswered.contradicted, unanswered.awaits_contradiction) == (False, True)
    answered = _recorded(("succeeded", 204), ("failed", 200))
    assert (answered.contradicted, answered.awaits_contradiction) == (True, False)


def _result(*, received: bool) -> Result:
    paid = replace(RECORD, provider="hiapi", provider_task_id="tk-1", state="succeeded", is_ended=True)
    ends = [
        Received(
            channel=channel,
            seq=1,
            event_id="evt_1",
            task="tsk_1",
            provider="hiapi",
            provider_task_id="tk-1",
            state="succeeded",
        )
        for channel in (Channel.EVERYTHING, Channel.STREAM)
    ]
    wanted = [Wanted(name="hiapi-01", provider="hiapi", task="tsk_1")]
    ended = ends if received else []
    evidence = Evidence(wanted=wanted, paid=[paid], received=ended, ledger=[IN_LEDGER], events={"hiapi": 1})
    return Result(tally=tally(evidence), seconds=1.0, faults={"callback_lost": 1}, shown=SHOWN)


def _printed(result: Result, width: int = 200) -> list[str]:
    out = Console(width=width, force_terminal=False)
    with out.capture() as captured:
        for part in closing(result):
            out.print(part)
    return captured.get().splitlines()


def test_the_verdict_is_the_last_line() -> None:
    assert _printed(_result(received=True))[-1] == "lost 0, doubled 0, paid twice 0"


def test_on_eighty_columns_no_word_of_the_table_is_cut() -> None:
    result = _result(received=True)
    rows = tuple(replace(result.tally.rows[0], provider=name, submitted=200) for name in PLATFORMS)
    lines = _printed(replace(result, tally=replace(result.tally, rows=rows)), width=80)
    table = lines[: next(number for number, each in enumerate(lines) if each.startswith("met on the way"))]
    assert all(len(each) <= 80 for each in table)
    assert "…" not in "".join(table)
    first_words = [each.split()[0] for each in table if each.strip()]
    assert first_words[-len(PLATFORMS) - 1 :] == [*PLATFORMS, "all"]
    assert table[-1].split()[:2] == ["all", str(200 * len(PLATFORMS))]


def test_under_the_table_stands_what_was_shown() -> None:
    printed = "\n".join(_printed(_result(received=True)))
    for words in (
        "60 webhooks signed with ed25519",
        "answered 500 sent again",
        "Retry-After 1, sent again after 1.3 s",
    ):
        assert words in printed
    for words in ("secret rotated, 30 webhooks", "stream resumed at seq 20", "12 ends sent to the URL"):
        assert words in printed


def test_a_lost_task_is_named_before_the_verdict_and_makes_the_result_bad() -> None:
    result = _result(received=False)
    lines = _printed(result)
    assert lines[-1] == "lost 1, doubled 0, paid twice 0"
    assert any("hiapi tk-1: succeeded at the provider, and no webhook, no stream" in each for each in lines)
    assert not result.is_good


def test_a_remark_makes_the_result_bad_although_the_counts_are_zero() -> None:
    result = replace(_result(received=True), remarks=("time ran out",))
    assert not result.is_good
    assert "wrong: time ran out" in _printed(result)


def test_a_result_for_programs_is_json() -> None:
    view = json.loads(json.dumps(result_view(_result(received=False))))
    assert [finding["task"] for finding in view["lost"]] == ["tk-1"]
    assert view["verdict"] == "lost 1, doubled 0, paid twice 0"
    assert view["shown"]["resumed_at"] == 20


def test_without_a_terminal_progress_is_one_line() -> None:
    progress = Progress(provider="hiapi", wanted=12, submitted=4, ended=3, events=2, webhooks=1)
    assert progress_line([progress, progress], 7.04) == "  7.0 s  submitted 8/24, ended 6/24, events 4, webhooks 2"
