"""The server of a ledger on Postgres: how it is reached, what it must be, and what it says of an error."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from receiver.store.engine import EngineFacts
from receiver.store.errors import StoreError

OLDEST_SERVER = 14

CONNECT_S = 5

#: A dead server is noticed within seconds. Options in the user's URL override these.
_CONNECTION_OPTIONS: Mapping[str, str | int] = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "fallback_application_name": "whenfinal",
    "client_encoding": "utf8",
}


def conninfo_of(url: str) -> str:
    """Raise StoreError without the message of the library, which may repeat the password."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreError("its URL is not one that Postgres understands") from None
    return make_conninfo("", **{**_CONNECTION_OPTIONS, **given})


def check_server(connection: psycopg.BaseConnection[Any]) -> None:
    """Raise StoreError for a server or database that can not hold a ledger."""
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise StoreError(f"its server is Postgres {version}; it must be {OLDEST_SERVER} or newer")
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding != "UTF8":
        raise StoreError(f"its encoding is {encoding}; it must be UTF8 (create it with: ENCODING 'UTF8')")


async def facts_of(connection: psycopg.AsyncConnection[dict[str, Any]]) -> EngineFacts:
    """The size is that of the files of the database, of which the server keeps no sum; it adds up a few hundred."""
    cursor = await connection.execute("SELECT pg_database_size(current_database()) AS size")
    row = await cursor.fetchone() or {}
    version = connection.info.parameter_status("server_version") or "unknown"
    return EngineFacts(name="Postgres", version=version.split()[0], database_bytes=int(row.get("size") or 0))


def message_of(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
