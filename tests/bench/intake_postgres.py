"""How does intake on Postgres compare with SQLite, with one `web` process and with two?

All processes share all cores, because one core for two `web` and the database would measure only that core.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import psycopg

from tests.bench.case import Arm, CannotMeasure, Case, Check, Found, Options, by_turns
from tests.bench.checks import at_least, shown
from tests.bench.takers import Ledger, no_op, place, service
from tests.support.postgres import DURABLE, Databases, NoServer, own_server

ROUNDS, QUICK_ROUNDS = 5, 3
OF_SQLITE = 1.0  # with two processes
CONNECTIONS = 64
CALLBACKS, OF_NOOP = 2000, 8000  # of an arm in a round
WEBS = (1, 2)


def measure(options: Options) -> Found:
    rounds, part = (QUICK_ROUNDS, 2) if options.is_quick else (ROUNDS, 1)
    with ExitStack() as stack:
        databases, pids = stack.enter_context(durable_databases())
        at = stack.enter_context(place(cores_are_shared=True))
        options.say("filling the ledgers and starting the servers")
        tasks = rounds * CALLBACKS // part
        noop = stack.enter_context(no_op(at))
        takers = [stack.enter_context(service(at, name="SQLite, 1 web", tasks=tasks))]
        for webs in WEBS:
            url = databases.make()
            stack.callback(databases.drop, url)
            ledger = Ledger(url=url, query=_query, pids=pids)
            opened = service(at, name=f"Postgres, {webs} web", tasks=tasks, ledger=ledger, webs=webs)
            takers.append(stack.enter_context(opened))
        options.say("measuring")
        arms = [(Arm(name=noop.name), partial(noop.take_new, OF_NOOP // part, CONNECTIONS))]
        arms += [(Arm(name=each.name), partial(each.take_new, CALLBACKS // part, CONNECTIONS)) for each in takers]
        by_turns(arms, rounds=rounds, on_round=options.on_round)
        server = _server(databases.url)
    return _found([arm for arm, _ in arms], server)


def _found(arms: Sequence[Arm], server: str) -> Found:
    _, sqlite, one, two = arms
    checks = (
        at_least("of SQLite with 2 web processes", two.ratio_to(sqlite), OF_SQLITE),
        shown("of SQLite with 1 web process", one.ratio_to(sqlite)),
        Check(what="Postgres", measured=server, target="", is_met=None),
    )
    return Found(arms=arms, checks=checks)


@contextmanager
def durable_databases() -> Iterator[tuple[Databases, Sequence[int]]]:
    """Databases whose commits reach the disk, and the process of their server where it is ours.

    Raise CannotMeasure when there is no Postgres.
    """
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield Databases(url=url), ()
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(own_server(DURABLE))
        except NoServer as error:
            raise CannotMeasure(str(error)) from error
        yield Databases(url=server.url), (server.pid,)


def _query(url: str, statement: str) -> Sequence[int]:
    with closing(psycopg.connect(url)) as connection:
        return tuple(connection.execute(statement.encode()).fetchone() or ())


def _server(url: str) -> str:
    """What decides whether its numbers mean anything."""
    with closing(psycopg.connect(url)) as connection:
        names = ("server_version", "fsync", "synchronous_commit")
        found = {name: (connection.execute(f"SHOW {name}".encode()).fetchone() or ("",))[0] for name in names}
    return ", ".join(f"{name} {value}" for name, value in found.items())


CASE = Case(
    name="intake_postgres",
    title="new callbacks into Postgres and into SQLite",
    measure=measure,
)
