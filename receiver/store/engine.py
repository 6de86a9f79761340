"""What a database must offer, and how the named statements in `queries/` are read.

An engine runs transactions. Repositories name statements and never see a dialect.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from receiver.store.scripts import sql_files

T = TypeVar("T")

Row = dict[str, Any]

#: Later than any time in milliseconds, and within the 64 bits of both engines.
NEVER_MS = 2**62

NEWEST = "~"  # sorts after every id, so a first page starts at the newest row


Value = str | int | float | None

#: What a statement takes: a value, or a sequence of them where it says `:name...`.
Param = Value | Sequence[Value]

_HEADER = re.compile(r"^-- ([a-z_]+): .+$", re.MULTILINE)

#: A value's name, and dots where it is a list.
PLACEHOLDER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)(\.\.\.)?")


class RetryTransaction(Exception):
    """Raised inside a transaction that met a row which it had not found before: run it again from its start.

    Happens only on an engine whose transactions overlap.
    """


class Reader(Protocol):
    """Statements by name."""

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]: ...

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None: ...


class Tx(Reader, Protocol):
    """One open transaction.

    What returns nothing costs no wait. It is run in its turn with the next statement whose result is read, or with the
    commit. If it fails, nothing after it is run, its error is raised there at the latest, and the transaction is rolled
    back.
    """

    async def execute(self, name: str, /, **params: Param) -> None: ...

    async def execute_and_count(self, name: str, /, **params: Param) -> int:
        """Number of rows changed."""

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        """The statement once for each row, in no certain order; nothing when there are none."""

    async def fetch_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> list[Row]:
        """What the statement finds for each row, one after the other."""

    async def announce(self) -> None:
        """Notify other processes once this is committed. A second call in one transaction changes nothing."""

    async def lock_schema(self) -> None:
        """Lock the schema until this transaction ends, and lift the limits on how long the transaction may take."""

    async def run_script(self, script: str) -> None:
        """Run several statements in this transaction. For migrations only."""


class Listener(Protocol):
    """Receives what other processes announce.

    A protocol, because naming the one class would import the Postgres library on SQLite, too.
    """

    @property
    def is_live(self) -> bool:
        """Whether announcements arrive now."""

    async def run(self) -> None:
        """Listen until cancelled; connects by itself, and again after a loss."""


class EngineFacts(NamedTuple):
    """The database underneath."""

    #: SQLite or Postgres.
    name: str
    version: str
    database_bytes: int
    #: Of the write-ahead log beside the file; None on a server, whose log is not of this database alone.
    wal_bytes: int | None = None


class Engine(Protocol):
    """All methods raise StoreUnavailable when the database is not available now.

    Then nothing was committed, or everything, where the connection was lost during the commit.
    """

    async def write(self, work: Callable[[Tx], Awaitable[T]], *, waited_s: float = 0.0, is_durable: bool = True) -> T:
        """Run `work` in one transaction, durable on return. Rows that it reads with a lock stay as they are.

        A caller waits a few seconds in all for others that write, however many wait before it. `waited_s` is what it
        has waited elsewhere already, and counts.

        Without `is_durable` the commit does not wait for the disk: a loss of power may undo it, together with what was
        committed after it and did not wait either. For what is done again then. A killed process undoes nothing.

        `work` may be run again from its start, so it must change nothing but the database and its own locals. A
        cancelled caller does not cut the transaction in half: it runs to its end in a task of its own.
        """

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        """Never waits for a writer."""

    def listener(self, url: str | None, on_commit: Callable[[], None]) -> Listener | None:
        """Call `on_commit` after what other processes announce. None for an engine that announces nothing.

        `url`: where to listen, if not where the database is.

        Raise StoreError for a URL that names no server.
        """

    async def facts(self) -> EngineFacts:
        """Cheap: no table is read."""

    async def close(self) -> None:
        """Wait for running transactions, then close all connections."""


def load_queries(*, lock: str, skip_locked: str) -> Mapping[str, str]:
    """Statements by name, with the dialect's row-lock clauses in them."""
    return {
        name: body.strip().removesuffix(";").replace("{lock}", lock).replace("{skip_locked}", skip_locked)
        for file in sql_files("queries")
        for name, body in _named(file.read_text(encoding="utf-8"))
    }


def _named(text: str) -> Iterator[tuple[str, str]]:
    parts = _HEADER.split(text)[1:]
    return zip(parts[::2], parts[1::2], strict=True)
