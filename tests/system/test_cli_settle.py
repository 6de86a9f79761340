"""`whenfinal tasks settle` by the command, against simulated platforms: by id, by list, as never created, as ended."""

import json
import os
import subprocess
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.support.cli import TIMEOUT_S, WHENFINAL, Cli, request_line

LOST = "#simulate:reply_lost"
FILE = "https://cdn.example/v.mp4"


def _at_dashscope(prompt: str, model: str = "happyhorse-1.1-t2v") -> str:
    """One simulator serves all tests of this file, so each prompt is one of its own, and each test has its model."""
    video: dict[str, Any] = {"model": model, "prompt": f"{uuid4()} {prompt}"}
    if model.endswith("r2v"):
        video["reference_images"] = ["https://cdn.example/horse.png"]
    return json.dumps({"provider": "dashscope", "video": video})


def _submitted(cli: Cli, *lines: str) -> list[str]:
    made = cli.run("submit", "-", "--json", stdin="\n".join(lines)).values
    return [value["id"] for value in sorted(made, key=lambda value: value.get("line", 0))]


def _looked_up(cli: Cli, task: str) -> dict[bool | None, list[str]]:
    """The ids of the candidates, by whether their prompts are the same. Waits until the finished ones tell theirs."""
    ends = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends:
        found: dict[bool | None, list[str]] = {}
        for value in cli.run("tasks", "settle", task, "--look", "--json").values:
            found.setdefault(value["same_prompt"], []).append(value["task_id"])
        if found.get(True):
            return found
        time.sleep(0.2)
    raise AssertionError("no candidate has the prompt")


def _state(cli: Cli, task: str) -> dict[str, Any]:
    (shown,) = cli.run("tasks", "show", task, "--json").values
    return shown


def _at_terminal(cli: Cli, *arguments: str, answer: str) -> tuple[int, str]:
    """The status and everything that is written, with a terminal at stdin."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer.encode())
        done = subprocess.run(
            [WHENFINAL, *arguments],
            cwd=cli.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(cli.folder), **cli.environment},
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


@pytest.fixture
def uncertain(shell: Cli) -> str:
    """At a provider without a list."""
    return _submitted(shell, request_line(f"x {LOST}", provider="tokenbay"))[0]


def test_a_task_that_was_settled_wrong_is_settled_right_and_ends_in_one_event(simulated: Cli) -> None:
    model = "happyhorse-1.1-r2v"
    lost, other = _submitted(simulated, _at_dashscope(f"a {LOST}", model), _at_dashscope(f"b {LOST},stuck", model))
    found = _looked_up(simulated, lost)
    (right,), (wrong,) = found[True], found[None]

    settled = simulated.run("tasks", "settle", lost, "--task-id", wrong, "--yes")
    assert (settled.status, "dashscope says " in settled.err) == (0, True)
    simulated.run("reconcile", "--task", lost)
    assert (_state(simulated, lost)["task_id"], _state(simulated, lost)["final_at"]) == (wrong, None)
    assert f"whenfinal tasks settle {lost} --task-id PROVIDER_TASK_ID" in simulated.run("tasks", "explain", lost).out

    taken = simulated.run("tasks", "settle", other, "--task-id", wrong, "--yes")
    assert (taken.status, taken.err) == (
        1,
        f"whenfinal: {wrong} belongs to another task of dashscope: {lost}; nothing was changed\n",
    )
    assert simulated.run("tasks", "settle", lost, "--task-id", right, "--yes").status == 0
    assert simulated.run("tasks", "settle", other, "--task-id", wrong, "--yes").status == 0
    simulated.run("reconcile", "--task", lost)
    events = [event for event in simulated.run("events", "--json").values if event["type"] != "task.uncertain"]
    assert [(event["type"], event["task"]["id"], event["task"]["task_id"]) for event in events] == [
        ("task.succeeded", lost, right)
    ]
    (explained,) = simulated.run("tasks", "explain", lost, "--json").values
    given = [entry["detail"].get("task_id") for entry in explained["timeline"] if entry["kind"] == "audit"]
    assert [each for each in given if each] == [wrong, right]

    late = simulated.run("tasks", "settle", lost, "--task-id", wrong, "--yes")
    assert (late.status, "a recorded end stays; nothing was changed" in late.err) == (1, True)


def test_all_uncertain_tasks_are_settled_whose_candidate_is_the_only_one(shell: Cli) -> None:
    model = "happyhorse-1.0-t2v"
    twins = [_at_dashscope(f"twin {LOST}", model)] * 2
    lines = [_at_dashscope(f"a {LOST}", model), *twins, request_line(f"x {LOST}", provider="tokenbay")]
    clear, one, two, unlisted = _submitted(shell, *lines)
    for task in (clear, one):
        _looked_up(shell, task)

    asked = shell.run("tasks", "settle", "--look")
    assert (asked.status, asked.err.splitlines()[-1]) == (
        2,
        "whenfinal: cannot prompt: not a terminal; give --yes to confirm",
    )
    assert "exactly one candidate" in asked.out
    assert "TokenBay documents no list of tasks" in asked.out
    assert {_state(shell, task)["state"] for task in (clear, one, two, unlisted)} == {"uncertain"}

    ended = shell.run("tasks", "settle", "--look", "--yes", "--json")
    assert (ended.status, "3 of 4 are still uncertain" in ended.err) == (1, True)
    settled = {value["task"]: (value["settled_as"], value["reason"]) for value in ended.values}
    assert _state(shell, clear)["task_id"] == settled[clear][0]
    assert settled[clear][1] == ""
    assert settled[one] == settled[two] == (None, "2 fit")
    assert settled[unlisted] == (None, "TokenBay documents no list of tasks: search its console")
    assert {_state(shell, task)["state"] for task in (one, two, unlisted)} == {"uncertain"}


def test_without_an_uncertain_task_there_is_nothing_to_settle(shell: Cli) -> None:
    shell.run("migrate")
    ended = shell.run("tasks", "settle", "--look")
    assert (ended.status, ended.out, ended.err) == (0, "no task is uncertain\n", "")


def test_one_task_is_looked_for_with_the_command_that_settles_it(shell: Cli) -> None:
    (lost,) = _submitted(shell, _at_dashscope(f"a {LOST}"))
    (made,) = _looked_up(shell, lost)[True]
    shown = shell.run("tasks", "settle", lost, "--look")
    assert (shown.status, made in shown.out) == (0, True)
    assert f"whenfinal tasks settle {lost} --task-id {made}\n" in shown.out
    assert shell.run("tasks", "settle", lost, "--task-id", made, "--yes").status == 0
    assert shell.run("tasks", "settle", lost, "--look").status == 1


def test_a_provider_without_a_list_names_the_place_to_look(shell: Cli, uncertain: str) -> None:
    ended = shell.run("tasks", "settle", uncertain, "--look")
    assert (ended.status, ended.out) == (1, "")
    assert "TokenBay documents no list of tasks" in ended.err
    assert "search the console of the account at 127.0.0.1" in ended.err


@pytest.mark.parametrize(
    "words", [("--refused",), ("--succeeded", FILE), ("--failed", "no"), ("--canceled",), ("--task-id", "x", "--force")]
)
def test_without_a_terminal_nothing_is_settled_unless_it_is_confirmed(
    shell: Cli, uncertain: str, words: tuple[str, ...]
) -> None:
    ended = shell.run("tasks", "settle", uncertain, *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.endswith("whenfinal: cannot prompt: not a terminal; give --yes to confirm\n")
    assert _state(shell, uncertain)["state"] == "uncertain"
    assert shell.run("tasks", "settle", uncertain, *words, "--yes").status == 0
    assert _state(shell, uncertain)["state"] != "uncertain"


def test_at_a_terminal_a_person_is_asked_and_may_say_no(shell: Cli, uncertain: str) -> None:
    status, told = _at_terminal(shell, "tasks", "settle", uncertain, "--refused", answer="n\n")
    assert (status, f"Settle {uncertain} as never created at tokenbay? [y/N] " in told) == (1, True)
    assert "nothing was changed" in told
    status, told = _at_terminal(shell, "tasks", "settle", uncertain, "--canceled", answer="y\n")
    assert (status, "End it as canceled? This is final. [y/N] " in told) == (0, True)
    assert _state(shell, uncertain)["state"] == "canceled"


def test_an_uncertain_task_is_settled_as_never_created_once(shell: Cli, uncertain: str) -> None:
    done = shell.run("tasks", "settle", uncertain, "--refused", "--yes", "--json")
    assert done.values[0]["state"] == "refused"
    again = shell.run("tasks", "settle", uncertain, "--refused", "--yes")
    reason = "only an uncertain task can be settled; this one is refused, and a recorded end stays"
    assert (again.status, again.err) == (1, f"whenfinal: {reason}\n")


def test_an_id_is_checked_at_the_provider_unless_it_is_forced(shell: Cli, uncertain: str) -> None:
    (twin,) = shell.run("submit", "-", "--wait", "--json", stdin=request_line(provider="tokenbay")).values
    for words in ((), ("--force",)):
        taken = shell.run("tasks", "settle", uncertain, "--task-id", twin["task_id"], "--yes", *words)
        assert (taken.status, f"belongs to another task of tokenbay: {twin['id']}" in taken.err) == (1, True)
    unknown = shell.run("tasks", "settle", uncertain, "--task-id", "task_seen", "--yes")
    assert (unknown.status, unknown.err) == (
        1,
        "whenfinal: tokenbay does not know task_seen; nothing was changed\n",
    )
    assert shell.run("tasks", "settle", uncertain, "--task-id", "task_seen", "--yes", "--force").status == 0
    (report,) = shell.run("reconcile", "--task", uncertain, "--json").values
    assert (report["asked"], report["tasks"][0]["finding"]) == (1, "not found")
    events = [event for event in shell.run("events", "--json").values if event["type"] != "task.uncertain"]
    assert [event["task"]["id"] for event in events] == [twin["id"]]


def test_a_provider_that_does_not_answer_is_one_line_with_the_way_on(simulated: Cli) -> None:
    (uncertain,) = _submitted(simulated, request_line(f"x {LOST}", provider="tokenbay"))
    gone = simulated.with_settings(TOKENBAY_BASE_URL="http://127.0.0.1:9")
    ended = gone.run("tasks", "settle", uncertain, "--task-id", "x", "--yes")
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert ended.err.startswith("whenfinal: tokenbay does not answer: ConnectFailed")
    assert ended.err.endswith("nothing was changed. Try again, or --force settles without this check\n")
    assert _state(simulated, uncertain)["state"] == "uncertain"


def test_an_operator_ends_a_running_task_and_its_end_is_one_event(shell: Cli) -> None:
    (task,) = _submitted(shell, request_line("x #simulate:stuck"))
    bad = shell.run("tasks", "settle", task, "--succeeded", "v.mp4", "--yes")
    assert (bad.status, "is not a URL of a file: v.mp4" in bad.err) == (2, True)
    two = ("--succeeded", FILE, "--succeeded", f"{FILE}?2")
    (ended,) = shell.run("tasks", "settle", task, *two, "--yes", "--json").values
    assert (ended["state"], [each["url"] for each in ended["outputs"]]) == ("succeeded", [FILE, f"{FILE}?2"])
    again = shell.run("tasks", "settle", task, "--failed", "no", "--yes")
    assert (again.status, "only an unfinished task can be ended; this one is succeeded" in again.err) == (1, True)
    assert [event["type"] for event in shell.run("events", "--json").values] == ["task.succeeded"]
    assert "operator says succeeded" in shell.run("tasks", "explain", task).out
