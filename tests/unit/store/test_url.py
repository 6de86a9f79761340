"""Where a ledger is, from its URL, and what of it may be shown."""

from pathlib import Path

import pytest

from receiver.store.url import LedgerFile, LedgerServer, is_in_memory, read_database_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "sqlite:///",
        "mysql://x/y",
        "sqlite://host/x.db",
        "sqlite:///a.db?mode=ro",
        "whenfinal.db",
        "sqlite:///a%00.db",
        "postgresql://",
        "postgresql://host",
        "postgresql://host/",
        "postgresql://host/a/b",
        "postgresql://host/a#b",
        "postgresql://[::1/a",
        "postgresql+psycopg://host/a",
        "sqlite:///:memory:",
        "sqlite:///%3Amemory%3A",
        "sqlite:///./:memory:",
        "sqlite:///file::memory:",
        "sqlite:///file::memory:?cache=shared",
        "sqlite:///file:a.db?mode=memory",
        "sqlite:///FILE:a.db",
        "sqlite://:memory:",
    ],
)
def test_a_url_that_names_no_database_is_none(url: str) -> None:
    assert read_database_url(url) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///:memory:", True),
        ("sqlite:///%3amemory%3a", True),
        ("SQLITE:///:memory:", True),
        ("sqlite://:memory:", True),
        ("sqlite:///file::memory:", True),
        ("sqlite:///file:x?mode=memory&cache=shared", True),
        ("sqlite:///memory.db", False),
        ("sqlite:///a.db?mode=ro", False),
        ("postgresql://host/:memory:", False),
    ],
)
def test_a_database_in_memory_is_recognised(url: str, *, expected: bool) -> None:
    assert is_in_memory(url) is expected


def test_urls_name_relative_and_absolute_files() -> None:
    assert read_database_url("sqlite:///whenfinal.db") == LedgerFile(path=Path("whenfinal.db"))
    assert read_database_url("sqlite:////var/lib/a%20b.db") == LedgerFile(path=Path("/var/lib/a b.db"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s%40cret-word@db.example:5433/when?sslmode=require", "database when at db.example:5433"),
        ("postgres://db/when", "database when at db"),
        ("postgresql:///when?host=/run/postgresql&password=s%40cret-word", "database when at /run/postgresql"),
        ("postgresql:///when", "database when at this machine"),
        ("postgresql://ann:s%40cret-word@one:1,two:2/when", "database when at one:1,two:2"),
        ("postgresql://ann:s@cret-word@db/when", "database when at db"),
    ],
)
def test_a_server_is_shown_without_user_and_password(url: str, shown: str) -> None:
    place = read_database_url(url)
    assert isinstance(place, LedgerServer)
    assert str(place) == shown
    assert place.url == url
    assert "cret-word" not in repr(place) + str(place)
    assert place.password == ("s@cret-word" if "cret" in url else None)
