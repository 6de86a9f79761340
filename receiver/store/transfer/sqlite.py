"""A SQLite file as one end of a move. Others have it open or they have not: with the file, that can be known."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from receiver.store.errors import StoreError, TransferRefused
from receiver.store.transfer.schema import TableShape
from receiver.store.url import LedgerFile

Cells = tuple[Any, ...]

PATIENCE_S = 5.0  # for those who are about to leave


class SqliteEnd:
    """Never makes a file."""

    def __init__(self, place: LedgerFile) -> None:
        self._place = place
        with self._named():
            address = f"{place.path.absolute().as_uri()}?mode=rw"
            self._file = sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE_S)

    def hold(self, tables: Sequence[TableShape]) -> None:
        with self._named():
            # The lock on the whole file that this asks for is refused while anyone else as much as has it open.
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("BEGIN IMMEDIATE")

    def mark(self, number: int) -> None:
        """Files are told apart without."""

    def is_marked(self, number: int) -> bool:
        return False

    def tables(self) -> set[str]:
        asked = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        return {name for (name,) in self.ask(asked)}

    def ask(self, question: str) -> list[Cells]:
        with self._named():
            return self._file.execute(question).fetchall()

    def storable(self, row: Cells) -> Cells:
        return row

    def rows(self, table: TableShape) -> Iterator[Cells]:
        with self._named():
            yield from self._file.execute(table.select)

    def fill(self, table: TableShape, rows: Iterable[Cells]) -> None:
        with self._named():
            self._file.execute(table.clear)
            self._file.executemany(table.insert, rows)

    def commit(self, tables: Sequence[TableShape]) -> None:
        with self._named():
            self._file.execute("COMMIT")

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise TransferRefused(in_use(self._place)) from error
            raise StoreError(f"the ledger {self._place}: {error}") from error


def in_use(place: object) -> str:
    return f"the ledger {place} is in use; stop every `whenfinal serve`, `web` and `worker` on it first"
