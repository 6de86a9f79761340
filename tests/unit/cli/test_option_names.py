"""Members of the API are named as the option of the command that gave them."""

import pytest

from receiver.cli.common_options import names_of
from receiver.cli.option_names import as_option, given_names
from receiver.cli.short import load


@pytest.mark.parametrize(
    ("place", "member", "named"),
    [
        ("commands.task_list:list_tasks", "provider", "--provider"),
        ("commands.task_list:list_tasks", "provider.0", "--provider"),
        ("commands.task_list:list_tasks", "label.1", "--label"),
        ("commands.task_list:list_tasks", "older_than_s", "--older-than"),
        ("commands.task_list:list_tasks", "cursor", "cursor"),
        ("commands.subscriptions:create", "labels.film", "--label film"),
        ("commands.subscriptions:create", "rate_per_s", "--rate"),
        ("commands.subscriptions:create", "max_in_flight", "--max-in-flight"),
        ("commands.subscriptions:create", "handshake", "--handshake"),
        ("commands.subscriptions:create", "url", "URL"),
        ("commands.subscriptions:create", "secret", "--secret-file"),
        ("commands.subscriptions:change", "url", "--endpoint"),
        ("commands.endpoints:resume", "endpoint", "HOST"),
        ("commands.replay:replay", "first_seq", "--from-seq"),
        ("commands.replay:replay", "last_seq", "--to-seq"),
        ("commands.replay:replay", "which", "--only"),
        ("commands.tasks:find", "text", "TEXT"),
        ("commands.keys:create", "scopes.0", "--scope"),
        ("commands.keys:create", "name", "NAME"),
        ("commands.submit:submit", "video.prompt", "video.prompt"),
        ("commands.submit:submit", "provider", "provider"),
    ],
)
def test_a_member_is_named_as_the_command_names_it(place: str, member: str, named: str) -> None:
    token = given_names.set(names_of(load(place)))
    try:
        assert as_option(member) == named
    finally:
        given_names.reset(token)
