"""A SQLite file as an endpoint of a transfer. Its lock also shows whether another process has the file open."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from receiver.store.errors import StoreError, TransferRefused
from receiver.store.transfer.schema import Cells, TableSchema
from receiver.store.url import LedgerFile

LOCK_TIMEOUT_S = 5.0  # how long it waits for processes that are about to close the ledger


class SqliteEndpoint:
    """Opens an existing file; never creates one."""

    def __init__(self, place: LedgerFile) -> None:
        self._place = place
        with self._errors_named():
            address = f"{place.path.absolute().as_uri()}?mode=rw"
            self._file = sqlite3.connect(address, uri=True, isolation_level=None, timeout=LOCK_TIMEOUT_S)

    def lock(self, tables: Sequence[TableSchema]) -> None:
        with self._errors_named():
            # This takes a lock on the whole file, which is refused while another process has the file open.
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("BEGIN IMMEDIATE")

    def tag(self, number: int) -> None:
        """Nothing to do: two names of one file are recognised by the file itself."""

    def is_tagged(self, number: int) -> bool:
        return False

    def tables(self) -> set[str]:
        statement = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        return {name for (name,) in self.query(statement)}

    def query(self, statement: str) -> list[Cells]:
        with self._errors_named():
            return self._file.execute(statement).fetchall()

    def storable(self, row: Cells) -> Cells:
        return row

    def rows(self, table: TableSchema) -> Iterator[Cells]:
        with self._errors_named():
            yield from self._file.execute(table.select)

    def replace_rows(self, table: TableSchema, rows: Iterable[Cells]) -> None:
        with self._errors_named():
            self._file.execute(table.clear)
            self._file.executemany(table.insert, rows)

    def commit(self, tables: Sequence[TableSchema]) -> None:
        with self._errors_named():
            self._file.execute("COMMIT")

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise TransferRefused(in_use(self._place)) from error
            raise StoreError(f"the ledger {self._place}: {error}") from error


def in_use(place: object) -> str:
    return f"the ledger {place} is in use; stop every `whenfinal serve`, `web` and `worker` on it first"
