"""API keys by the command: created and shown once, listed, revoked; inside the command and against a service."""

import re
from collections.abc import Callable

import pytest

from tests.support.cli import Cli

FARM = ("farm", "--scope", "submit", "--scope", "read", "--provider", "hiapi", "--label", "team=films")


@pytest.fixture(name="there")
def _there(simulated: Cli, at: Callable[[Cli], Cli]) -> Cli:
    assert simulated.run("migrate").status == 0
    return at(simulated)


def test_a_key_is_shown_once_and_listed_with_its_limits(there: Cli) -> None:
    made = there.run("keys", "create", *FARM)
    assert made.status == 0
    (key,) = re.findall(r"wf_[A-Za-z0-9_-]{43}", made.out)
    listed = there.run("keys", "list")
    assert all(word in listed.out for word in ("farm", "hiapi; team=films", "read, submit", "works"))
    (row,) = [each for each in there.run("keys", "list", "--json").values if each["name"] == "farm"]
    assert (row["scopes"], row["providers"], row["label"]) == (["read", "submit"], ["hiapi"], "team=films")
    assert key not in listed.out + str(row)


def test_a_key_is_given_to_a_program_as_json(there: Cli) -> None:
    (made,) = there.run("keys", "create", "ci", "--scope", "read", "--json").values
    assert made["key"].startswith("wf_")
    assert (made["name"], made["label"], made["is_setting"]) == ("ci", None, False)


def test_keys_are_revoked_by_name_or_id_and_those_that_are_not_there_are_named(there: Cli) -> None:
    (made,) = there.run("keys", "create", "one", "--scope", "read", "--json").values
    there.run("keys", "create", "two", "--scope", "read")
    ended = there.run("keys", "revoke", made["id"], "two", "three", "--yes")
    assert ended.status == 1
    assert "one" in ended.out
    assert "two" in ended.out
    assert "there is no key three that works" in ended.err
    states = {each["name"]: each["revoked_at"] for each in there.run("keys", "list", "--json").values}
    assert states["one"] is not None
    assert states["two"] is not None


def test_nothing_is_revoked_without_a_yes(there: Cli) -> None:
    there.run("keys", "create", "stays", "--scope", "read")
    ended = there.run("keys", "revoke", "stays")
    assert (ended.status, "--yes" in ended.err) == (2, True)
    assert [each["revoked_at"] for each in there.run("keys", "list", "--json").values if each["name"] == "stays"] == [
        None
    ]


@pytest.mark.parametrize(
    ("options", "words", "status"),
    [
        (("x",), "--scope", 2),
        (("x", "--scope", "admin"), "admin", 2),
        (("a b", "--scope", "read"), "NAME: ", 2),
        (("x", "--scope", "read", "--provider", "nowhere"), "is not configured", 2),
        (("x", "--scope", "read", "--label", "team"), "name=value", 2),
        (("test", "--scope", "read"), "settings", 1),
    ],
)
def test_a_bad_key_is_one_clear_line_and_creates_nothing(
    there: Cli, options: tuple[str, ...], words: str, status: int
) -> None:
    ended = there.run("keys", "create", *options)
    assert (ended.status, words in ended.err, ended.out) == (status, True, "")
    assert [each["name"] for each in there.run("keys", "list", "--json").values] == ["test"]


def test_a_key_of_the_settings_is_not_revoked(there: Cli) -> None:
    ended = there.run("keys", "revoke", "test", "--yes")
    assert (ended.status, "WHENFINAL_API_KEYS" in ended.err) == (1, True)
