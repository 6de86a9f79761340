"""A Postgres database as an endpoint of a transfer: one connection, one transaction, rows by COPY."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from receiver.store.errors import StoreError, TransferRefused
from receiver.store.postgres import PostgresEngine, open_postgres
from receiver.store.postgres_server import check_server, conninfo_of, message_of
from receiver.store.transfer.schema import Cells, TableSchema
from receiver.store.transfer.sqlite import LOCK_TIMEOUT_S, in_use
from receiver.store.url import LedgerServer

#: What Postgres calls the types of the migrations.
TYPES = {"TEXT": "text", "INTEGER": "int4", "BIGINT": "int8", "DOUBLE PRECISION": "float8"}

#: For this transaction only. It may take any time while this machine is reachable; waiting for a lock may not.
_LIMITS = """SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true), set_config('tcp_keepalives_idle', '30', true),
    set_config('tcp_keepalives_interval', '10', true), set_config('tcp_keepalives_count', '3', true)"""

_LIMIT_SINCE_17 = "SELECT set_config('transaction_timeout', '0', true)"

#: The `application_name` of each connection of a transfer. That of services is another one, so they can be counted.
TRANSFER_NAME = "whenfinal migrate"

SERVICE_NAME = "whenfinal"

_OTHER_CONNECTIONS = """SELECT count(*), pg_stat_clear_snapshot() FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()"""


async def open_for_schema(place: LedgerServer) -> PostgresEngine:
    """An engine to migrate with; its connection has the name of a transfer, not of a service."""
    return await open_postgres(_with_own_name(conninfo_of(place.url)), pool_size=1)


def _with_own_name(conninfo: str) -> str:
    return make_conninfo(conninfo, application_name=TRANSFER_NAME)


class PostgresEndpoint:
    def __init__(self, place: LedgerServer) -> None:
        self._place = place
        with self._store_errors_named():
            given = conninfo_of(place.url)
        self._services = str(conninfo_to_dict(given).get("application_name") or SERVICE_NAME)
        with self._errors_named():
            self._server = psycopg.connect(_with_own_name(given), autocommit=True, prepare_threshold=None)
        try:
            with self._store_errors_named():
                check_server(self._server)
        except BaseException:
            self._server.close()
            raise

    def lock(self, tables: Sequence[TableSchema]) -> None:
        with self._errors_named():
            self._server.execute("BEGIN")
            self._server.execute(_LIMITS)
            if self._server.info.server_version >= 170_000:
                self._server.execute(_LIMIT_SINCE_17)
            self._wait_for_other_connections()
            existing = self.tables()
            names = ", ".join(table.quoted for table in tables if table.name in existing)
            if names:
                self._server.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE".encode())

    def _wait_for_other_connections(self) -> None:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while count := self._other_connections():
            if time.monotonic() > deadline:
                pooled = "a pooler keeps their connections open for some minutes more"
                raise TransferRefused(f"{in_use(self._place)} ({count} connections; {pooled})")
            time.sleep(0.1)

    def _other_connections(self) -> int:
        return int((self._server.execute(_OTHER_CONNECTIONS, (self._services,)).fetchone() or (0,))[0])

    def tag(self, number: int) -> None:
        with self._errors_named():
            self._server.execute("SELECT pg_advisory_xact_lock(%s)", (number,))

    def is_tagged(self, number: int) -> bool:
        with self._errors_named():
            row = self._server.execute("SELECT pg_try_advisory_xact_lock(%s)", (number,)).fetchone()
            return row == (False,)

    def tables(self) -> set[str]:
        return {name for (name,) in self.query("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}

    def query(self, statement: str) -> list[Cells]:
        with self._errors_named():
            return self._server.execute(statement.encode()).fetchall()

    def storable(self, row: Cells) -> Cells:
        """With U+FFFD instead of NUL, as in `receiver.store.postgres`."""
        if not any(isinstance(cell, str) and "\x00" in cell for cell in row):
            return row
        return tuple(cell.replace("\x00", "\ufffd") if isinstance(cell, str) else cell for cell in row)

    def rows(self, table: TableSchema) -> Iterator[Cells]:
        with self._errors_named(), self._server.cursor() as cursor, cursor.copy(table.copy_out.encode()) as copy:
            copy.set_types([TYPES[column.type] for column in table.columns])
            yield from copy.rows()

    def replace_rows(self, table: TableSchema, rows: Iterable[Cells]) -> None:
        with self._errors_named(), self._server.cursor() as cursor:
            cursor.execute(table.clear.encode())
            with cursor.copy(table.copy_in.encode()) as copy:
                for row in rows:
                    copy.write_row(row)

    def commit(self, tables: Sequence[TableSchema]) -> None:
        with self._errors_named():
            for table in tables:
                self._server.execute(f"ANALYZE {table.quoted}".encode())  # the first queries need it
            self._server.execute("COMMIT")

    def close(self) -> None:
        self._server.close()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except errors.LockNotAvailable as error:
            raise TransferRefused(in_use(self._place)) from error
        except psycopg.Error as error:
            raise StoreError(f"the ledger {self._place}: {message_of(error)}") from None

    @contextmanager
    def _store_errors_named(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            raise StoreError(f"the ledger {self._place}: {error}") from error
