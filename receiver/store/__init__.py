"""The database: engines, named statements, migrations, ids, rows, the audit, retention, and the copy between engines.

Repositories of the capabilities call it; it knows none of them. An `Engine` (`sqlite`, `postgres`; opened by `open`)
runs one function in one transaction: `write` returns when the transaction is durable, and raises StoreUnavailable when
nothing was committed. The function may run again from its start, and a cancelled caller does not cut it in half.

Statements have names and stand once, in `queries/<capability>.sql`, in the dialect that both engines share. Rows become
dataclasses by a `RowCodec`. Migrations are numbered SQL files, forward only. Ids are made in Python and sort by time;
times are unix milliseconds given by the caller, never the clock of the database; JSON is text.

`record_audit` writes into the caller's transaction. Verbs of `ProviderAccountRepository`, `MetadataRepository` and
`RetentionRepository` are one transaction each.
"""
