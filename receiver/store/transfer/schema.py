"""The tables that the migrations make, and the statements over a whole table that follow from its shape.

Nothing of it is written by hand: the migrations are run on an empty database in memory, which is then asked.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from receiver.store.migrate import known_migrations

MIGRATIONS = "migrations"  # the one table that a ledger makes for itself and does not hand on


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`type` as the migrations write it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """`key`: names of the primary key in its order. `born_with`: rows that the migrations themselves insert."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    born_with: int

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
        return f"SELECT {self._columns} FROM {self.quoted} ORDER BY {order}"  # noqa: S608 - see above

    @property
    def insert(self) -> str:
        """One row, for SQLite."""
        marks = ", ".join("?" for _ in self.columns)
        return f"INSERT INTO {self.quoted} ({self._columns}) VALUES ({marks})"  # noqa: S608 - see above

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


def table_shapes() -> tuple[TableShape, ...]:
    """By name."""
    with closing(sqlite3.connect(":memory:")) as made:
        for _, script in known_migrations():
            made.executescript(script)
        names = made.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return tuple(_shape(made, name) for (name,) in names.fetchall())


def _shape(made: sqlite3.Connection, name: str) -> TableShape:
    found = made.execute("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", (name,)).fetchall()
    key = sorted((place, column) for column, _, place in found if place)
    shape = TableShape(
        name=name,
        columns=tuple(Column(name=column, type=kind) for column, kind, _ in found),
        key=tuple(column for _, column in key),
        born_with=0,
    )
    (born_with,) = made.execute(shape.count).fetchone()
    return TableShape(name=name, columns=shape.columns, key=shape.key, born_with=born_with)
