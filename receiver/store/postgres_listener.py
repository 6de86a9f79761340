"""Receive what other processes commit: LISTEN on a connection of its own, for as long as the process runs.

An announcement only says that there may be something new; every consumer also polls. The connection is not one of the
pool's, because a pooler in transaction mode would give it to others between two statements.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import psycopg
import structlog

from receiver.store.errors import StoreUnavailable

log = structlog.get_logger(__name__)

CHANNEL = "whenfinal"

ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', %(payload)s)"

FIRST_PAUSE_S = 0.1  # before it connects again

LONGEST_PAUSE_S = 15.0

CONNECT_TIMEOUT_S = 20.0  # to connect and to verify the channel

VERIFY_TIMEOUT_S = 5.0

_VERIFY_PREFIX = "?"  # begins payloads that announce nothing

Connect = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]]


class PostgresListener:
    """Calls `on_commit` for each announcement of another process, and once each time that listening begins.

    The latter because announcements may have been missed before. `connect` opens a connection that listens. `announce`
    sends a payload the way that transactions do. `node_id` is the payload of this process's own transactions.
    """

    def __init__(
        self,
        *,
        connect: Connect,
        announce: Callable[[str], Awaitable[None]],
        node_id: str,
        on_commit: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._announce = announce
        self._node_id = node_id
        self._on_commit = on_commit
        self._is_live = False
        self._has_warned = False
        self._pause_s = FIRST_PAUSE_S

    @property
    def is_live(self) -> bool:
        return self._is_live

    async def run(self) -> None:
        """Listen until cancelled. Log one warning when listening fails, and no more until it has succeeded again."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and tried again; consumers poll meanwhile
                self._warn(error)
            # Random, because nodes that lost the same server must not come back at the same time.
            await asyncio.sleep(self._pause_s * secrets.SystemRandom().uniform(0.5, 1))
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        """Until the connection is lost."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S) as limit, self._connect() as connection:
            await self._verify_channel(connection)
            limit.reschedule(None)
            self._is_live, self._has_warned, self._pause_s = True, False, FIRST_PAUSE_S
            log.info("listening")
            try:
                self._on_commit()
                await self._receive(connection)
            finally:
                self._is_live = False

    async def _receive(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async with aclosing(connection.notifies()) as received:
            async for each in received:
                if each.payload != self._node_id and not each.payload.startswith(_VERIFY_PREFIX):
                    self._on_commit()

    async def _verify_channel(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Send a payload and wait for it, because a pooler or another database accepts LISTEN and delivers nothing."""
        payload = f"{_VERIFY_PREFIX}{secrets.token_hex(8)}"
        await self._announce(payload)
        async with aclosing(connection.notifies(timeout=VERIFY_TIMEOUT_S)) as received:
            async for each in received:
                if each.payload == payload:
                    return
        await connection.execute("UNLISTEN *")  # a pooler gives the connection to others, which must not listen
        raise StoreUnavailable(
            "announcements do not arrive: it is another database, or a pooler is in between; set"
            " WHENFINAL_DATABASE_LISTEN_URL to the server itself"
        )

    def _warn(self, error: Exception) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        message = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        log.warning("not_listening", error=message or type(error).__name__, instead="polling")
