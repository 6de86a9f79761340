"""Subscriptions, replays and their deliveries, with the real command: inside it, and at a service."""

import base64
import os
import pty
import re
import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.support.cli import WHENFINAL, Cli, Ended, request_line

OWN_SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture(name="home")
def _home(cli: Cli, at: Callable[[Cli], Cli]) -> Cli:
    """Webhooks may go to this machine."""
    return at(cli.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8"))


@pytest.fixture(name="nobody")
def _nobody() -> str:
    """An address of this machine at which nobody is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/hook"


def _made(home: Cli, url: str, *flags: str) -> dict[str, object]:
    ended = home.run("subscriptions", "create", url, "--json", *flags)
    assert (ended.status, ended.err) == (0, "")
    return ended.values[0]


def test_a_subscription_is_made_listed_changed_and_deleted(home: Cli, nobody: str) -> None:
    flags = ["--type", "task.failed", "--type", "task.expired", "--model", "m", "--label", "film=a=b", "--rate", "2.5"]
    made = _made(home, nobody, *flags, "--asymmetric", "--cloudevents", "--max-in-flight", "3", "--description", "x")
    name, secret = str(made["id"]), made.pop("secret")
    assert str(secret).startswith("whsec_")
    assert (made["types"], made["labels"], made["rate_per_s"]) == (
        ["task.expired", "task.failed"],
        {"film": "a=b"},
        2.5,
    )
    assert home.run("subscriptions", "list", "--json").values == [made]
    backlog = {"deliveries": {"pending": 0, "dead": 0, "last_failed": None}}
    assert home.run("subscriptions", "show", name, "--json").values == [made | backlog]
    changed = home.run(
        *("subscriptions", "change", name, "--type", "task.failed", "--clear", "labels", "--clear", "rate"),
        *("--no-cloudevents", "--endpoint", f"{nobody}/b", "--json"),
    ).values[0]
    expected: dict[str, object] = {
        "types": ["task.failed"],
        "labels": {},
        "rate_per_s": None,
        "cloudevents": False,
        "url": f"{nobody}/b",
    }
    assert changed == {**made, **expected, "changed_at": changed["changed_at"]}
    assert home.run("subscriptions", "delete", name, "--yes", "--json").values == [{"id": name, "deleted": True}]
    assert home.run("subscriptions", "list", "--json").out == ""


def test_the_secret_is_printed_once_with_a_line_that_says_so(home: Cli, nobody: str) -> None:
    made = home.run("subscriptions", "create", nobody)
    (line,) = [line for line in made.out.splitlines() if "whsec_" in line]
    assert line.startswith("signing secret, shown only now: whsec_")
    name = made.out.split()[1]
    rotated = home.run("subscriptions", "rotate-secret", name)
    assert "signing secret, shown only now: whsec_" in rotated.out
    assert "old secret ends" in rotated.out
    for arguments in (("list", "--json"), ("show", name)):
        assert "whsec_" not in home.run("subscriptions", *arguments).out


def test_a_secret_comes_from_a_file_or_a_pipe_and_is_shown_to_programs_alone(home: Cli, nobody: str) -> None:
    (home.folder / "secret").write_text(f"{OWN_SECRET}\n")
    made = home.run("subscriptions", "create", nobody, "--secret-file", "secret")
    assert (made.status, "whsec_" in made.out) == (0, False)
    other = "whsec_" + base64.b64encode(b"t" * 32).decode()
    turned = home.run(
        *("subscriptions", "rotate-secret", made.out.split()[1], "--secret-file", "-", "--overlap", "0s", "--json"),
        stdin=other,
    )
    assert (turned.values[0]["secret"], turned.values[0]["previous_secret_until"]) == (other, None)


@pytest.mark.parametrize("content", ["whsec_short", "two\nlines", "ÿ" * 5_000])
def test_an_unfit_secret_is_refused_without_being_repeated(home: Cli, nobody: str, content: str) -> None:
    ended = home.run("subscriptions", "create", nobody, "--secret-file", "-", stdin=content)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "secret" in ended.err
    assert content not in ended.err


def test_every_broken_rule_is_a_line(home: Cli) -> None:
    flags = ["--provider", "nobody", "--rate", "0", "--max-in-flight", "0", "--handshake", "--label", "a=\x07"]
    ended = home.run("subscriptions", "create", "ftp://hooks.example", *flags)
    assert (ended.status, ended.out) == (2, "")
    fields = [line.split(": ")[1] for line in ended.err.splitlines()]
    assert fields == ["URL", "--provider", "--label a", "--handshake", "--rate", "--max-in-flight"]


def test_a_subscription_is_disabled_with_its_reason_and_enabled_again(home: Cli, nobody: str) -> None:
    name = str(_made(home, nobody)["id"])
    assert "disabled" in home.run("subscriptions", "disable", name).out
    listed = home.run("subscriptions", "list", "--state", "disabled").out
    assert all(word in listed for word in (name, "disabled", "by hand", "closed"))
    refused = home.run("replay", name, "--from-seq", "1", "--yes")
    assert (refused.status, refused.out) == (1, "")
    assert f"enable it first: whenfinal subscriptions enable {name}" in refused.err
    (enabled,) = home.run("subscriptions", "enable", name, "--json").values
    assert (enabled["state"], enabled["disabled"]) == ("active", None)


def test_a_test_that_is_not_delivered_ends_with_status_1(home: Cli, nobody: str) -> None:
    name = str(_made(home, nobody)["id"])
    ended = home.run("subscriptions", "test", name)
    assert (ended.status, ended.err) == (1, "")
    assert ended.out.startswith("not delivered: ")
    programs = home.run("subscriptions", "test", name, "--json")
    assert (programs.status, programs.values[0]["delivered"], programs.values[0]["status"]) == (1, False, None)


def test_past_events_are_replayed_and_the_deliveries_found_by_subscription(
    simulated: Cli, nobody: str, at: Callable[[Cli], Cli]
) -> None:
    here = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8")
    here.run("submit", "-", "--wait", stdin=request_line() + "\n" + request_line("x #simulate:fail"))
    home = at(here)
    name = str(_made(home, nobody)["id"])
    counted = home.run("replay", name, "--from-seq", "1", "--dry-run")
    assert counted.out == "events that match: 2; deliveries that would be made due: 2\n"
    asked = _at_terminal(home, "n", "replay", name, "--from-seq", "1")
    assert (asked.status, asked.out, f"Make 2 deliveries to {name} due?" in asked.err) == (1, "", True)
    (failed,) = home.run("replay", name, "--type", "task.failed", "--since", "1h", "--yes", "--json").values
    assert (failed["matched"], failed["made_due"], failed["dry_run"]) == (1, 1, False)
    replayed = home.run("replay", name, "--to-seq", "2", "--only", "missing", "--yes")
    assert replayed.out == "events that match: 2; deliveries made due: 1; a running worker sends them\n"
    pending = home.run("deliveries", "list", "--subscription", name, "--json").values
    assert [(each["subscription"], each["state"]) for each in pending] == [(name, "pending")] * 2
    assert home.run("deliveries", "list", "--subscription", "sub_nobody", "--json").out == ""
    assert name in home.run("deliveries", "list").out
    home.run("subscriptions", "disable", name)
    again = home.run("deliveries", "redeliver", str(pending[0]["id"]))
    assert again.out.endswith(f"{name} is disabled: it waits until whenfinal subscriptions enable {name}\n")
    assert re.search(r"^pending +2$", home.run("subscriptions", "show", name).out, re.MULTILINE)
    home.run("subscriptions", "delete", name, "--yes")
    refused = home.run("deliveries", "redeliver", str(pending[0]["id"]))
    assert (refused.status, refused.out, "was deleted" in refused.err) == (1, "", True)


def test_a_replay_without_a_bound_or_with_nobody_to_ask_is_refused(home: Cli, nobody: str) -> None:
    name = str(_made(home, nobody)["id"])
    unbounded = home.run("replay", name, "--yes")
    assert (unbounded.status, unbounded.out) == (2, "")
    assert "--from-seq 1 replays everything" in unbounded.err
    backwards = home.run("replay", name, "--from-seq", "3", "--to-seq", "2", "--yes")
    assert (backwards.status, "--to-seq" in backwards.err) == (2, True)
    deleting = home.run("subscriptions", "delete", name)
    assert (deleting.status, deleting.out) == (2, "")
    assert "give --yes" in deleting.err
    assert home.run("subscriptions", "show", name).status == 0


def test_on_a_terminal_a_person_is_asked_before_anything_is_deleted(home: Cli, nobody: str) -> None:
    name = str(_made(home, nobody)["id"])
    refused = _at_terminal(home, "", "subscriptions", "delete", name)
    assert f"Delete {name}, which sends to {nobody}? [y/N] whenfinal: nothing was changed" in refused.err
    assert (refused.status, refused.out) == (1, "")
    agreed = _at_terminal(home, "y", "subscriptions", "delete", name)
    assert (agreed.status, agreed.out) == (0, f"{name} is deleted\n")


def _at_terminal(cli: Cli, answer: str, *arguments: str) -> Ended:
    """With a terminal to read from; what is written goes to pipes."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        environment = {"PATH": os.environ["PATH"], "HOME": str(cli.folder), **cli.environment}
        done = subprocess.run(
            [WHENFINAL, *arguments],
            cwd=cli.folder,
            env=environment,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return Ended(status=done.returncode, out=done.stdout, err=done.stderr)


def test_what_is_not_there_is_said_on_stderr_alone(home: Cli) -> None:
    assert home.run("subscriptions", "create", "https://hooks.example").status == 0
    for arguments in (
        ("subscriptions", "change", "sub_nobody", "--description", "x"),
        ("subscriptions", "delete", "sub_nobody", "--yes"),
        ("subscriptions", "test", "sub_nobody"),
        ("replay", "sub_nobody", "--from-seq", "1", "--yes"),
    ):
        ended = home.run(*arguments)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err == "whenfinal: there is no subscription sub_nobody; see `whenfinal subscriptions list`\n"
