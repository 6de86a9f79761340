"""The tables that the migrations create, and the statements over a whole table that follow from its schema.

The migrations are run on an empty database in memory, whose tables are then read.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from receiver.store.migrate import known_migrations

#: A row of any table.
Cells = tuple[Any, ...]

MIGRATIONS = "migrations"  # not transferred: the target has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`type` is as in the migrations."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """A table, with statements over all its rows.

    `key`: the columns of the primary key, in its order. `initial_rows`: how many rows the migrations insert.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    initial_rows: int

    @property
    def quoted(self) -> str:
        return quote(self.name)

    @property
    def count(self) -> str:
        return f"SELECT count(*) FROM {self.quoted}"  # noqa: S608 - names of our own migrations, quoted

    @property
    def clear(self) -> str:
        return f"DELETE FROM {self.quoted}"  # noqa: S608 - names of our own migrations, quoted

    @property
    def select(self) -> str:
        """All rows in the order of the primary key."""
        order = ", ".join(map(quote, self.key))
        return f"SELECT {self._columns} FROM {self.quoted} ORDER BY {order}"  # noqa: S608 - names of our own migrations, quoted

    @property
    def insert(self) -> str:
        """One row, for SQLite."""
        marks = ", ".join("?" for _ in self.columns)
        return f"INSERT INTO {self.quoted} ({self._columns}) VALUES ({marks})"  # noqa: S608 - names of our own migrations, quoted

    @property
    def copy_out(self) -> str:
        """All rows in the order of the primary key, for Postgres."""
        return f"COPY ({self.select}) TO STDOUT"

    @property
    def copy_in(self) -> str:
        """Many rows, for Postgres."""
        return f"COPY {self.quoted} ({self._columns}) FROM STDIN"

    @property
    def _columns(self) -> str:
        return ", ".join(quote(column.name) for column in self.columns)


def quote(name: str) -> str:
    """An identifier in both dialects."""
    return '"' + name.replace('"', '""') + '"'


def table_schemas() -> tuple[TableSchema, ...]:
    """Of all tables that the migrations create, by name."""
    with closing(sqlite3.connect(":memory:")) as database:
        for _, script in known_migrations():
            database.executescript(script)
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return tuple(_schema(database, name) for (name,) in names.fetchall())


def _schema(database: sqlite3.Connection, name: str) -> TableSchema:
    found = database.execute("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", (name,)).fetchall()
    key = sorted((place, column) for column, _, place in found if place)
    schema = TableSchema(
        name=name,
        columns=tuple(Column(name=column, type=kind) for column, kind, _ in found),
        key=tuple(column for _, column in key),
        initial_rows=0,
    )
    (initial_rows,) = database.execute(schema.count).fetchone()
    return TableSchema(name=name, columns=schema.columns, key=schema.key, initial_rows=initial_rows)
