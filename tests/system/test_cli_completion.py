"""What a shell gets when it completes a command."""

import pytest

from tests.support.cli import Cli


def _completed(cli: Cli, words: str) -> list[str]:
    """By the shell's own way: bash gives the words and the number of the one that is completed."""
    settings = {"_WHENFINAL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    ended = cli.with_settings(**settings).run()
    assert (ended.status, ended.err) == (0, "")
    return ended.out.split()


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("whenfinal rec", ["reconcile"]),
        ("whenfinal tasks exp", ["explain"]),
        ("whenfinal tasks list --old", ["--older-than"]),
        ("whenfinal tasks list --state su", ["submitting", "submitted", "succeeded"]),
        ("whenfinal deliveries list -o w", ["wide"]),
    ],
)
def test_commands_options_and_the_words_of_a_choice_are_completed(cli: Cli, words: str, completed: list[str]) -> None:
    assert _completed(cli, words) == completed


def test_the_script_for_the_shell_around_it_is_shown(cli: Cli) -> None:
    ended = cli.with_prefix("bash", "-c", '"$0" "$@"; exit $?').run("--show-completion")
    assert (ended.status, "_WHENFINAL_COMPLETE" in ended.out) == (0, True)
