"""A ledger is copied whole or not at all, between any two kinds of database."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from receiver.runtime.store import open_store
from receiver.store.errors import StoreError, TransferRefused
from receiver.store.migrate import known_migrations
from receiver.store.transfer import postgres, sqlite
from receiver.store.transfer.postgres import TYPES
from receiver.webhooks.model.delivery import DueDelivery
from tests.support.builders import T0, a_report
from tests.support.delivery_fixtures import lease
from tests.support.ledger_fixtures import SCHEMAS, at_row, contents, create, fill, pairs, put, run_on, transferring
from tests.support.pgbouncer import NoPooler, pooled
from tests.support.postgres import Databases
from tests.support.tables import rows_of

ROOT = Path(__file__).parents[3]
MANY = 50_000
MAX_PEAK_BYTES = 10 * 2**20  # the ledger of that test is five times as large

MakeDatabase = Callable[[str], str]
EVERY_DIRECTION = pytest.mark.parametrize(("source", "target"), list(pairs()), indirect=True)
BETWEEN_ENGINES = pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "postgres"), ("postgres", "sqlite")], indirect=True
)


@pytest.fixture
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabase]:
    """Makes the URL of an empty database of a kind."""
    made: list[tuple[Databases, str]] = []
    numbers = count(1)

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'ledger{next(numbers)}.db'}"
        databases: Databases = request.getfixturevalue("databases")
        made.append((databases, databases.make()))
        return made[-1][1]

    yield make
    for databases, url in made:
        databases.drop(url)


@pytest.fixture
async def source(request: pytest.FixtureRequest, make_database: MakeDatabase) -> str:
    """A ledger with rows in every table."""
    url = make_database(request.param)
    await fill(url)
    return url


@pytest.fixture
def target(request: pytest.FixtureRequest, make_database: MakeDatabase, source: str) -> str:
    return make_database(request.param)


@pytest.fixture
def _short_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process is about to close the ledger."""
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT_S", 0.1)


async def test_the_schemas_are_those_of_a_real_postgres(make_database: MakeDatabase) -> None:
    url = make_database("postgres")
    await create(url)
    statement = "SELECT table_name, column_name, udt_name FROM information_schema.columns WHERE table_schema = 'public'"
    real = {row for row in rows_of(url, statement) if row[0] != "migrations"}
    assert real == {(schema.name, column.name, TYPES[column.type]) for schema in SCHEMAS for column in schema.columns}
    assert all(schema.key for schema in SCHEMAS)


@EVERY_DIRECTION
async def test_a_ledger_is_the_same_after_a_transfer_and_its_source_untouched(source: str, target: str) -> None:
    before = contents(source)
    assert [table for table, rows in before.items() if not rows] == []  # every table has rows
    report = await transferring(source, target)
    assert report.different == ()
    assert report.rows == sum(map(len, before.values()))
    assert contents(target) == before == contents(source)


@BETWEEN_ENGINES
async def test_a_service_goes_on_with_the_new_database(source: str, target: str) -> None:
    await transferring(source, target)
    original, copied = [await _due_later(url) for url in (source, target)]
    assert {each.endpoint_id for each in original} == {"sub_1", "sub_2"}
    assert copied == original
    async with open_store(target, clock=lambda: T0, migrating=False, pool_size=2) as store:
        last = await store.events.last_seq()
        assert last == 6
        await store.ledger.record([a_report(provider_task_id="new", allow_adoption=True)], T0 + 1)
        assert [event.seq for event in await store.events.events(last)] == [last + 1]
        assert await store.metadata.get_or_create("signing_key", "another") == "k" * 43


async def _due_later(url: str) -> list[DueDelivery]:
    async with open_store(url, clock=lambda: T0, migrating=False, pool_size=2) as store:
        return await lease(store, now_ms=T0 + 3_600_000)


@BETWEEN_ENGINES
async def test_values_at_their_limits_arrive_as_they_were(source: str, target: str) -> None:
    put(
        source,
        "accounts",
        {"provider": "least", "tokens": 5e-324, "refilled_ms": -(2**63), "paused_until_ms": None, "alarm": ""},
        {"provider": "most", "tokens": 1.7976931348623157e308, "refilled_ms": 2**63 - 1, "alarm": None},
        {"provider": "Ünder_\U0010ffff", "tokens": 0.1 + 0.2},
    )
    put(
        source,
        "metadata",
        {"name": "long", "value": "\U0001f3ac" * 500_000},
        {"name": "Z"},
        {"name": "a"},
        {"name": "é"},
    )
    before = contents(source)
    assert (await transferring(source, target)).different == ()
    assert contents(target) == before


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgres")], indirect=True)
async def test_a_character_that_postgres_cannot_store_is_replaced_and_counted(source: str, target: str) -> None:
    put(source, "audit", {"id": "nul", "detail": "a\x00b"})
    report = await transferring(source, target)
    assert report.different == ()
    assert {each.table: each.altered for each in report.tables if each.altered} == {"audit": 1}
    assert rows_of(target, "SELECT detail FROM audit WHERE id = 'nul'") == [("a\ufffdb",)]


@BETWEEN_ENGINES
async def test_a_large_ledger_streams(source: str, target: str) -> None:
    put(source, "observations", *({"id": f"obs_{n:06}", "raw": f"{n:>1000}"} for n in range(MANY)))
    progress: list[tuple[str, str, int, int]] = []
    tracemalloc.start()
    try:
        report = await transferring(source, target, lambda *step: progress.append(step))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.different == ()
    assert peak < MAX_PEAK_BYTES
    rows = next(each.source.rows for each in report.tables if each.table == "observations")
    assert rows > MANY
    assert ("observations", "copied", rows, rows) in progress
    assert ("observations", "checked", rows, rows) in progress
    assert rows_of(target, "SELECT count(*) FROM observations") == [(rows,)]


@BETWEEN_ENGINES
async def test_a_target_that_is_not_empty_is_refused_and_left_alone(source: str, target: str) -> None:
    await fill(target)
    run_on(target, "DELETE FROM events", "DELETE FROM endpoints")
    before = contents(target)
    with pytest.raises(
        TransferRefused,
        match=r"not empty, it holds accounts \(1 row\), api_keys \(1 row\), attempts .*tasks \(8 rows\)",
    ) as raised:
        await transferring(source, target)
    assert not {"events", "endpoints", "migrations"}.intersection(str(raised.value).replace(",", "").split())
    assert contents(target) == before


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE numbers SET value = 7 WHERE name = 'events'", r"numbers \(some were given out\)"),
        ("CREATE TABLE invoices (a TEXT)", "invoices"),
    ],
)
@BETWEEN_ENGINES
async def test_a_target_with_used_counters_or_other_tables_is_refused(
    source: str, target: str, statement: str, named: str
) -> None:
    await create(target)
    run_on(target, statement)
    with pytest.raises(TransferRefused, match=named):
        await transferring(source, target)


@BETWEEN_ENGINES
async def test_a_target_that_was_only_migrated_and_checked_is_empty(source: str, target: str) -> None:
    async with open_store(target, clock=lambda: T0, migrating=True, pool_size=2) as store:
        await store.check()
    assert (await transferring(source, target)).different == ()
    assert contents(target) == contents(source)


@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
async def test_a_file_is_not_copied_onto_itself_by_any_name(source: str, tmp_path: Path) -> None:
    file = Path(source.removeprefix("sqlite:///"))
    (tmp_path / "other.db").symlink_to(file)
    for other in (source, f"sqlite:///{tmp_path / 'other.db'}", f"sqlite:///{tmp_path}/./{file.name}"):
        with pytest.raises(TransferRefused, match="onto itself"):
            await transferring(source, other)


@pytest.mark.parametrize("source", ["postgres"], indirect=True)
async def test_a_database_is_not_copied_onto_itself_by_any_name(source: str) -> None:
    for other in (source, f"{source}?connect_timeout=9", source.replace("postgresql:", "postgres:")):
        with pytest.raises(TransferRefused, match="onto itself"):
            await transferring(source, other)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_source_without_a_complete_ledger_is_refused_and_left_alone(
    make_database: MakeDatabase, kind: str
) -> None:
    source, target = make_database(kind), make_database("sqlite")
    if kind == "sqlite":
        with pytest.raises(TransferRefused, match="there is no ledger at"):
            await transferring(source, target)
    run_on(source, "CREATE TABLE invoices (a TEXT)")
    with pytest.raises(TransferRefused, match="there is no ledger in"):
        await transferring(source, target)
    await fill(source)
    last = known_migrations()[-1][0]
    run_on(source, f"DELETE FROM migrations WHERE name = '{last}'")
    with pytest.raises(TransferRefused, match=rf"lacks {last}; run `whenfinal migrate`"):
        await transferring(source, target)
    run_on(source, f"INSERT INTO migrations VALUES ('{last}', 1), ('9999_flying', 1)")
    with pytest.raises(TransferRefused, match="9999_flying, which this version does not know"):
        await transferring(source, target)
    assert not Path(target.removeprefix("sqlite:///")).exists()


@pytest.mark.usefixtures("_short_lock_timeout")
@BETWEEN_ENGINES
async def test_a_ledger_in_use_is_refused_at_either_end(source: str, target: str) -> None:
    async with open_store(source, clock=lambda: T0, migrating=False, pool_size=2):
        with pytest.raises(TransferRefused, match="in use; stop every `whenfinal serve`"):
            await transferring(source, target)
    async with open_store(target, clock=lambda: T0, migrating=True, pool_size=2):
        with pytest.raises(TransferRefused, match="in use; stop every `whenfinal serve`"):
            await transferring(source, target)
    assert (await transferring(source, target)).different == ()


@BETWEEN_ENGINES
async def test_nobody_writes_to_the_source_while_it_is_copied(source: str, target: str) -> None:
    refusals: list[str] = []

    def write() -> None:
        for url in (source, target):
            with pytest.raises((sqlite3.OperationalError, psycopg.errors.LockNotAvailable)) as refused:
                run_on(url, "UPDATE numbers SET value = value + 1")
            refusals.append(str(refused.value))

    before = contents(source)
    assert (await transferring(source, target, at_row(1, write))).different == ()
    assert len(refusals) == 2
    assert contents(target) == before
    run_on(source, "UPDATE numbers SET value = value + 1")  # and afterwards it is free


_CORRUPTING = {
    "sqlite": (
        "CREATE TRIGGER spoil AFTER INSERT ON events BEGIN UPDATE events SET body = '' WHERE seq = 3; END",
        "DROP TRIGGER spoil",
    ),
    "postgres": (
        """CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF new.seq = 3 THEN new.body = ''; END IF; RETURN new; END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION spoil()""",
        "DROP TRIGGER spoil ON events",
    ),
}


@BETWEEN_ENGINES
async def test_a_copy_that_is_different_is_rolled_back(source: str, target: str) -> None:
    await create(target)
    empty = contents(target)
    corrupt, repair = _CORRUPTING["sqlite" if target.startswith("sqlite") else "postgres"]
    run_on(target, corrupt)
    report = await transferring(source, target)
    assert report.different == ("events",)
    assert contents(target) == empty
    run_on(target, repair)
    assert (await transferring(source, target)).different == ()


@BETWEEN_ENGINES
async def test_a_transfer_that_was_killed_leaves_an_empty_target_and_may_be_repeated(source: str, target: str) -> None:
    put(source, "observations", *({"id": f"obs_{n:06}", "raw": "x" * 1000} for n in range(5000)))
    command = [sys.executable, "-m", "tests.support.ledger_fixtures", json.dumps([source, target])]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert await asyncio.to_thread(running.stdout.readline) == b"halfway\n"
        running.send_signal(signal.SIGKILL)
        assert running.wait(30) == -signal.SIGKILL
    assert (await transferring(source, target)).different == ()
    assert contents(target) == contents(source)


@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
async def test_a_ledger_is_copied_through_a_pooler_and_back(source: str, make_database: MakeDatabase) -> None:
    back = make_database("sqlite")
    try:
        with pooled(make_database("postgres")) as pooler:
            assert (await transferring(source, pooler)).different == ()
            assert (await transferring(pooler, back)).different == ()
            with pytest.raises(TransferRefused, match="onto itself"):
                await transferring(pooler, f"{pooler}?connect_timeout=9")
    except NoPooler as error:
        pytest.skip(str(error))
    assert contents(back) == contents(source)


async def test_a_database_that_cannot_be_opened_is_named_without_its_password(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    source = make_database("sqlite")
    await fill(source)
    (tmp_path / "notes.txt").write_text("no database" * 200)
    for target, words in (
        ("postgresql://ann:hidden-word@127.0.0.1:1/db", "database db at 127.0.0.1:1"),
        ("postgresql://ann:hidden-word@127.0.0.1/db?sort=5", "database db at 127.0.0.1: its URL is not one"),
        (f"sqlite:///{tmp_path / 'notes.txt'}", "notes.txt: file is not a database"),
        (f"sqlite:///{tmp_path / 'no' / 'folder.db'}", r"folder\.db: unable to open"),
    ):
        with pytest.raises(StoreError, match=words) as raised:
            await transferring(source, target)
        assert "hidden-word" not in str(raised.value)
