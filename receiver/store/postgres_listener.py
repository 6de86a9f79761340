"""Hearing what other processes commit: LISTEN on a connection of its own, for as long as the process runs.

What is heard is only a hint to look, and whoever must see everything looks now and then without one. The connection may
not be the one that transactions take: a pooler in transaction mode would give it to others between two statements.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import psycopg
import structlog

from receiver.store.errors import StoreUnavailable

log = structlog.get_logger(__name__)

CHANNEL = "whenfinal"

ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', %(word)s)"

FIRST_PAUSE_S = 0.1  # before it connects anew

LONGEST_PAUSE_S = 15.0

READY_S = 20.0  # to connect and to hear the proof

PROOF_S = 5.0

_PROOF = "?"  # how a word begins that is no news

Ear = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]]


class PostgresListener:
    """`ear` opens a connection that listens. `say` sends a word the way that announcements take, for a proof.

    `own` is the word of this process's transactions, who ring for themselves. `on_news` is called for every other, and
    once after each time that listening begins: something may have been missed.
    """

    def __init__(
        self, *, ear: Ear, say: Callable[[str], Awaitable[None]], own: str, on_news: Callable[[], None]
    ) -> None:
        self._ear = ear
        self._say = say
        self._own = own
        self._on_news = on_news
        self._is_live = False
        self._complained = False
        self._pause_s = FIRST_PAUSE_S

    @property
    def is_live(self) -> bool:
        return self._is_live

    async def run(self) -> None:
        """Until cancelled. What goes wrong is said in one line, and then not again until it has gone well."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, there is polling, and the next try
                self._complain(error)
            # Nodes that lost the same server must not come back in step.
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1))  # noqa: S311 - no secret hangs on it
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        """Until the connection is lost."""
        async with asyncio.timeout(READY_S) as limit, self._ear() as connection:
            await self._prove(connection)
            limit.reschedule(None)
            self._is_live, self._complained, self._pause_s = True, False, FIRST_PAUSE_S
            log.info("listening")
            try:
                self._on_news()
                await self._hear(connection)
            finally:
                self._is_live = False

    async def _hear(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async with aclosing(connection.notifies()) as heard:
            async for each in heard:
                if each.payload != self._own and not each.payload.startswith(_PROOF):
                    self._on_news()

    async def _prove(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """A pooler takes LISTEN and never tells, and another database takes it too: only what arrives is a proof."""
        word = f"{_PROOF}{secrets.token_hex(8)}"
        await self._say(word)
        async with aclosing(connection.notifies(timeout=PROOF_S)) as heard:
            async for each in heard:
                if each.payload == word:
                    return
        await connection.execute("UNLISTEN *")  # what a pooler gives to others should not listen for us
        raise StoreUnavailable(
            "what is announced does not arrive: it is another database, or a pooler is in between; set"
            " WHENFINAL_DATABASE_LISTEN_URL to the server itself"
        )

    def _complain(self, error: Exception) -> None:
        if self._complained:
            return
        self._complained = True
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        log.warning("not_listening", error=words or type(error).__name__, instead="polling")
