"""Wrong usage: named, with status 2, before the settings or the ledger are read. And the help of every command."""

import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from receiver.cli.command_list import COMMANDS, GROUPS, first_sentence
from receiver.cli.console import CommandFailed
from receiver.cli.examples import EXAMPLES, GROUP_EXAMPLES
from receiver.cli.main import main
from receiver.cli.outcome import lines_of, status_of
from receiver.cli.program import build
from receiver.cli.short import load
from receiver.config.errors import ConfigError
from receiver.store.errors import StoreUnavailable
from submitter.errors import InvalidRequest, Violation

SETTLE_WAYS = "give one of --task-id ID, --refused, --succeeded URL, --failed REASON, --canceled and --look"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tasks list --older-than 10", "not a duration"),
        ("tasks list --since yesterday", "how long ago"),
        ("tasks list --ended-by nobody", "'--ended-by': 'nobody' is none of callback, "),
        ("tasks find", "TEXT"),
        ("tasks list --label nosign", "not of the form name=value"),
        ("tasks list --state done", "'--state': 'done' is none of queued, submitting, uncertain, refused, "),
        ("tasks list --limit 0", "--limit"),
        ("tasks show", "ID"),
        ("events --after -1", "--after"),
        ("events --type task.nothing", "'--type': 'task.nothing' is none of task.succeeded, task.failed, "),
        ("deliveries list --state gone", "'--state': 'gone' is none of pending, delivered, dead"),
        ("serve --port 70000", "--port"),
        ("serve --workers 4", "--workers"),
        ("worker --port 1", "--port"),
        ("simulate --speed 0", "--speed"),
        ("submit", "FILE"),
        ("submit - --wait --timeout 9", "not a duration"),
        ("subscriptions create", "URL"),
        ("subscriptions create https://a.example --type task.nothing", "is none of task.succeeded"),
        ("subscriptions create https://a.example --label nosign", "not of the form name=value"),
        ("subscriptions create https://a.example --rate many", "'many' is not a number"),
        ("subscriptions create https://a.example --rate nan", "'nan' is not a number"),
        ("subscriptions change sub_1 --clear url", "is none of description, types"),
        ("subscriptions rotate-secret sub_1 --overlap 24", "not a duration"),
        ("replay", "ID"),
        ("replay sub_1 --from-seq -1", "--from-seq"),
        ("replay sub_1 --since yesterday", "how long ago"),
        ("replay sub_1 --only some", "'--only': 'some' is none of dead, missing"),
        ("deliveries list --subscription tsk_1", "'tsk_1' is not the id of a subscription"),
        ("nonsense", "No such command"),
    ],
)
def test_wrong_usage_is_named(words: str, message: str) -> None:
    result = CliRunner().invoke(build(words.split()), words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("reconcile --ask", "--ask goes with --dry-run"),
        ("tasks settle tsk_x", SETTLE_WAYS),
        ("tasks settle", SETTLE_WAYS),
        ("tasks settle tsk_x --task-id y --look", SETTLE_WAYS),
        ("tasks settle tsk_x --refused --canceled", SETTLE_WAYS),
        ("tasks settle tsk_x --succeeded https://a.example/v --failed no", SETTLE_WAYS),
        ("tasks settle --refused", "name the tasks by their ids or by a filter; --all means every task"),
        ("tasks settle --refused --all --overdue", "--all goes without a filter"),
        ("tasks settle tsk_x tsk_y --task-id z --yes", "--task-id and --succeeded go with one ID"),
        ("tasks settle tsk_x --canceled --provider hiapi", "filters and --dry-run go with --refused and --look"),
        ("tasks cancel", "name the tasks by their ids or by a filter; --all means every task"),
        ("tasks cancel tsk_x --provider hiapi", "give ids or a filter, not both"),
        ("tasks cancel --label a=1 --label a=2", "a name is given twice"),
        ("reconcile tsk_x --overdue", "give ids or a filter, not both"),
        ("reconcile --overdue --dry-run --ask", "--ask goes with --provider, --older-than and ids only"),
        ("tasks settle --task-id y --yes", "name the task: whenfinal tasks settle ID"),
        ("tasks settle tsk_x --refused --force", "--force goes with --task-id"),
        ("tasks settle --look --force", "--force goes with --task-id"),
        ("tasks settle tsk_x --task-id .. --yes", "--task-id: that cannot be the id of a task at a provider"),
        ("submit - --timeout 9s", "--timeout goes with --wait"),
        ("submit . ", ". can not be read"),
        ("subscriptions create https://a.example --label a=1 --label a=2", "a name is given twice"),
        ("subscriptions create https://a.example --secret-file nowhere", "nowhere can not be read"),
        ("subscriptions create https://a.example --secret-file pyproject.toml", "does not hold a secret"),
        ("subscriptions change sub_1", "give at least one option to change"),
        ("subscriptions change sub_1 --type task.failed --clear types", "can not be cleared as well"),
        ("simulate --fault nonsense=1", "there is no fault nonsense"),
        ("simulate --fault stuck=2", "not a chance from 0 to 1"),
        ("simulate --fault stuck=nan", "not a chance from 0 to 1"),
    ],
)
def test_options_that_do_not_go_together_are_named(words: str, message: str) -> None:
    failed = CliRunner().invoke(build(words.split()), words.split()).exception
    assert isinstance(failed, CommandFailed)
    assert (failed.status, message in str(failed)) == (2, True)


@pytest.mark.parametrize(
    "words", [["tasks", "show", "\udcff"], ["subscriptions", "create", "https://a.example/\udcff"]]
)
def test_bytes_that_are_no_text_are_refused_before_anything_is_read(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["whenfinal", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("whenfinal: word 3 of the command is not UTF-8: ")


@pytest.mark.parametrize(
    ("error", "status", "lines"),
    [
        (ConfigError("A: is wrong", hint="set it"), 2, ["A: is wrong; set it"]),
        (
            ConfigError("2 settings are wrong:\n  A: x; y\n  B: z\n", hint="c"),
            2,
            ["2 settings are wrong:", "A: x; y", "B: z", "c"],
        ),
        (StoreUnavailable("database is locked"), 1, ["database is locked"]),
        (StoreUnavailable(), 1, ["StoreUnavailable"]),
        (InvalidRequest([Violation(field="f", rule="r", accepted="a")]), 2, ["f: r; accepted: a"]),
    ],
)
def test_every_error_has_its_lines_and_its_status(error: ConfigError, status: int, lines: list[str]) -> None:
    assert (status_of(error), lines_of(error)) == (status, lines)


@pytest.mark.parametrize(
    ("words", "last"), [("tasks list", "expired"), ("deliveries list", "dead"), ("events", "task.overdue")]
)
def test_the_help_names_the_words_of_a_choice(words: str, last: str) -> None:
    assert last in CliRunner().invoke(build(words.split()), [*words.split(), "--help"]).output


@pytest.mark.parametrize("words", ["", "tasks", "subscriptions", "deliveries"])
def test_without_a_command_the_help_is_shown(words: str) -> None:
    assert "Usage:" in CliRunner().invoke(build(words.split()), words.split()).output


def _help(*words: str) -> str:
    output = CliRunner().invoke(build(words), [*words, "--help"], env={"COLUMNS": "200"}).output
    return " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize(("words", "place", "text"), COMMANDS)
def test_a_command_has_its_help_from_the_list_alone(words: str, place: str, text: str) -> None:
    assert load(place).__doc__ is None
    assert " ".join(text.split()) in _help(*words.split())


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_the_help_of_a_group_lists_each_command_with_the_first_sentence_of_its_help(group: str) -> None:
    shown = _help(*group.split())
    for words, _, text in COMMANDS:
        parent, _, name = words.rpartition(" ")
        assert (f" {name} {first_sentence(text)}" in shown) is (parent == group)


def test_the_list_of_commands_imports_none_of_them() -> None:
    listing = "import sys; from receiver.cli.program import build; build(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("receiver.")}
    assert loaded == {
        "receiver.cli",
        "receiver.cli.command_list",
        "receiver.cli.examples",
        "receiver.cli.program",
        "receiver.cli.short",
        "receiver.cli.console",
        "receiver.runtime",
        "receiver.runtime.example",
        "receiver.runtime.printable",
    }


@pytest.mark.parametrize(
    ("words", "example"),
    [(words, each) for table in (EXAMPLES, GROUP_EXAMPLES) for words, found in table.items() for each in found],
)
def test_each_example_of_a_help_is_a_command_line_that_is_understood(words: str, example: str) -> None:
    given = shlex.split(re.split(" [<>] ", example)[0])
    assert given[: len(words.split())] == words.split()
    command: Any = get_command(build(given))
    context = Context(command, info_name="whenfinal")
    while hasattr(command, "commands"):
        context, command, given = Context(command, parent=context), command.commands[given[0]], given[1:]
    command.make_context(command.name, given, parent=context).close()


def test_every_command_and_group_has_an_example() -> None:
    assert set(EXAMPLES) == {words for words, _, _ in COMMANDS}
    assert set(GROUP_EXAMPLES) == {"", *GROUPS}


@pytest.mark.parametrize("words", ["", "tasks", "tasks list"])
def test_h_is_help(words: str) -> None:
    result = CliRunner().invoke(build(words.split()), [*words.split(), "-h"])
    assert result.output == CliRunner().invoke(build(words.split()), [*words.split(), "--help"]).output
    assert result.exit_code == 0
