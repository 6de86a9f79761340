"""Providers by the command: listed at 80 columns and as JSON, and resumed."""

import asyncio
import os
import pty
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from receiver.runtime.store import open_store
from receiver.store.accounts import refill_tokens, store_account
from receiver.store.engine import Tx
from submitter.model import TaskState
from submitter.providers.registry import ADAPTERS
from tests.support.builders import a_task
from tests.support.cli import TIMEOUT_S, WHENFINAL, Cli, request_line

FAR_MS = 2**52
ALARM = "hiapi answers 401: the key\x1b[31m is not valid any more, see the console of the account"


@pytest.fixture
def paused(simulated: Cli, at: Callable[[Cli], Cli]) -> Cli:
    """HiAPI's account is paused with an alarm, and has a task that runs."""
    simulated.run("submit", "-", "--json", stdin=request_line())

    async def pause() -> None:
        url = f"sqlite:///{simulated.folder / 'whenfinal.db'}"
        async with open_store(url, clock=lambda: 0, migrating=False) as store:
            await store.accounts.pause("hiapi", until_ms=FAR_MS, reason="denied", alarm=ALARM, now_ms=1)

    asyncio.run(pause())
    return at(simulated)


def test_the_providers_are_listed_as_json_in_the_order_of_the_settings(paused: Cli) -> None:
    found = paused.run("providers", "list", "--json").values
    assert [each["name"] for each in found][:2] == ["hiapi", "dashscope"]
    assert (found[0]["alarm"], found[0]["paused_reason"], found[0]["unfinished"]) == (ALARM, "denied", 1)
    assert (found[1]["alarm"], found[1]["unfinished"], found[1]["tokens"]) == (None, 0, found[1]["burst"])


def test_a_provider_is_shown_with_what_was_learned_of_it(paused: Cli) -> None:
    (shown,) = paused.run("providers", "show", "hiapi", "--json").values
    assert (shown["name"], shown["alarm"], shown["durations"][0]["count"]) == ("hiapi", ALARM, 0)
    text = paused.run("providers", "show", "hiapi").out
    assert all(
        word in text
        for word in ("all models", "p95", "callbacks that are taken not to come: 2.0%", "the price of a poll is 5.0 s")
    )
    assert shown["poll_price_s"] == 5.0
    # The poll of the one task may be due by now.
    assert shown["polls_waiting"] == (0 if shown["polls_waiting_since"] is None else 1)


def test_a_terminal_of_80_columns_shows_who_is_paused_and_why(paused: Cli) -> None:
    lines = _on_terminal(paused, "providers", "list").splitlines()
    text = " ".join(lines)
    assert all(word in text for word in ("hiapi", "denied", "answers", "modelstream"))
    assert "\\x1b" in text
    assert max(len(line) for line in lines) <= 80


@pytest.fixture
def held(simulated: Cli, at: Callable[[Cli], Cli]) -> Cli:
    """HiAPI has refused two submits, of which one has taught a limit and the last one was denied. Two tasks wait."""
    simulated.run("submit", "-", "--json", stdin=request_line())

    async def hold() -> None:
        url = f"sqlite:///{simulated.folder / 'whenfinal.db'}"
        async with open_store(url, clock=lambda: 0, migrating=False) as store:
            await store.submissions.open_task(a_task("tsk_q", state=TaskState.QUEUED, queued_ms=1), 1)

            async def work(tx: Tx) -> None:
                account = await refill_tokens(tx, "hiapi", ADAPTERS["hiapi"].CAPABILITIES.budget, 1)
                account = replace(account, submits_paused_until_ms=FAR_MS, learned_in_flight=7)
                reason = "denied: UNAUTHORIZED: no"
                await store_account(tx, replace(account, submits_paused_reason=reason, submits_alarm=ALARM))

            await store.engine.write(work)

    asyncio.run(hold())
    return at(simulated)


def test_the_hold_of_submits_its_alarm_the_queue_and_the_limits_are_listed(held: Cli) -> None:
    hiapi, dashscope, *_ = held.run("providers", "list", "--json").values
    assert (hiapi["submits_paused_reason"], hiapi["submits_alarm"]) == ("denied: UNAUTHORIZED: no", ALARM)
    assert (bool(hiapi["submits_paused_until"]), hiapi["paused_until"], hiapi["alarm"]) == (True, None, None)
    assert (hiapi["queued"], hiapi["in_flight"], hiapi["unfinished"]) == (1, 1, 2)
    assert (hiapi["max_in_flight"], hiapi["learned_in_flight"]) == (10, 7)
    assert (dashscope["submits_paused_until"], dashscope["queued"], dashscope["learned_in_flight"]) == (None, 0, None)
    lines = _on_terminal(held, "providers", "list").splitlines()
    assert max(len(line) for line in lines) <= 80
    text = " ".join(" ".join(lines).split())
    assert all(word in text for word in ("1 of 7", "submits are held back, denied: UNAUTHORIZED", "answers 401"))
    assert lines[-1].strip() == "when the reason is fixed: whenfinal providers resume hiapi"


def test_a_resume_ends_the_hold_of_submits_and_explain_proposes_it_for_a_queued_task(held: Cli) -> None:
    command = "whenfinal providers resume hiapi"
    assert command in held.run("tasks", "explain", "tsk_q").out
    assert command in held.run("doctor").out
    (ended,) = held.run("providers", "resume", "hiapi", "--json").values
    assert (ended["ended"], ended["submits_alarm"], ended["submits_paused_until"]) == (True, None, None)
    assert ended["learned_in_flight"] == 7
    assert command not in held.run("tasks", "explain", "tsk_q").out


def test_a_resume_says_what_it_ended_and_a_second_that_there_is_nothing(paused: Cli) -> None:
    ended = paused.run("providers", "resume", "hiapi")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("hiapi is polled again")
    again = paused.run("providers", "resume", "hiapi")
    assert (again.status, again.out) == (
        0,
        "hiapi has no pause, no hold of submits and no alarm; nothing was changed\n",
    )
    (value,) = paused.run("providers", "resume", "hiapi", "--json").values
    assert (value["ended"], value["alarm"], value["name"]) == (False, None, "hiapi")


def test_a_provider_that_is_not_configured_is_one_line_and_usage(paused: Cli) -> None:
    ended = paused.run("providers", "resume", "hiapy")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "whenfinal: hiapy is not configured; did you mean hiapi?\n"
    assert paused.run("providers", "list", "--json").values[0]["alarm"] == ALARM


def test_doctor_and_explain_name_the_command_that_ends_the_pause(paused: Cli) -> None:
    (task,) = paused.run("tasks", "list", "--json").values
    assert "whenfinal providers resume hiapi" in paused.run("tasks", "explain", task["id"]).out
    assert "whenfinal providers resume hiapi" in paused.run("doctor").out


def _on_terminal(cli: Cli, *arguments: str) -> str:
    """What a terminal of 80 columns is shown, without its styles."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(cli.folder), **cli.environment}
    shape = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen([WHENFINAL, *arguments], cwd=cli.folder, env=environment | shape, stdout=theirs) as command:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
        command.wait(TIMEOUT_S)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end was closed
        return b""


def test_the_callback_address_of_an_account_is_shown_with_its_steps(simulated: Cli, at: Callable[[Cli], Cli]) -> None:
    assert simulated.run("migrate").status == 0
    cli = at(simulated.with_settings(WHENFINAL_PUBLIC_URL="http://127.0.0.1:9"))
    (shown,) = cli.run("callbacks", "address", "dashscope", "--json").values
    lines = cli.run("callbacks", "address", "dashscope").out.splitlines()
    assert "/callbacks/dashscope/" in shown["address"]
    assert (lines[0], lines[1].startswith("1. ")) == (shown["address"], True)
    refused = cli.run("callbacks", "address", "hiapi")
    assert (refused.status, refused.out) == (1, "")
    assert "n account at HiAPI has no callback address of its own: each submit names one" in refused.err
    assert cli.run("callbacks", "address", "dashscop").status == 2


def test_the_settings_that_simulate_prints_give_the_address_that_it_calls_back(
    simulated: Cli, simulator_settings: dict[str, str]
) -> None:
    assert simulated.run("migrate").status == 0
    cli = simulated.with_settings(WHENFINAL_PUBLIC_URL=simulator_settings["WHENFINAL_PUBLIC_URL"])
    (address, *_) = cli.run("callbacks", "address", "dashscope").out.splitlines()
    origin = httpx.URL(simulator_settings["HIAPI_BASE_URL"]).copy_with(path="/")
    assert f"dashscope posts the callbacks of its account to {address}\n" in httpx.get(origin, trust_env=False).text
