"""The tables of the pages say what the code says, and promise only what a test proves."""

import re

import pytest

from tests.docs.pages import ROOT, TABLES, blocks, pages
from tests.docs.promises import PROMISES
from tests.docs.provider_promises import PROVIDER_PROMISES
from tests.docs.subscriber_promises import SUBSCRIBER_PROMISES


@pytest.mark.parametrize("name", TABLES)
def test_a_table_made_from_the_code_is_up_to_date(name: str) -> None:
    page, render = TABLES[name]
    assert blocks(page.read_text(encoding="utf-8"))[name] == render(), "run: .venv/bin/python tests/docs/pages.py"


def test_every_pair_of_markers_belongs_to_a_table() -> None:
    marked = {(name, page) for page in pages() for name in blocks(page.read_text(encoding="utf-8"))}
    assert marked == {(name, page) for name, (page, _) in TABLES.items()}


@pytest.mark.parametrize("proof", [proof for _, proof in (*PROMISES, *PROVIDER_PROMISES, *SUBSCRIBER_PROMISES)])
def test_every_promise_names_a_test_that_is_there(proof: str) -> None:
    path, _, name = proof.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
