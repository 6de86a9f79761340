"""Migrations: numbered SQL files, forward only, each applied once in a transaction that locks the schema.

Applied ones are recorded by file name, so that two branches that both add a fourth one can be merged.
"""

import sqlite3
from collections.abc import Iterator

from receiver.store.engine import Engine, Tx
from receiver.store.errors import SchemaAhead, SchemaBehind
from receiver.store.scripts import sql_files


def known_migrations() -> tuple[tuple[str, str], ...]:
    """(name, SQL) in the order in which they are applied."""
    return tuple((file.stem, file.read_text(encoding="utf-8")) for file in sql_files("migrations"))


async def _missing(tx: Tx) -> list[tuple[str, str]]:
    """Raise SchemaAhead for a database of a newer version: what that has changed, this one would not keep."""
    await tx.lock_schema()
    await tx.execute("open_migrations")
    applied = {row["name"] for row in await tx.fetch_all("applied_migrations")}
    known = known_migrations()
    if unknown := applied.difference(name for name, _ in known):
        raise SchemaAhead(tuple(sorted(unknown)))
    return [(name, script) for name, script in known if name not in applied]


async def applied_migrations(engine: Engine) -> list[str]:
    """Names of what was applied to the database, in the order in which it is applied."""
    rows = await engine.read(lambda reader: reader.fetch_all("applied_migrations"))
    return sorted(row["name"] for row in rows)


async def check_schema(engine: Engine) -> None:
    """Raise SchemaBehind when a migration of this program was not applied to the database, or SchemaAhead."""
    missing = await engine.write(_missing)
    if missing:
        raise SchemaBehind(tuple(name for name, _ in missing))


async def migrate(engine: Engine, now_ms: int) -> tuple[str, ...]:
    """Apply what is missing; return the names of what this call applied. Several processes may call it at once.

    Raise SchemaAhead for a database of a newer version, and change nothing.
    """

    async def apply_next(tx: Tx) -> str | None:
        for name, script in await _missing(tx):
            await tx.run_script(script)
            await tx.execute("insert_migration", name=name, now_ms=now_ms)
            return name
        return None

    applied = []
    while (name := await engine.write(apply_next)) is not None:
        applied.append(name)
    return tuple(applied)


def split_script(script: str) -> Iterator[str]:
    """Its statements, each with the comments before it."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
