"""Which commits wait for the disk, on both engines."""

from receiver.runtime.store import Store
from receiver.store.postgres import PostgresTx
from receiver.store.sqlite_writer import SqliteTx

FULL, NORMAL = 2, 1  # of SQLite's `synchronous`


async def waits_for_the_disk(store: Store, *, is_durable: bool) -> bool:
    async def work(tx: object) -> bool:
        if isinstance(tx, PostgresTx):
            rows = await (await tx._connection.execute("SHOW synchronous_commit")).fetchall()
            return rows[0] == {"synchronous_commit": "on"}
        assert isinstance(tx, SqliteTx)
        row = await tx._call(lambda: tx._connection.execute("PRAGMA synchronous").fetchone())
        assert row[0] in (FULL, NORMAL)
        return bool(row[0] == FULL)

    return await store.engine.write(work, is_durable=is_durable)


async def test_a_commit_waits_for_the_disk_unless_it_needs_not_to(store: Store) -> None:
    asked = [True, False, False, True, False, True]
    assert [await waits_for_the_disk(store, is_durable=each) for each in asked] == asked
