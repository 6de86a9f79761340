"""A SQLite ledger as a command reads it that ends at once: one connection, without an event loop and its imports.

Only what is as it should be is read here. For everything else `Unsuited` is raised: a ledger that is missing, locked
or damaged, whose schema is behind, or that has stepped back, and for work that writes or waits. Then `sqlite` opens
the ledger, which waits, repairs, and says what is wrong.
"""

import re
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from receiver.store.engine import EngineFacts, Param, Reader, Row, Tx, load_queries
from receiver.store.errors import Unsuited
from receiver.store.ledger_mark import LedgerMark, mark_path, read_mark
from receiver.store.scripts import sql_files

T = TypeVar("T")

_LIST = re.compile(r":([a-z_]+)\.\.\.")


class Look:
    """Statements on one connection, which answer at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queries = load_queries(lock="", skip_locked="")

    def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        """Raise sqlite3.Error."""
        found = self._connection.execute(*_bind(self._queries[name], params))
        names = [each[0] for each in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]


class LookEngine:
    """The engine of repositories that only read. A work that it runs comes to its end without a wait."""

    def __init__(self, look: Look) -> None:
        self._look = look

    async def write(self, work: Callable[[Tx], Awaitable[T]], *, waited_s: float = 0.0, is_durable: bool = True) -> T:
        raise Unsuited

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        return await work(_LookReader(self._look))

    def listener(self, url: str | None, on_commit: Callable[[], None]) -> NoReturn:
        raise Unsuited

    async def facts(self) -> EngineFacts:
        raise Unsuited

    async def close(self) -> None:
        """Nothing to do: who opened the ledger closes it."""


class _LookReader:
    def __init__(self, look: Look) -> None:
        self._look = look

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]:
        return self._look.fetch_all(name, **params)

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None:
        rows = self._look.fetch_all(name, **params)
        return rows[0] if rows else None


@contextmanager
def looking(path: Path) -> Iterator[Look]:
    """Raise Unsuited, also for what SQLite says to a statement."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, timeout=0)
    except sqlite3.Error as error:
        raise Unsuited from error
    try:
        connection.execute("PRAGMA query_only = ON")
        look = Look(connection)
        _check(look, path)
        yield look
    except sqlite3.Error as error:
        raise Unsuited from error
    finally:
        connection.close()


def _check(look: Look, path: Path) -> None:
    """Raise Unsuited for a ledger whose schema is not that of this version, or that is not as far as its mark."""
    applied = {row["name"] for row in look.fetch_all("applied_migrations")}
    if applied != {file.stem for file in sql_files("migrations")}:
        raise Unsuited
    mark = read_mark(mark_path(path))
    if mark is not None:
        row = look.fetch_all("ledger_mark")[0]
        if mark.is_beyond(LedgerMark(events=row["events"], task=row["task"] or "")):
            raise Unsuited


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """Run a work on a LookEngine to its end. Raise Unsuited where it waits for something else."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise Unsuited


def _bind(statement: str, params: Mapping[str, Param]) -> tuple[str, dict[str, Param]]:
    """The statement and its values by name, which SQLite knows as well. Each value of a list gets a name of its own."""
    values = dict(params)

    def own_names(found: re.Match[str]) -> str:
        given = values.pop(found[1])
        each = list(given) if isinstance(given, Sequence) and given else [None]
        own = {f"{found[1]}_{number}": value for number, value in enumerate(each)}
        values.update(own)
        return ", ".join(f":{name}" for name in own)

    return _LIST.sub(own_names, statement), values
