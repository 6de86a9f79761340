"""Moving house: a whole ledger copied from one database to another, of either kind.

Both ends are held for as long as it takes: nobody writes to the source meanwhile, and nobody finds half a copy. All
that is copied is read back and compared before one commit makes it the target's; a copy that breaks off leaves the
target empty. Rows stream: memory does not grow with the ledger. Blocks; run it where nothing else is to go on.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from receiver.store.engine import Engine
from receiver.store.errors import StoreError, TransferRefused
from receiver.store.migrate import known_migrations, migrate
from receiver.store.open import ledger_at, postgres_missing
from receiver.store.sqlite import open_sqlite
from receiver.store.transfer.schema import MIGRATIONS, TableShape, table_shapes
from receiver.store.transfer.sqlite import SqliteEnd
from receiver.store.url import LedgerFile, LedgerServer

Cells = tuple[Any, ...]

#: Told the table, what is done with it, and how many of how many rows.
OnProgress = Callable[[str, str, int, int], None]

COPIED, CHECKED = "copied", "checked"

TOLD_EACH = 500  # rows between two reports of progress

_APPLIED = f"SELECT name FROM {MIGRATIONS}"  # noqa: S608 - a constant

_NUMBERS_TAKEN = "SELECT count(*) FROM counters WHERE value <> 0 AND name <> 'checks'"


class End(Protocol):
    """One of the two ledgers, on a connection of its own. Raises StoreError that names it. Closing takes all back."""

    def hold(self, tables: Sequence[TableShape]) -> None:
        """Begin. Until the end nobody else may write to the tables. Raise MoveRefused while others are on it."""

    def mark(self, number: int) -> None:
        """Leave a mark in the database that lasts as long as it is held."""

    def is_marked(self, number: int) -> bool:
        """Whether another end has left the mark here: both are one ledger."""

    def tables(self) -> set[str]: ...

    def ask(self, question: str) -> list[Cells]: ...

    def storable(self, row: Cells) -> Cells:
        """The row as this kind of database can hold it."""

    def rows(self, table: TableShape) -> Iterator[Cells]:
        """All rows in the order of the key, as they are fetched."""

    def fill(self, table: TableShape, rows: Iterable[Cells]) -> None:
        """Replace all that is in the table."""

    def commit(self, tables: Sequence[TableShape]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Rows, and a digest over all columns of them in the order of the key."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A table here and there. `altered`: rows of which the target could not hold a letter (a NUL, on Postgres)."""

    table: str
    source: Counted
    target: Counted
    altered: int

    @property
    def is_same(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was copied; nothing at all when any table came out different."""

    tables: tuple[Compared, ...]

    @property
    def different(self) -> tuple[str, ...]:
        return tuple(each.table for each in self.tables if not each.is_same)

    @property
    def rows(self) -> int:
        return sum(each.source.rows for each in self.tables)


def move(source_url: str, target_url: str, *, now_ms: int, on_progress: OnProgress) -> Moved:
    """Raise MoveRefused when the ends are not fit for it, else StoreError: either way the target was given nothing."""
    source, target = ledger_at(source_url), ledger_at(target_url)
    if _is_same_file(source, target):
        raise TransferRefused(f"{source} can not be copied onto itself")
    _must_exist(source)
    shapes = table_shapes()
    with ExitStack() as open_ends:
        old = _opened(source, open_ends)
        old.hold(shapes)
        _check_complete(old, source)
        _look_before(target, old, shapes)
        asyncio.run(_migrate(target, now_ms))
        new = _opened(target, open_ends)
        new.hold(shapes)
        _check_complete(new, target)
        _check_empty(new, target, shapes)
        moved = Moved(tables=tuple(_compared(table, old, new, on_progress) for table in shapes))
        if not moved.different:
            new.commit(shapes)
        return moved


def _opened(place: LedgerFile | LedgerServer, open_ends: ExitStack) -> End:
    end: End = SqliteEnd(place) if isinstance(place, LedgerFile) else _postgres().PostgresEnd(place)
    open_ends.callback(end.close)
    return end


def _postgres() -> ModuleType:
    try:
        from receiver.store.transfer import postgres  # noqa: PLC0415 - its library is an extra
    except ImportError as error:
        raise postgres_missing(error) from error
    return postgres


def _is_same_file(source: LedgerFile | LedgerServer, target: LedgerFile | LedgerServer) -> bool:
    if not (isinstance(source, LedgerFile) and isinstance(target, LedgerFile)):
        return source == target
    if source.path.exists() and target.path.exists():
        return source.path.samefile(target.path)
    return source.path.resolve() == target.path.resolve()


def _must_exist(source: LedgerFile | LedgerServer) -> None:
    if isinstance(source, LedgerFile) and not source.path.exists():
        raise TransferRefused(f"there is no ledger at {source.path.absolute()}")


def _check_complete(end: End, place: LedgerFile | LedgerServer) -> None:
    known = [name for name, _ in known_migrations()]
    if MIGRATIONS not in end.tables():
        raise TransferRefused(f"there is no ledger in {place}")
    applied = {name for (name,) in end.ask(_APPLIED)}
    if missing := [name for name in known if name not in applied]:
        hint = "run `whenfinal migrate` with WHENFINAL_DATABASE_URL set to it first"
        raise TransferRefused(f"the ledger {place} lacks {', '.join(missing)}; {hint}")
    if unknown := sorted(applied.difference(known)):
        hint = "copy it with the version that wrote it"
        raise TransferRefused(
            f"the ledger {place} has had {', '.join(unknown)}, which this version does not know; {hint}"
        )


def _look_before(target: LedgerFile | LedgerServer, old: End, shapes: Sequence[TableShape]) -> None:
    """Before the first change to it: not the source by another name, and nothing in it."""
    if isinstance(target, LedgerFile) and not target.path.exists():
        return
    with ExitStack() as open_ends:
        new = _opened(target, open_ends)
        number = secrets.randbits(62)
        old.mark(number)
        if new.is_marked(number):
            raise TransferRefused(f"{target} can not be copied onto itself")
        _check_empty(new, target, shapes)


def _check_empty(new: End, target: LedgerFile | LedgerServer, shapes: Sequence[TableShape]) -> None:
    """Raise MoveRefused with what is in it, unless it is as its migrations left it."""
    tables = new.tables() - {MIGRATIONS}
    known = [shape for shape in shapes if shape.name in tables]
    counts = [(shape, new.ask(shape.count)[0][0]) for shape in known]
    held = [f"{shape.name} ({count} rows)" for shape, count in counts if count > shape.born_with]
    if not held and "counters" in tables and new.ask(_NUMBERS_TAKEN)[0][0]:
        held = ["counters (numbers were given out)"]
    held += sorted(tables - {shape.name for shape in shapes})
    if held:
        raise TransferRefused(f"{target} is not empty, it holds {', '.join(held)}; copy into a new database")


async def _migrate(place: LedgerFile | LedgerServer, now_ms: int) -> None:
    try:
        engine: Engine = (
            await open_sqlite(place.path, busy_timeout_ms=5000)
            if isinstance(place, LedgerFile)
            else await _postgres().open_for_schema(place)
        )
        try:
            await migrate(engine, now_ms)
        finally:
            await engine.close()
    except StoreError as error:
        raise StoreError(f"the ledger {place}: {error}") from error


def _compared(table: TableShape, old: End, new: End, on_progress: OnProgress) -> Compared:
    """Copy one table and read it back."""
    total = old.ask(table.count)[0][0]
    sent = _Tally(lambda done: on_progress(table.name, COPIED, done, total))
    altered = _Altered(new.storable)
    new.fill(table, sent.passing(altered.passing(old.rows(table))))
    found = _Tally(lambda done: on_progress(table.name, CHECKED, done, total))
    for _ in found.passing(new.rows(table)):
        pass
    return Compared(table=table.name, source=sent.counted(), target=found.counted(), altered=altered.count)


class _Altered:
    """Lets rows pass as another kind of database can hold them."""

    def __init__(self, storable: Callable[[Cells], Cells]) -> None:
        self.count = 0
        self._storable = storable

    def passing(self, rows: Iterable[Cells]) -> Iterator[Cells]:
        for row in rows:
            held = self._storable(row)
            self.count += held != row
            yield held


class _Tally:
    """Lets rows pass and keeps their number and digest."""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._rows = 0
        self._digest = hashlib.sha256()
        self._on_progress = on_progress

    def passing(self, rows: Iterable[Cells]) -> Iterator[Cells]:
        for row in rows:
            self._rows += 1
            self._digest.update(repr(row).encode())  # tells None, numbers and texts apart, and where each ends
            if self._rows % TOLD_EACH == 0:
                self._on_progress(self._rows)
            yield row
        self._on_progress(self._rows)

    def counted(self) -> Counted:
        return Counted(rows=self._rows, sha256=self._digest.hexdigest())
