"""Many deliveries at once: found by filters, named by lines of stdin, and sent again in a run of the service."""

import asyncio
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from receiver.runtime.store import open_store
from receiver.webhooks.model.delivery import DeliveryState
from tests.support.builders import T0
from tests.support.cli import TIMEOUT_S, Cli, eventually
from tests.support.delivery_fixtures import (
    DAY_MS,
    deliveries_of,
    finish_all,
    publish_event_of,
    publish_events,
    subscribe,
)


async def _fill(folder: Path, *, more: int = 0) -> None:
    """Three dead letters of three tasks, the last one of another provider a day later, and so many more."""
    now = [T0]
    async with open_store(f"sqlite:///{folder / 'whenfinal.db'}", clock=lambda: now[0], migrating=True) as store:
        await subscribe(store)
        await publish_event_of(store, "tsk_1")
        await publish_event_of(store, "tsk_2")
        await deliveries_of(store)  # they are made now
        now[0] += DAY_MS
        await publish_event_of(store, "tsk_3", provider="dashscope", at_ms=now[0])
        await publish_events(store, more, at_ms=now[0])
        while len(await deliveries_of(store)) < 3 + more:  # each read makes some of those that lack
            pass
        await finish_all(store, DeliveryState.DEAD, at_ms=now[0])


@pytest.fixture(name="home")
def _home(cli: Cli, at: Callable[[Cli], Cli]) -> Cli:
    asyncio.run(_fill(cli.folder))
    return at(cli)


def _dead(home: Cli, *flags: str) -> list[str]:
    """The tasks of the dead letters."""
    return [each["task"] for each in home.run("deliveries", "list", "--state", "dead", "--json", *flags).values]


def test_deliveries_are_found_by_task_type_time_and_answer(home: Cli) -> None:
    assert _dead(home) == ["tsk_3", "tsk_2", "tsk_1"]
    assert _dead(home, "--task", "tsk_2") == ["tsk_2"]
    assert _dead(home, "--type", "task.succeeded", "--subscription", "sub_1") == ["tsk_3", "tsk_2", "tsk_1"]
    assert _dead(home, "--type", "task.failed") == []
    assert _dead(home, "--since", "2026-09-22T00:00:00Z") == ["tsk_3"]
    assert _dead(home, "--until", "2026-09-22T00:00:00Z") == ["tsk_2", "tsk_1"]
    assert _dead(home, "--error", "4xx", "--error", "none") == ["tsk_3", "tsk_2", "tsk_1"]
    assert _dead(home, "--error", "5xx") == []
    backwards = home.run("deliveries", "list", "--since", "1h", "--until", "2h")
    assert (backwards.status, backwards.out, backwards.err.count("\n")) == (2, "", 1)
    assert "until: " in backwards.err


def test_ids_of_a_list_go_to_the_next_command_and_those_that_are_not_there_are_named(home: Cli) -> None:
    names = [each["id"] for each in home.run("deliveries", "list", "--json").values]
    given = f"# dead letters\n{names[0]}\n\n  {names[1]}\ndlv_nobody\n{names[0]}\n../tasks\n"
    absent = [
        "whenfinal: there is no delivery dlv_nobody; see `whenfinal deliveries list`",
        "whenfinal: there is no delivery ../tasks; see `whenfinal deliveries list`",
    ]
    shown = home.run("deliveries", "show", "-", "--json", stdin=given)
    assert (shown.status, [each["id"] for each in shown.values]) == (1, names[:2])
    assert shown.err.splitlines() == absent
    sent = home.run("deliveries", "redeliver", "-", "--json", stdin=given)
    assert (sent.status, [each["id"] for each in sent.values]) == (1, names[:2])
    assert sent.err.splitlines() == absent
    assert _dead(home) == ["tsk_1"]
    table = home.run("deliveries", "redeliver", names[2], names[2])
    assert (table.status, table.err, table.out.endswith("a running worker sends it\n")) == (0, "", True)
    assert _dead(home) == []


@pytest.mark.parametrize("stdin", [b"", b"\n# none\n", b"\xff\n"])
def test_an_input_without_ids_changes_nothing(home: Cli, stdin: bytes) -> None:
    ended = home.run("deliveries", "redeliver", "-", stdin=stdin)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "standard input" in ended.err
    assert len(_dead(home)) == 3


def test_all_that_a_filter_finds_is_counted_confirmed_and_sent_again_in_a_run(home: Cli) -> None:
    counted = home.run("deliveries", "redeliver", "--until", "2026-09-22T00:00:00Z", "--dry-run", "--json")
    assert (counted.status, counted.values[0]["count"], counted.values[0]["has_more"]) == (0, 2, False)
    counted = home.run("deliveries", "redeliver", "--error", "4xx", "--task", "tsk_1", "--dry-run")
    assert counted.out.endswith("1 delivery would be worked on\n")
    asked = home.run("deliveries", "redeliver", "--all")
    assert (asked.status, asked.out, "give --yes to confirm" in asked.err) == (2, "", True)
    assert len(_dead(home)) == 3
    (run,) = home.run("deliveries", "redeliver", "--until", "2026-09-22T00:00:00Z", "--yes", "--json").values
    assert (run["kind"], run["state"], run["done"], run["failed"]) == ("redeliver-deliveries", "finished", 2, 0)
    assert _dead(home) == ["tsk_3"]
    assert home.run("deliveries", "redeliver", "--all", "--yes").out == "done 1 of 1, failed 0\n"
    nothing = home.run("deliveries", "redeliver", "--all", "--yes")
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "no delivery matches\n")
    listed = home.run("runs", "list", "--json").values
    assert ([each["done"] for each in listed], listed[1]["id"]) == ([1, 2], run["id"])
    assert home.run("runs", "show", run["id"], "--json").values == [run]
    assert run["id"] in home.run("runs", "list").out
    stopped = home.run("runs", "stop", run["id"], "run_nobody", "--json")
    assert (stopped.status, stopped.values) == (1, [run])
    assert stopped.err == "whenfinal: there is no run run_nobody; see `whenfinal runs list`\n"


@pytest.mark.parametrize("words", ["", "dlv_1 --all", "dlv_1 --dry-run", "--endpoint nobody", "--task dlv_1"])
def test_a_redelivery_without_a_clear_aim_is_refused(home: Cli, words: str) -> None:
    ended = home.run("deliveries", "redeliver", "--yes", *words.split())
    assert (ended.status, ended.out) == (2, "")
    assert len(_dead(home)) == 3


def _is_begun(folder: Path) -> bool:
    """Whether a run has worked on a part of its items; no command, because the run may end before it does."""
    with closing(sqlite3.connect(folder / "whenfinal.db")) as ledger:
        return ledger.execute("SELECT 1 FROM operator_runs WHERE done > 0").fetchone() is not None


def test_ctrl_c_stops_the_run_and_says_what_was_done(cli: Cli, at: Callable[[Cli], Cli]) -> None:
    asyncio.run(_fill(cli.folder, more=1_500))
    home = at(cli)
    with home.started("deliveries", "redeliver", "--all", "--yes") as command:
        eventually(lambda: _is_begun(cli.folder))
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=TIMEOUT_S)
    assert (command.returncode, "interrupted" in err) == (130, True)
    (run,) = home.run("runs", "list", "--json").values
    assert (run["state"], 0 < run["done"] < 1_503) == ("stopped", True)
    said = re.fullmatch(r"done (\d+) of \d+, failed 0; stopped before its end\n", out)
    assert said is not None
    assert 0 < int(said[1]) <= run["done"]
    assert f"see whenfinal runs show {run['id']}" in err
