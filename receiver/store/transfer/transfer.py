"""Copy a ledger between SQLite and Postgres, in either direction.

Both databases are locked until the copy is verified. The copy is one transaction: if it fails, the target stays empty.
Memory use does not depend on the size of the ledger. Blocking; do not call it from an event loop.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from receiver.store.engine import Engine
from receiver.store.errors import StoreError, TransferRefused
from receiver.store.migrate import known_migrations, migrate
from receiver.store.open import ledger_at, postgres_missing
from receiver.store.sqlite import open_sqlite
from receiver.store.transfer.schema import MIGRATIONS, Cells, TableSchema, table_schemas
from receiver.store.transfer.sqlite import SqliteEndpoint
from receiver.store.url import LedgerFile, LedgerServer

#: Called with the table, what is done with it (`COPIED` or `CHECKED`), and how many of how many rows.
OnProgress = Callable[[str, str, int, int], None]

COPIED, CHECKED = "copied", "checked"

PROGRESS_EVERY = 500  # rows

_APPLIED = "SELECT name FROM migrations"

_USED_NUMBERS = "SELECT count(*) FROM numbers WHERE value <> 0 AND name <> 'checks'"


class TransferEndpoint(Protocol):
    """One of the two ledgers, on a connection of its own; every error is a StoreError that names the ledger.

    Everything happens in one transaction, which `lock` begins. `close` without `commit` rolls it back.
    """

    def lock(self, tables: Sequence[TableSchema]) -> None:
        """Begin. From now on nobody else can write to the tables. Raise TransferRefused while they are in use."""

    def tag(self, number: int) -> None:
        """Mark the database with a number, until this endpoint is closed."""

    def is_tagged(self, number: int) -> bool:
        """Whether another endpoint has marked this database with the number: then both are one ledger."""

    def tables(self) -> set[str]: ...

    def query(self, statement: str) -> list[Cells]: ...

    def storable(self, row: Cells) -> Cells:
        """The row as this kind of database can store it."""

    def rows(self, table: TableSchema) -> Iterator[Cells]:
        """All rows in the order of the key, streamed."""

    def replace_rows(self, table: TableSchema, rows: Iterable[Cells]) -> None:
        """Delete all rows of the table, and insert these."""

    def commit(self, tables: Sequence[TableSchema]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDigest:
    """What a table holds; equal for equal rows."""

    rows: int
    #: Over all columns of all rows, in the order of the key.
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """A table in the source and in the target."""

    table: str
    source: TableDigest
    target: TableDigest
    #: Rows with a character that the target cannot store (NUL, on Postgres) and that was replaced.
    altered: int

    @property
    def is_same(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReport:
    """What was copied. When any table is different, nothing was."""

    tables: tuple[TableComparison, ...]

    @property
    def different(self) -> tuple[str, ...]:
        return tuple(each.table for each in self.tables if not each.is_same)

    @property
    def rows(self) -> int:
        return sum(each.source.rows for each in self.tables)


def transfer(source_url: str, target_url: str, *, now_ms: int, on_progress: OnProgress) -> TransferReport:
    """Copy the whole ledger at one URL into the empty database at the other, and compare every table.

    The target is migrated first. `on_progress` is called every `PROGRESS_EVERY` rows and at the end of each table. When
    a table is different, the report says so and the target stays empty. Raise TransferRefused when the two databases
    cannot be copied as they are, another StoreError when one of them fails; the target stays empty then as well.
    """
    source, target = ledger_at(source_url), ledger_at(target_url)
    if _is_same_file(source, target):
        raise TransferRefused(f"{source} can not be copied onto itself")
    if isinstance(source, LedgerFile) and not source.path.exists():
        raise TransferRefused(f"there is no ledger at {source.path.absolute()}")
    schemas = table_schemas()
    with ExitStack() as endpoints:
        old = _open(source, endpoints)
        old.lock(schemas)
        _check_complete(old, source)
        _check_target(target, old, schemas)
        asyncio.run(_migrate(target, now_ms))
        new = _open(target, endpoints)
        new.lock(schemas)
        _check_complete(new, target)
        _check_empty(new, target, schemas)
        report = TransferReport(tables=tuple(_copy(table, old, new, on_progress) for table in schemas))
        if not report.different:
            new.commit(schemas)
        return report


def _open(place: LedgerFile | LedgerServer, endpoints: ExitStack) -> TransferEndpoint:
    endpoint: TransferEndpoint = (
        SqliteEndpoint(place) if isinstance(place, LedgerFile) else _postgres().PostgresEndpoint(place)
    )
    endpoints.callback(endpoint.close)
    return endpoint


def _postgres() -> ModuleType:
    try:
        from receiver.store.transfer import postgres  # noqa: PLC0415 - psycopg is an extra, which an installation for SQLite lacks
    except ImportError as error:
        raise postgres_missing(error) from error
    return postgres


def _is_same_file(source: LedgerFile | LedgerServer, target: LedgerFile | LedgerServer) -> bool:
    if not (isinstance(source, LedgerFile) and isinstance(target, LedgerFile)):
        return source == target
    if source.path.exists() and target.path.exists():
        return source.path.samefile(target.path)
    return source.path.resolve() == target.path.resolve()


def _check_complete(endpoint: TransferEndpoint, place: LedgerFile | LedgerServer) -> None:
    """Raise TransferRefused unless exactly the migrations of this version were applied to it."""
    known = [name for name, _ in known_migrations()]
    if MIGRATIONS not in endpoint.tables():
        raise TransferRefused(f"there is no ledger in {place}")
    applied = {name for (name,) in endpoint.query(_APPLIED)}
    if missing := [name for name in known if name not in applied]:
        hint = "run `whenfinal migrate` with WHENFINAL_DATABASE_URL set to it first"
        raise TransferRefused(f"the ledger {place} lacks {', '.join(missing)}; {hint}")
    if unknown := sorted(applied.difference(known)):
        hint = "copy it with the version that wrote it"
        raise TransferRefused(
            f"the ledger {place} has had {', '.join(unknown)}, which this version does not know; {hint}"
        )


def _check_target(target: LedgerFile | LedgerServer, old: TransferEndpoint, schemas: Sequence[TableSchema]) -> None:
    """Before anything is written to it: raise TransferRefused when it is the source by another name, or not empty."""
    if isinstance(target, LedgerFile) and not target.path.exists():
        return
    with ExitStack() as endpoints:
        new = _open(target, endpoints)
        number = secrets.randbits(62)
        old.tag(number)
        if new.is_tagged(number):
            raise TransferRefused(f"{target} can not be copied onto itself")
        _check_empty(new, target, schemas)


def _check_empty(new: TransferEndpoint, target: LedgerFile | LedgerServer, schemas: Sequence[TableSchema]) -> None:
    """Raise TransferRefused with what is in it, unless it is as its migrations left it."""
    tables = new.tables() - {MIGRATIONS}
    known = [schema for schema in schemas if schema.name in tables]
    counts = [(schema, new.query(schema.count)[0][0]) for schema in known]
    found = [
        f"{schema.name} ({count} {'row' if count == 1 else 'rows'})"
        for schema, count in counts
        if count > schema.initial_rows
    ]
    if not found and "numbers" in tables and new.query(_USED_NUMBERS)[0][0]:
        found = ["numbers (some were given out)"]
    found += sorted(tables - {schema.name for schema in schemas})
    if found:
        raise TransferRefused(f"{target} is not empty, it holds {', '.join(found)}; copy into a new database")


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


def _copy(table: TableSchema, old: TransferEndpoint, new: TransferEndpoint, on_progress: OnProgress) -> TableComparison:
    """Copy one table, then read the copy back."""
    total = old.query(table.count)[0][0]
    sent = _Digester(lambda done: on_progress(table.name, COPIED, done, total))
    replaced = _Replacer(new.storable)
    new.replace_rows(table, sent.pass_on(replaced.pass_on(old.rows(table))))
    received = _Digester(lambda done: on_progress(table.name, CHECKED, done, total))
    for _ in received.pass_on(new.rows(table)):
        pass
    return TableComparison(table=table.name, source=sent.digest(), target=received.digest(), altered=replaced.count)


class _Replacer:
    """Passes rows on as another kind of database can store them, and counts those that it changes."""

    def __init__(self, storable: Callable[[Cells], Cells]) -> None:
        self.count = 0
        self._storable = storable

    def pass_on(self, rows: Iterable[Cells]) -> Iterator[Cells]:
        for row in rows:
            stored = self._storable(row)
            self.count += stored != row
            yield stored


class _Digester:
    """Passes rows on, counts them and computes their digest."""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._rows = 0
        self._sha256 = hashlib.sha256()
        self._on_progress = on_progress

    def pass_on(self, rows: Iterable[Cells]) -> Iterator[Cells]:
        for row in rows:
            self._rows += 1
            self._sha256.update(repr(row).encode())  # different for None, a number and a text, and delimited
            if self._rows % PROGRESS_EVERY == 0:
                self._on_progress(self._rows)
            yield row
        self._on_progress(self._rows)

    def digest(self) -> TableDigest:
        return TableDigest(rows=self._rows, sha256=self._sha256.hexdigest())
