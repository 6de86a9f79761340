"""From a URL to an engine: an error says what is missing and gives a hint."""

import sys

import pytest

from receiver.runtime.store import open_store
from receiver.store.errors import DatabaseMisconfigured
from tests.support.builders import T0


@pytest.mark.parametrize("url", ["", "mysql://x/y", "whenfinal.db", "postgresql://db.example", "sqlite:///:memory:"])
async def test_a_url_that_names_no_database_is_refused_with_the_cure(url: str) -> None:
    with pytest.raises(DatabaseMisconfigured, match="use sqlite:///whenfinal"):
        async with open_store(url, clock=lambda: T0, migrating=True):
            pass


async def test_without_the_library_for_postgres_the_cure_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "receiver.store.postgres", None)  # what a missing import of it comes to
    with pytest.raises(DatabaseMisconfigured, match=r"pip install '\.\[postgres\]'"):
        async with open_store("postgresql:///when", clock=lambda: T0, migrating=True):
            pass
