"""The page of the clients lists every method of every part."""

import re

from submitter.client import client
from submitter.client.async_shell import Answer, Items, Resource
from tests.docs.pages import SUBMITTER

LISTED = dict(re.findall(r"^\| `client\.(\w+)` \| (.+) \|$", SUBMITTER.read_text(encoding="utf-8"), re.MULTILINE))


def _methods(part: type[Resource]) -> set[str]:
    return {name for name, value in vars(part).items() if isinstance(value, Answer | Items) or name == "download"}


def test_every_method_of_a_part_is_listed_and_no_other() -> None:
    parts = {
        name.lower(): _methods(value)
        for name, value in vars(client).items()
        if isinstance(value, type) and issubclass(value, Resource) and name not in {"Resource", "Client"}
    }
    assert {name: set(re.findall("`([a-z_]+)`", text)) for name, text in LISTED.items()} == parts
