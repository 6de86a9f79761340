"""Tasks, events, deliveries and manual reconcile by the command, as tables and as JSON."""

import re
import signal
import subprocess
from importlib.metadata import version

import pytest

from tests.support.cli import TIMEOUT_S, WHENFINAL, Cli, request_line

LOST = "x #simulate:reply_lost"


@pytest.fixture
def uncertain(shell: Cli) -> str:
    """The id of a task whose reply was lost."""
    ended = shell.run("submit", "-", "--json", stdin=request_line(LOST, provider="tokenbay"))
    return str(ended.values[0]["id"])


def test_tasks_are_listed_by_state_provider_label_and_age(shell: Cli) -> None:
    lines = [request_line("x #simulate:stuck", labels={"job": "a=b"}), request_line(provider="tokenbay")]
    made = shell.run("submit", "-", "--json", stdin="\n".join(lines)).values
    labelled = {value["line"]: value["id"] for value in made}[1]
    for flags in (
        ["--label", "job=a=b"],
        ["--provider", "hiapi"],
        ["--state", "submitted", "--state", "running", "--label", "job=a=b"],
    ):
        assert [task["id"] for task in shell.run("tasks", "list", "--json", *flags).values] == [labelled]
    assert shell.run("tasks", "list", "--json", "--older-than", "1h").out == ""
    assert labelled in shell.run("tasks", "list").out


def test_a_provider_that_is_known_and_has_no_such_task_is_no_error(simulated: Cli) -> None:
    simulated.run("submit", "-", stdin=request_line(provider="tokenbay"))
    only_hiapi = simulated.with_settings(WHENFINAL_PROVIDERS="hiapi")
    for provider in ("hiapi", "tokenbay"):
        ended = only_hiapi.run("tasks", "list", "--provider", provider, "--state", "refused")
        assert (ended.status, ended.out, ended.err) == (0, "no task matches\n", "")


def test_a_longer_list_says_that_there_is_more(shell: Cli) -> None:
    shell.run("submit", "-", stdin=request_line() + "\n" + request_line())
    ended = shell.run("tasks", "list", "--limit", "1", "--json")
    assert len(ended.values) == 1
    assert "more with --limit" in ended.err


def test_a_task_is_found_by_our_id_and_by_the_providers(shell: Cli) -> None:
    (made,) = shell.run("submit", "-", "--json", stdin=request_line()).values
    (shown,) = shell.run("tasks", "show", f"hiapi/{made['task_id']}", "--json").values
    assert shown["id"] == made["id"]
    assert made["task_id"] in shell.run("tasks", "show", made["id"]).out


def test_an_uncertain_task_is_explained_with_the_commands_that_settle_it(shell: Cli, uncertain: str) -> None:
    ended = shell.run("tasks", "explain", uncertain)
    assert ended.status == 0
    assert "submit: uncertain" in ended.out
    assert f"whenfinal tasks settle {uncertain} --refused\n" in ended.out
    assert "--look" not in ended.out  # TokenBay documents no list
    (value,) = shell.run("tasks", "explain", uncertain, "--json").values
    assert [note["kind"] for note in value["timeline"]] == ["observation", "observation", "event"]


def test_a_wish_to_cancel_is_carried_where_there_is_such_a_thing(shell: Cli) -> None:
    stuck = "x #simulate:stuck"
    lines = request_line(stuck, provider="tokenbay").replace("tokenbay", "dashscope") + "\n" + request_line(stuck)
    made = {task["provider"]: task["id"] for task in shell.run("submit", "-", "--json", stdin=lines).values}
    ended = shell.run("tasks", "cancel", made["hiapi"])
    assert (ended.status, ended.out) == (1, "")
    assert "HiAPI documents no way to cancel" in ended.err
    shell.run("tasks", "cancel", made["dashscope"])
    (explained,) = shell.run("tasks", "explain", made["dashscope"], "--json").values
    summaries = {entry["summary"] for entry in explained["timeline"]}
    assert summaries & {"command line: cancel", "key test: cancel"}


def test_the_file_of_a_finished_task_is_fetched_once(shell: Cli) -> None:
    (task,) = shell.run("submit", "-", "--wait", "--json", stdin=request_line(provider="tokenbay")).values
    (file,) = shell.run("tasks", "download", task["id"], "--to", "films", "--json").values
    path = shell.folder / file["path"]
    assert (path.parent.name, path.stat().st_size, path.read_bytes()[4:8]) == ("films", file["bytes"], b"ftyp")
    again = shell.run("tasks", "download", task["id"], "--to", "films")
    assert (again.status, again.out) == (1, "")
    assert "is not overwritten" in again.err


def test_an_unfinished_task_has_no_files(shell: Cli) -> None:
    (task,) = shell.run("submit", "-", "--json", stdin=request_line("x #simulate:stuck")).values
    ended = shell.run("tasks", "download", task["id"])
    assert ended.status == 1
    assert re.fullmatch(f"whenfinal: {task['id']} is (submitted|running) and has no files\n", ended.err)


def test_a_dry_run_says_what_would_be_asked_and_changes_nothing(simulated: Cli) -> None:
    (made,) = simulated.run("submit", "-", "--json", stdin=request_line("x #simulate:stuck")).values
    (planned,) = simulated.run("reconcile", "--dry-run", "--json").values
    assert (planned["asked"], planned["tasks"][0]["plan"]) == (0, "ask for its status")
    (asked,) = simulated.run("reconcile", "--dry-run", "--ask", "--json").values
    assert (asked["asked"], asked["tasks"][0]["finding"]) == (1, "stated")
    (unchanged,) = simulated.run("tasks", "show", made["id"], "--json").values
    assert (unchanged["state"], unchanged["polls"]) == ("submitted", 0)
    assert "ask for its status" in simulated.run("reconcile", "--dry-run").out


def test_a_provider_that_gives_no_usable_answer_makes_a_reconcile_fail(simulated: Cli) -> None:
    (made,) = simulated.run("submit", "-", "--json", stdin=request_line("x #simulate:stuck")).values
    gone = simulated.with_settings(HIAPI_BASE_URL="http://127.0.0.1:9")
    ended = gone.run("reconcile", "--json")
    (run,) = ended.values
    assert (ended.status, run["failed"], run["notes"][0]["item"]) == (1, 1, made["id"])
    assert "no usable answer" in run["notes"][0]["words"]
    assert gone.run("reconcile", made["id"]).status == 1
    assert gone.run("reconcile", "--task", made["id"]).status == 1


def test_events_are_read_from_a_number_on_and_by_type(simulated: Cli) -> None:
    simulated.run("submit", "-", "--wait", stdin=request_line() + "\n" + request_line("x #simulate:fail"))
    assert [event["seq"] for event in simulated.run("events", "--after", "1", "--json").values] == [2]
    (failed,) = simulated.run("events", "--type", "task.failed", "--json").values
    assert failed["task"]["state"] == "failed"
    assert "task.succeeded" in simulated.run("events").out


def test_events_are_followed_until_ctrl_c(simulated: Cli) -> None:
    simulated.run("submit", "-", "--wait", stdin=request_line())
    command = [str(WHENFINAL), "events", "--follow", "--after", "0", "--json"]
    environment = {**simulated.environment, "HOME": str(simulated.folder)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=simulated.folder, env=environment, text=True, stdout=pipe, stderr=pipe
    ) as follower:
        assert follower.stdout is not None
        assert follower.stderr is not None
        try:
            assert '"seq":1' in follower.stdout.readline()
            simulated.run("submit", "-", "--wait", stdin=request_line())
            assert '"seq":2' in follower.stdout.readline()
            follower.send_signal(signal.SIGINT)
            assert (follower.wait(TIMEOUT_S), follower.stderr.read()) == (130, "whenfinal: interrupted\n")
        finally:
            follower.kill()


def test_a_dead_endpoint_is_seen_and_its_delivery_made_due_again(simulated: Cli) -> None:
    quick = simulated.with_settings(WHENFINAL_WEBHOOK_BACKOFF_S="0")
    wanted = request_line(notify={"url": "https://nowhere.invalid/hook"})
    (task,) = quick.run("submit", "-", "--wait", "--json", stdin=wanted).values
    (delivery,) = quick.run("deliveries", "list", "--json").values
    assert delivery["task"] == task["id"]
    (shown,) = quick.run("deliveries", "show", delivery["id"], "--json").values
    assert len(shown["tries"]) == shown["attempts"]
    (due,) = quick.run("deliveries", "redeliver", delivery["id"], "--json").values
    assert (due["state"], due["attempts"]) == ("pending", 0)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("tasks", "show", "tsk_nobody"), 1, "whenfinal: there is no task tsk_nobody; see `whenfinal tasks list`\n"),
        (("deliveries", "redeliver", "dlv_nobody"), 1, "there is no delivery dlv_nobody"),
        (("reconcile", "--provider", "nobody"), 2, "nobody is not configured; configured: hiapi"),
        (("tasks", "list", "--provider", "hiap"), 2, "provider: is neither configured nor in the ledger; accepted: "),
        (
            ("tasks", "cancel", "--provider", "nope", "--dry-run"),
            2,
            "nor in the ledger; accepted: dashscope, fal, hiapi",
        ),
        (("tasks", "list", "--state", "queued", "--provider", "zzz"), 2, "accepted: dashscope, fal, hiapi"),
        (("tasks", "list", "--provider", "zzz"), 2, "in the ledger; accepted: dashscope, fal, hiapi"),
    ],
)
def test_what_is_not_there_is_said_on_stderr_alone(
    shell: Cli, arguments: tuple[str, ...], status: int, words: str
) -> None:
    shell.run("migrate")
    ended = shell.run(*arguments)
    assert (ended.status, ended.out) == (status, "")
    assert words in ended.err


@pytest.mark.parametrize("arguments", [("tasks", "list", "--nonsense"), ("reconcile", "--ask"), ("nonsense",)])
def test_wrong_usage_ends_with_status_2_and_no_traceback(cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = cli.run(*arguments)
    assert (ended.status, ended.out, cli.files()) == (2, "", set())
    assert "Traceback" not in ended.err


def test_a_ledger_that_is_not_there_is_named_and_not_made(simulated: Cli) -> None:
    ended = simulated.run("tasks", "list")
    assert (ended.status, simulated.files()) == (1, set())
    assert str(simulated.folder) in ended.err


def test_a_reader_that_goes_away_is_no_trouble(simulated: Cli) -> None:
    simulated.run("submit", "-", stdin="\n".join(request_line(f"fox {number}", "tokenbay") for number in range(5)))
    environment = {"PATH": "/usr/bin:/bin", **simulated.environment}
    for flag in ("--json", "--limit=9"):
        piped = f"'{WHENFINAL}' tasks list {flag} | true"
        done = subprocess.run(
            ["sh", "-c", piped], cwd=simulated.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_provider_words_can_not_steer_a_terminal(shell: Cli) -> None:
    shell.run("submit", "-", stdin=request_line(labels={"job": "[red]x[/red] [Image 1]"}))
    assert "job=[red]x[/red] [Image 1]" in shell.run("tasks", "list").out


@pytest.mark.parametrize("word", ["version", "--version"])
def test_the_version_is_printed_alone(cli: Cli, word: str) -> None:
    ended = cli.run(word)
    assert (ended.status, ended.out, ended.err) == (0, f"{version('whenfinal')}\n", "")
