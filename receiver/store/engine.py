"""What a database must offer, and how the named statements of `queries.sql` are read.

An engine gives transactions; the rooms (`ledger`, `submits`, `polls`, `outbox`, `reading`, `kept`) speak only
in names of statements and never see a dialect.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Row = dict[str, Any]

Value = str | int | float | None

#: What a statement takes: a value, or a sequence of them where it says `:name...`.
Param = Value | Sequence[Value]

_HEADER = re.compile(r"^-- ([a-z_]+): .+$", re.MULTILINE)

_LIST = re.compile(r":(\w+)\.\.\.")


class OtherWasFaster(Exception):
    """Raised by the work of a transaction that met a row it had not found before: run it again from its start.

    Only an engine on which transactions overlap ever sees it.
    """


class Reader(Protocol):
    """Statements by name."""

    async def fetch_all(self, name: str, /, **params: Param) -> list[Row]: ...

    async def fetch_one(self, name: str, /, **params: Param) -> Row | None: ...


class Tx(Reader, Protocol):
    """One open transaction."""

    async def execute(self, name: str, /, **params: Param) -> int:
        """Number of rows changed."""

    async def execute_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        """The statement once for each row; nothing when there are none."""

    async def fetch_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> list[Row]:
        """What the statement finds for each row, one after the other."""

    async def announce(self) -> None:
        """Once this is committed, whoever listens in another process hears that there is something new.

        Twice is once.
        """

    async def hold_schema(self) -> None:
        """Nobody else changes the schema until this transaction ends, which may now take as long as it needs."""

    async def run_script(self, script: str) -> None:
        """Several statements, inside this transaction. For migrations only."""


class Listener(Protocol):
    """Hears what other processes announce; `is_live` while it does."""

    @property
    def is_live(self) -> bool: ...

    async def run(self) -> None:
        """Until cancelled; connects by itself, and anew."""


class Engine(Protocol):
    """All methods raise StoreUnavailable when the database cannot.

    Then nothing was committed, or, where the connection was lost during the commit itself, all of it.
    """

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in one transaction, durable on return; rows that it reads with a lock nobody else changes.

        `work` may be run again from its start, so that it must change nothing but the database and its own locals.
        A cancelled caller does not cut the transaction in half: it runs to its end on its own.
        """

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        """Never waits for a writer."""

    def listener(self, url: str | None, on_news: Callable[[], None]) -> Listener | None:
        """None where nothing is announced. `url`: where to listen, if not where the database is.

        Raise StoreError for a URL that names no server.
        """

    async def close(self) -> None:
        """Waits for transactions in flight."""


def load_queries(*, lock: str, skip_locked: str) -> Mapping[str, str]:
    """Name → statement, with the dialect's row-lock clauses put in."""
    return {
        name: body.strip().removesuffix(";").replace("{lock}", lock).replace("{skip_locked}", skip_locked)
        for file in files("receiver.store").joinpath("queries").iterdir()
        for name, body in _named(file.read_text(encoding="utf-8"))
    }


def _named(text: str) -> Iterator[tuple[str, str]]:
    parts = _HEADER.split(text)[1:]
    return zip(parts[::2], parts[1::2], strict=True)


def expand_lists(statement: str, params: Mapping[str, Param]) -> tuple[str, Mapping[str, Param]]:
    """Replace each `:name...` by as many placeholders as the sequence needs.

    Padded with the last value to a power of two, so that few different texts reach the statement cache; an empty
    sequence becomes one NULL, which equals nothing.
    """
    names = _LIST.findall(statement)
    if not names:
        return statement, params
    flat = {name: value for name, value in params.items() if name not in names}
    for name in names:
        given = params[name]
        values = list(given) if isinstance(given, Sequence) and given else [None]
        values += [values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))
        flat.update({f"{name}_{index}": value for index, value in enumerate(values)})
        placeholders = ", ".join(f":{name}_{index}" for index in range(len(values)))
        statement = statement.replace(f":{name}...", placeholders)
    return statement, flat
