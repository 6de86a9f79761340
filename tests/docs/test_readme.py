"""The README says what the code says, and promises only what a test proves."""

import re

import pytest

from receiver.cli.main import COMMANDS, DELIVERY_COMMANDS, SUBSCRIPTION_COMMANDS, TASK_COMMANDS
from tests.docs.readme import PROMISES, README, ROOT, SUBSCRIBER_PROMISES, blocks, render

TEXT = README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["providers", "settings", "promises", "subscriber"])
def test_a_block_made_from_the_code_is_up_to_date(name: str) -> None:
    assert blocks(TEXT)[name] == render(name), "run: .venv/bin/python tests/docs/readme.py"


@pytest.mark.parametrize("proof", [proof for _, proof in (*PROMISES, *SUBSCRIBER_PROMISES)])
def test_every_promise_names_a_test_that_is_there(proof: str) -> None:
    path, _, name = proof.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_link_of_the_readmes_leads_to_a_file() -> None:
    for page in (README, ROOT / "receiver" / "README.md", ROOT / "submitter" / "README.md"):
        for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_that_the_readme_names_is_there() -> None:
    groups = {"tasks": TASK_COMMANDS, "deliveries": DELIVERY_COMMANDS, "subscriptions": SUBSCRIPTION_COMMANDS}
    known = {name for name, *_ in COMMANDS} | set(groups)
    named = set(re.findall(r"whenfinal ([a-z]+)", TEXT))
    assert named - {"is", "serves", "submits"} <= known
    for group, commands in groups.items():
        assert set(re.findall(rf"whenfinal {group} ([a-z-]+)", TEXT)) <= {name for name, *_ in commands}
