"""Many tasks in one command: by ids, from standard input, and by filters; and tasks that are found by anything."""

import os
import subprocess
from collections.abc import Callable

import pytest

from tests.support.cli import TIMEOUT_S, WHENFINAL, Cli, request_line

STUCK = "x #simulate:stuck"
LOST = "x #simulate:reply_lost"


def _submitted(cli: Cli, *lines: str) -> list[str]:
    made = cli.run("submit", "-", "--json", stdin="\n".join(lines)).values
    return [value["id"] for value in sorted(made, key=lambda value: value["line"])]


def _states(cli: Cli, *ids: str) -> list[str]:
    return [value["state"] for value in cli.run("tasks", "show", *ids, "--json").values]


def _at_terminal(cli: Cli, *arguments: str, answer: str) -> tuple[int, str]:
    """The status and everything that is written, with a terminal at stdin."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer.encode())
        environment = {"PATH": os.environ["PATH"], "HOME": str(cli.folder), **cli.environment}
        done = subprocess.run(
            [WHENFINAL, *arguments],
            cwd=cli.folder,
            env=environment,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout + done.stderr


def test_many_tasks_are_shown_in_their_order_and_those_that_are_not_there_are_named(shell: Cli) -> None:
    one, two = _submitted(shell, request_line(STUCK), request_line(STUCK))
    ended = shell.run("tasks", "show", two, "tsk_nobody", one, "hiapi/nobody", "--json")
    assert (ended.status, [value["id"] for value in ended.values]) == (1, [two, one])
    assert ended.err.splitlines() == [
        f"whenfinal: there is no task {name}; see `whenfinal tasks list`" for name in ("tsk_nobody", "hiapi/nobody")
    ]
    listed = shell.run("tasks", "show", one, two)
    assert (listed.status, listed.err) == (0, "")
    heading, _, *rows = listed.out.splitlines()
    assert heading.split()[:4] == ["task", "state", "provider", "created"]
    assert [row.split()[0] for row in rows] == [one, two]


def test_ids_come_from_standard_input_without_blank_lines_and_comments(shell: Cli) -> None:
    one, two = _submitted(shell, request_line(STUCK), request_line(STUCK))
    lines = f"\ufeff# the night\n\n  {two}  \n{one}\n{two}\n"
    assert [value["id"] for value in shell.run("tasks", "show", "-", "--json", stdin=lines).values] == [two, one]
    explained = shell.run("tasks", "explain", "-", "--json", stdin=lines).values
    assert [value["task"]["id"] for value in explained] == [two, one]
    empty = shell.run("tasks", "show", "-", stdin="# nothing\n\n")
    assert (empty.status, empty.out) == (2, "")
    assert "standard input holds no id" in empty.err
    assert shell.run("tasks", "show", "-", stdin=b"\xff\xfe").status == 2


@pytest.mark.parametrize("name", ["..", "a/../..", "tsk_a/b", "/", "hiapi/", "x", "tsk_" + "a" * 50, "\u202e"])
def test_a_name_that_can_be_no_id_is_that_of_no_task(shell: Cli, name: str) -> None:
    shell.run("migrate")
    ended = shell.run("tasks", "show", name)
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert ended.err.startswith("whenfinal: there is no task ")


def test_a_task_is_found_by_any_id_key_or_label(shell: Cli) -> None:
    [task] = _submitted(shell, request_line(STUCK, labels={"film": "a=b"}, idempotency_key="shot-7"))
    _submitted(shell, request_line(STUCK))  # later, because ids of one moment begin alike
    (shown,) = shell.run("tasks", "show", task, "--json").values
    for text in (task, task[:20], shown["task_id"], f"hiapi/{shown['task_id']}", "shot-7", "film=a=b"):
        found = shell.run("tasks", "find", text, "--json")
        assert (found.status, [value["id"] for value in found.values]) == (0, [task]), text
    assert task in shell.run("tasks", "find", "film=a=b").out
    nothing = shell.run("tasks", "find", "nobody")
    assert (nothing.status, nothing.out) == (1, "")
    assert "no task is found by nobody" in nothing.err


def test_filters_choose_what_is_listed(shell: Cli) -> None:
    lines = [
        request_line(STUCK, labels={"film": "1", "shot": "7"}, idempotency_key="k7"),
        request_line(STUCK, labels={"film": "1", "shot": "8"}),
        request_line(LOST, provider="tokenbay"),
    ]
    seven, eight, lost = _submitted(shell, *lines)
    chosen: dict[tuple[str, ...], list[str]] = {
        ("--label", "film=1"): [eight, seven],
        ("--label", "film=1", "--label", "shot=7"): [seven],
        ("--key", "k7"): [seven],
        ("--state", "uncertain"): [lost],
        ("--provider", "tokenbay"): [lost],
        ("--model", "happyhorse-1.0-t2v"): [lost],
        ("--since", "1h"): [lost, eight, seven],
        ("--until", "1h"): [],
        ("--overdue",): [],
        ("--contradicted",): [],
        ("--ended-by", "poll"): [],
        ("--older-than", "1h"): [],
    }
    for flags, ids in chosen.items():
        assert [value["id"] for value in shell.run("tasks", "list", *flags, "--json").values] == ids, flags
    wide = shell.run("tasks", "list", "-o", "wide").out.splitlines()[0].split()
    assert wide[-6:] == ["submitted", "final", "deadline", "polls", "files", "error"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--since", "1h", "--until", "2h"), "until: is before `since`"),
        (("--overdue", "--state", "failed"), "overdue: goes with no `state` that is given"),
        (("--label", "a=1", "--label", "b=2", "--label", "c=3"), "label: has too many entries; accepted: at most 2"),
    ],
)
def test_filters_that_fit_nothing_together_are_refused_in_one_line(
    shell: Cli, flags: tuple[str, ...], words: str
) -> None:
    shell.run("migrate")
    ended = shell.run("tasks", "list", *flags)
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert words in ended.err


@pytest.fixture
def queued(shell_with: Callable[..., Cli]) -> tuple[Cli, list[str]]:
    """Three tasks that wait for room, two of them of one film."""
    cli = shell_with(HIAPI_MAX_IN_FLIGHT="1")
    _submitted(cli, request_line(STUCK))  # by itself, because the lines of one file are sent together
    lines = [request_line(labels={"film": "1"}), request_line(labels={"film": "1"}), request_line()]
    return cli, _submitted(cli, *lines)


def test_tasks_are_canceled_by_ids_and_those_that_are_not_there_are_named(queued: tuple[Cli, list[str]]) -> None:
    cli, (one, two, three) = queued
    ended = cli.run("tasks", "cancel", "-", stdin=f"{one}\ntsk_nobody\n{three}\n")
    assert ended.status == 1
    assert ended.out.splitlines() == [f"{task} is taken out of the queue; hiapi never got it" for task in (one, three)]
    assert ended.err == "whenfinal: there is no task tsk_nobody; see `whenfinal tasks list`\n"
    assert _states(cli, one, two, three) == ["canceled", "queued", "canceled"]
    again = cli.run("tasks", "cancel", one, two, "--json")
    assert (again.status, [value["task"]["id"] for value in again.values]) == (1, [two])
    assert again.err == f"whenfinal: {one}: it is not canceled: it has ended already: canceled\n"


def test_a_filter_is_counted_first_and_confirmed(queued: tuple[Cli, list[str]]) -> None:
    cli, (one, two, three) = queued
    film = ("tasks", "cancel", "--label", "film=1")
    dry = cli.run(*film, "--dry-run")
    assert (dry.status, dry.out.splitlines()[-1]) == (0, "2 tasks would be worked on")
    assert all(task in dry.out for task in (one, two))
    (preview,) = cli.run(*film, "--dry-run", "--json").values
    assert (preview["count"], preview["has_more"]) == (2, False)
    unconfirmed = cli.run(*film)
    assert (unconfirmed.status, unconfirmed.out) == (2, "")
    assert unconfirmed.err.endswith("whenfinal: cannot prompt: not a terminal; give --yes to confirm\n")
    status, told = _at_terminal(cli, *film, answer="n\n")
    assert (status, "Cancel 2 tasks? [y/N] " in told, "nothing was changed" in told) == (1, True, True)
    assert _states(cli, one, two, three) == ["queued"] * 3
    status, told = _at_terminal(cli, *film, answer="y\n")
    assert (status, "done 2 of 2, failed 0" in told) == (0, True)
    assert _states(cli, one, two, three) == ["canceled", "canceled", "queued"]
    nothing = cli.run(*film, "--yes")
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "no task matches\n")


def test_what_comes_after_the_count_is_left_alone(queued: tuple[Cli, list[str]]) -> None:
    cli, (one, two, three) = queued
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [WHENFINAL, "tasks", "cancel", "--state", "queued"],
            cwd=cli.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(cli.folder), **cli.environment},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as command:
            assert command.stderr is not None
            told = b""
            while b"[y/N]" not in told:
                part = os.read(command.stderr.fileno(), 4096)
                assert part, told
                told += part
            (later,) = _submitted(cli, request_line())
            os.write(ours, b"y\n")
            out, err = command.communicate(timeout=TIMEOUT_S)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (command.returncode, b"done 3 of 3" in out) == (0, True), (told, out, err)
    assert _states(cli, one, two, three, later) == ["canceled"] * 3 + ["queued"]


def test_a_run_prints_what_became_of_each_and_fails_with_an_item(shell: Cli) -> None:
    stuck, _ = _submitted(shell, request_line(STUCK), request_line(LOST, provider="tokenbay"))
    ended = shell.run("tasks", "cancel", "--all", "--yes", "--json")
    (run,) = ended.values
    assert (ended.status, run["kind"], run["done"], run["failed"]) == (1, "cancel-tasks", 0, 1)
    assert [note["item"] for note in run["notes"]] == [stuck]
    assert "documents no way to cancel" in run["notes"][0]["words"]


def test_uncertain_submits_are_settled_by_ids_and_by_a_filter(shell: Cli) -> None:
    lines = [request_line(f"{number} {LOST}", provider="tokenbay", labels={"n": str(number)}) for number in range(4)]
    one, two, three, four = _submitted(shell, *lines)
    ended = shell.run("tasks", "settle", one, "tsk_nobody", two, "--refused", "--yes", "--json")
    assert (ended.status, [(value["id"], value["state"]) for value in ended.values]) == (
        1,
        [(one, "refused"), (two, "refused")],
    )
    canceled = shell.run("tasks", "settle", one, three, "--canceled", "--yes", "--json")
    assert (canceled.status, [value["state"] for value in canceled.values]) == (1, ["canceled"])
    assert canceled.err.startswith(f"whenfinal: {one}: only an unfinished task can be ended")
    assert shell.run("tasks", "settle", "--refused", "--label", "n=3", "--yes").status == 0
    assert _states(shell, one, two, three, four) == ["refused", "refused", "canceled", "refused"]


def test_tasks_are_reconciled_by_ids_and_by_a_filter(shell: Cli) -> None:
    one, two = _submitted(shell, request_line(STUCK), request_line(STUCK, provider="tokenbay"))
    ended = shell.run("reconcile", one, two, "tsk_nobody", "--json")
    assert (ended.status, [value["tasks"][0]["task"] for value in ended.values]) == (1, [one, two])
    assert "there is no task tsk_nobody" in ended.err
    (run,) = shell.run("reconcile", "--provider", "tokenbay", "--json").values
    assert (run["kind"], run["state"], run["done"]) == ("reconcile-tasks", "finished", 1)
    assert [note["item"] for note in run["notes"]] == [two]
    plan = shell.run("reconcile", "--state", "submitted", "--state", "running", "--dry-run")
    assert (plan.status, plan.out.splitlines()[-1]) == (0, "2 tasks would be worked on")


def test_the_files_of_many_tasks_are_fetched(shell: Cli) -> None:
    lines = [request_line(provider="tokenbay"), request_line(provider="tokenbay")]
    made = shell.run("submit", "-", "--wait", "--timeout", "1m", "--json", stdin="\n".join(lines)).values
    one, two = (value["id"] for value in sorted(made, key=lambda value: value["line"]))
    (stuck,) = _submitted(shell, request_line(STUCK))
    ended = shell.run("tasks", "download", one, stuck, two, "--to", "films", "--json")
    assert (ended.status, [value["task"] for value in ended.values]) == (1, [one, two])
    assert f"whenfinal: {stuck} is " in ended.err
    files = {path.name: path.read_bytes()[4:8] for path in (shell.folder / "films").iterdir()}
    assert files == {f"{task}-video.mp4": b"ftyp" for task in (one, two)}


def test_what_is_printed_is_the_same_in_both_ways(shell: Cli) -> None:
    """The keys of the JSON and the headings of the tables do not depend on where the task is."""
    (task,) = _submitted(shell, request_line(STUCK, labels={"film": "1"}))
    (shown,) = shell.run("tasks", "show", task, "--json").values
    assert set(shown) >= {"id", "request", "queue", "notify_url", "idempotency_key", "next_poll_at", "overdue_at"}
    sheet = shell.run("tasks", "show", task).out
    names = [line.split("  ")[0] for line in sheet.splitlines()]
    expected = ["task", "provider", "provider's id", "state", "labels", "created", "submitted", "next poll"]
    assert [name for name in names if name in expected] == expected
