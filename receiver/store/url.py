"""Parsing database URLs. Pure: nothing is opened, and no message repeats the URL, which may hold a password."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

_SERVER_SCHEMES = ("postgresql", "postgres")

DEFAULT_URL = "sqlite:///whenfinal.db"

FORMS = "use sqlite:///whenfinal.db, sqlite:////absolute/path.db or postgresql://user:password@host:5432/database"


class LedgerFile(NamedTuple):
    """A SQLite file; `str()` is its path."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


class LedgerServer(NamedTuple):
    """A Postgres database; `str()` and `repr()` name it without user and password."""

    url: str
    password: str | None
    name: str
    #: As in the URL; may be several.
    hosts: str

    def __str__(self) -> str:
        return f"database {self.name} at {self.hosts}"

    def __repr__(self) -> str:
        return f"<{self}>"


def read_database_url(url: str) -> LedgerFile | LedgerServer | None:
    """`sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…/name`; None for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = unquote(parts.path.removeprefix("/"))
    if not path or parts.fragment or not path.isprintable():
        return None
    if parts.scheme == "sqlite":
        return None if parts.netloc or parts.query or _is_special(path) else LedgerFile(path=Path(path))
    return _server(url, path) if parts.scheme in _SERVER_SCHEMES else None


def is_in_memory(url: str) -> bool:
    """Whether it is a form in which SQLite keeps a database in memory: it would end with its connection."""
    scheme, _, rest = url.partition(":")
    return scheme.lower() == "sqlite" and (":memory:" in unquote(rest) or "mode=memory" in unquote(rest))


def _is_special(path: str) -> bool:
    """Whether SQLite takes it for something else than a path."""
    name = str(Path(path))
    return name == ":memory:" or name.lower().startswith("file:")


def _server(url: str, name: str) -> LedgerServer | None:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    user, _, hosts = parts.netloc.rpartition("@")
    _, _, password = user.partition(":")
    hosts = hosts or options.get("host") or options.get("hostaddr") or "this machine"
    if "/" in name or not hosts.isprintable():
        return None
    return LedgerServer(url=url, password=unquote(password) or options.get("password") or None, name=name, hosts=hosts)
