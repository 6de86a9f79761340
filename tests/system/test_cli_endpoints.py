"""Webhooks that do not arrive, by the command: hosts of `notify` and subscriptions are seen and resumed."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.runtime.store import open_store
from receiver.webhooks.model.delivery import DeliveryState
from submitter.model import TaskState
from tests.support.builders import T0, a_report, notified
from tests.support.cli import Cli
from tests.support.delivery_fixtures import finish, lease

HOST = "https://notify.example"


@pytest.fixture(name="home")
def _home(cli: Cli, at: Callable[[Cli], Cli]) -> Cli:
    """A ledger in which a host of `notify` has two dead letters. Webhooks may go to this machine."""
    here = cli.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
    assert here.run("migrate").status == 0
    asyncio.run(_add_dead_letters(here.folder))
    return at(here)


async def _add_dead_letters(folder: Path) -> None:
    async with open_store(f"sqlite:///{folder / 'whenfinal.db'}", clock=lambda: T0, migrating=False) as store:
        for number in (1, 2):
            task = notified(
                f"tsk_{number}",
                f"{HOST}/hook",
                state=TaskState.RUNNING,
                provider_task_id=f"p{number}",
                next_poll_ms=None,
            )
            await store.submissions.open_task(task, T0)
            await store.ledger.record([a_report(provider_task_id=f"p{number}")], T0)
        await finish(store, await lease(store), DeliveryState.DEAD)


def test_dead_letters_of_a_host_are_seen_everywhere_and_sent_again_together(home: Cli) -> None:
    doctor = home.run("doctor").out
    assert f"dead letters at hosts of notify: 2, at {HOST}" in doctor
    assert "whenfinal endpoints resume HOST --dead-letters" in doctor
    (listed,) = home.run("endpoints", "list", "--failing", "--json").values
    assert (listed["endpoint"], listed["dead"], listed["pending"]) == (HOST, 2, 0)
    assert HOST in home.run("endpoints", "list").out
    assert len(home.run("deliveries", "list", "--endpoint", f"{HOST}/x", "--state", "dead", "--json").values) == 2
    kept = home.run("endpoints", "resume", HOST)
    assert (kept.status, kept.err) == (0, "")
    assert kept.out.splitlines() == [
        "its breaker is closed; its failures and its pause are over",
        "dead letters stay: 2; send them again with --dead-letters",
    ]
    sent = home.run("endpoints", "resume", f"{HOST}/hook", "--dead-letters")
    assert (sent.status, sent.out) == (0, "dead letters that are due again: 2\n")
    (value,) = home.run("endpoints", "resume", HOST, "--dead-letters", "--json").values
    assert (value["redelivered"], value["pending"], value["dead"], value["was_failing"]) == (0, 2, 0, False)
    assert home.run("endpoints", "resume", HOST).out == f"{HOST} has no trouble; nothing was changed\n"
    assert home.run("endpoints", "list", "--failing").out == "no host of notify matches\n"
    assert {each["state"] for each in home.run("deliveries", "list", "--endpoint", HOST, "--json").values} == {
        "pending"
    }


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (("endpoints", "resume", "https://nobody.example"), 1, "no task has named https://nobody.example in notify"),
        (("endpoints", "resume", "nobody"), 2, "it is not the address of a host"),
        (("endpoints", "resume", "sub_1"), 2, "whenfinal subscriptions resume sub_1"),
        (("subscriptions", "resume", "sub_1"), 1, "there is no subscription sub_1"),
        (("deliveries", "list", "--endpoint", "nobody"), 2, "it is not the address of a host"),
        (("deliveries", "list", "--endpoint", HOST, "--state", "delivered"), 2, "--endpoint goes with"),
    ],
)
def test_a_wrong_name_is_one_line_and_changes_nothing(
    home: Cli, words: tuple[str, ...], status: int, part: str
) -> None:
    ended = home.run(*words)
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (status, "", 1)
    assert part in ended.err
    assert home.run("endpoints", "list", "--json").values[0]["dead"] == 2


def test_a_subscription_is_resumed_and_says_what_was_done(home: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (made,) = home.run("subscriptions", "create", f"http://127.0.0.1:{port}/hook", "--json").values
    name = made["id"]
    assert home.run("subscriptions", "resume", name).out == f"{name} has no trouble; nothing was changed\n"
    home.run("subscriptions", "disable", name)
    ended = home.run("subscriptions", "resume", name)
    assert (ended.status, ended.out, ended.err) == (0, f"{name} is enabled\n", "")
    (value,) = home.run("subscriptions", "resume", name, "--json").values
    assert (value["state"], value["was_disabled"], value["made_due"]) == ("active", False, 0)
