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

from receiver.runtime.services import open_store
from receiver.store.errors import StoreError, TransferRefused
from receiver.store.migrate import known_migrations
from receiver.store.transfer import postgres, sqlite
from receiver.store.transfer.postgres import TYPES
from receiver.webhooks.model.delivery import DueDelivery
from tests.support.builders import T0, a_report
from tests.support.delivery_fixtures import lease
from tests.support.ledger_fixtures import SHAPES, contents, found, furnish, moving, pairs, pausing, put, run_on
from tests.support.pgbouncer import NoPooler, pooled
from tests.support.postgres import Databases
from tests.support.tables import rows_of

ROOT = Path(__file__).parents[3]
MANY = 50_000
MAX_PEAK_BYTES = 10 * 2**20  # the ledger of that test is five times as large

House = Callable[[str], str]
EVERY_WAY = pytest.mark.parametrize(("source", "target"), list(pairs()), indirect=True)
BOTH_CHANGE = pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "postgres"), ("postgres", "sqlite")], indirect=True
)


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Makes the URL of an empty database of a kind."""
    made: list[tuple[Databases, str]] = []
    numbers = count(1)

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'house{next(numbers)}.db'}"
        databases: Databases = request.getfixturevalue("databases")
        made.append((databases, databases.make()))
        return made[-1][1]

    yield make
    for databases, url in made:
        databases.drop(url)


@pytest.fixture
async def source(request: pytest.FixtureRequest, house: House) -> str:
    """A furnished one."""
    url = house(request.param)
    await furnish(url)
    return url


@pytest.fixture
def target(request: pytest.FixtureRequest, house: House, source: str) -> str:
    return house(request.param)


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is about to leave."""
    monkeypatch.setattr(sqlite, "PATIENCE_S", 0.1)
    monkeypatch.setattr(postgres, "PATIENCE_S", 0.1)


async def test_the_shapes_are_those_of_a_real_postgres(house: House) -> None:
    url = house("postgres")
    await found(url)
    asked = "SELECT table_name, column_name, udt_name FROM information_schema.columns WHERE table_schema = 'public'"
    real = {row for row in rows_of(url, asked) if row[0] != "migrations"}
    assert real == {(shape.name, column.name, TYPES[column.type]) for shape in SHAPES for column in shape.columns}
    assert all(shape.key for shape in SHAPES)


@EVERY_WAY
async def test_a_ledger_is_the_same_after_a_move_and_its_source_untouched(source: str, target: str) -> None:
    before = contents(source)
    assert [table for table, rows in before.items() if not rows] == []  # every table is tried
    moved = await moving(source, target)
    assert moved.different == ()
    assert moved.rows == sum(map(len, before.values()))
    assert contents(target) == before == contents(source)


@BOTH_CHANGE
async def test_a_service_goes_on_in_the_new_house(source: str, target: str) -> None:
    await moving(source, target)
    left, found_again = [await _due_later(url) for url in (source, target)]
    assert {each.lane for each in left} == {"sub_1", "sub_2"}
    assert found_again == left
    async with open_store(target, clock=lambda: T0, migrating=False, pool_size=2) as store:
        last = await store.events.last_seq()
        assert last == 6
        await store.ledger.record([a_report(provider_task_id="new", allow_adoption=True)], T0 + 1)
        assert [event.seq for event in await store.events.events(last)] == [last + 1]
        assert await store.metadata.keep("signing_key", "another") == "k" * 43


async def _due_later(url: str) -> list[DueDelivery]:
    async with open_store(url, clock=lambda: T0, migrating=False, pool_size=2) as store:
        return await lease(store, now_ms=T0 + 3_600_000)


@BOTH_CHANGE
async def test_values_at_their_limits_arrive_as_they_were(source: str, target: str) -> None:
    put(
        source,
        "accounts",
        {"provider": "least", "tokens": 5e-324, "refilled_ms": -(2**63), "paused_until_ms": None, "alarm": ""},
        {"provider": "most", "tokens": 1.7976931348623157e308, "refilled_ms": 2**63 - 1, "alarm": None},
        {"provider": "Ünder_\U0010ffff", "tokens": 0.1 + 0.2},
    )
    put(source, "kept", {"name": "long", "value": "\U0001f3ac" * 500_000}, {"name": "Z"}, {"name": "a"}, {"name": "é"})
    before = contents(source)
    assert (await moving(source, target)).different == ()
    assert contents(target) == before


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgres")], indirect=True)
async def test_a_letter_that_postgres_can_not_hold_is_replaced_and_counted(source: str, target: str) -> None:
    put(source, "audit", {"id": "nul", "detail": "a\x00b"})
    moved = await moving(source, target)
    assert moved.different == ()
    assert {each.table: each.altered for each in moved.tables if each.altered} == {"audit": 1}
    assert rows_of(target, "SELECT detail FROM audit WHERE id = 'nul'") == [("a\ufffdb",)]


@BOTH_CHANGE
async def test_a_large_ledger_streams(source: str, target: str) -> None:
    put(source, "observations", *({"id": f"obs_{n:06}", "raw": f"{n:>1000}"} for n in range(MANY)))
    reports: list[tuple[str, str, int, int]] = []
    tracemalloc.start()
    try:
        moved = await moving(source, target, lambda *told: reports.append(told))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert moved.different == ()
    assert peak < MAX_PEAK_BYTES
    rows = next(each.source.rows for each in moved.tables if each.table == "observations")
    assert rows > MANY
    assert ("observations", "copied", rows, rows) in reports
    assert ("observations", "checked", rows, rows) in reports
    assert rows_of(target, "SELECT count(*) FROM observations") == [(rows,)]


@BOTH_CHANGE
async def test_a_target_that_is_not_empty_is_refused_and_left_alone(source: str, target: str) -> None:
    await furnish(target)
    run_on(target, "DELETE FROM events", "DELETE FROM lanes")
    before = contents(target)
    with pytest.raises(
        TransferRefused, match=r"not empty, it holds accounts \(1 rows\), attempts .*tasks \(7 rows\)"
    ) as told:
        await moving(source, target)
    assert not {"events", "lanes", "migrations"}.intersection(str(told.value).replace(",", "").split())
    assert contents(target) == before


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE counters SET value = 7 WHERE name = 'events'", r"counters \(numbers were given out\)"),
        ("CREATE TABLE invoices (a TEXT)", "invoices"),
    ],
)
@BOTH_CHANGE
async def test_numbers_given_out_and_tables_of_others_are_something(
    source: str, target: str, statement: str, named: str
) -> None:
    await found(target)
    run_on(target, statement)
    with pytest.raises(TransferRefused, match=named):
        await moving(source, target)


@BOTH_CHANGE
async def test_a_target_that_was_only_migrated_and_looked_at_is_empty(source: str, target: str) -> None:
    async with open_store(target, clock=lambda: T0, migrating=True, pool_size=2) as store:
        await store.check()
    assert (await moving(source, target)).different == ()
    assert contents(target) == contents(source)


@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
async def test_a_file_is_not_copied_onto_itself_by_any_name(source: str, tmp_path: Path) -> None:
    file = Path(source.removeprefix("sqlite:///"))
    (tmp_path / "other.db").symlink_to(file)
    for other in (source, f"sqlite:///{tmp_path / 'other.db'}", f"sqlite:///{tmp_path}/./{file.name}"):
        with pytest.raises(TransferRefused, match="onto itself"):
            await moving(source, other)


@pytest.mark.parametrize("source", ["postgres"], indirect=True)
async def test_a_database_is_not_copied_onto_itself_by_any_name(source: str) -> None:
    for other in (source, f"{source}?connect_timeout=9", source.replace("postgresql:", "postgres:")):
        with pytest.raises(TransferRefused, match="onto itself"):
            await moving(source, other)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_source_without_a_complete_ledger_is_refused_and_left_alone(house: House, kind: str) -> None:
    source, target = house(kind), house("sqlite")
    if kind == "sqlite":
        with pytest.raises(TransferRefused, match="there is no ledger at"):
            await moving(source, target)
    run_on(source, "CREATE TABLE invoices (a TEXT)")
    with pytest.raises(TransferRefused, match="there is no ledger in"):
        await moving(source, target)
    await furnish(source)
    last = known_migrations()[-1][0]
    run_on(source, f"DELETE FROM migrations WHERE name = '{last}'")
    with pytest.raises(TransferRefused, match=rf"lacks {last}; run `whenfinal migrate`"):
        await moving(source, target)
    run_on(source, f"INSERT INTO migrations VALUES ('{last}', 1), ('9999_flying', 1)")
    with pytest.raises(TransferRefused, match="9999_flying, which this version does not know"):
        await moving(source, target)
    assert not Path(target.removeprefix("sqlite:///")).exists()


@pytest.mark.usefixtures("_hurried")
@BOTH_CHANGE
async def test_a_ledger_in_use_is_refused_at_either_end(source: str, target: str) -> None:
    async with open_store(source, clock=lambda: T0, migrating=False, pool_size=2):
        with pytest.raises(TransferRefused, match="in use; stop every `whenfinal serve`"):
            await moving(source, target)
    async with open_store(target, clock=lambda: T0, migrating=True, pool_size=2):
        with pytest.raises(TransferRefused, match="in use; stop every `whenfinal serve`"):
            await moving(source, target)
    assert (await moving(source, target)).different == ()


@BOTH_CHANGE
async def test_nobody_writes_to_the_source_while_it_is_copied(source: str, target: str) -> None:
    refusals: list[str] = []

    def write() -> None:
        for url in (source, target):
            with pytest.raises((sqlite3.OperationalError, psycopg.errors.LockNotAvailable)) as refused:
                run_on(url, "UPDATE counters SET value = value + 1")
            refusals.append(str(refused.value))

    before = contents(source)
    assert (await moving(source, target, pausing(1, write))).different == ()
    assert len(refusals) == 2
    assert contents(target) == before
    run_on(source, "UPDATE counters SET value = value + 1")  # and afterwards it is free


_SPOILED = {
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


@BOTH_CHANGE
async def test_a_copy_that_came_out_different_is_not_kept(source: str, target: str) -> None:
    await found(target)
    empty = contents(target)
    spoil, mend = _SPOILED["sqlite" if target.startswith("sqlite") else "postgres"]
    run_on(target, spoil)
    moved = await moving(source, target)
    assert moved.different == ("events",)
    assert contents(target) == empty
    run_on(target, mend)
    assert (await moving(source, target)).different == ()


@BOTH_CHANGE
async def test_a_move_that_was_killed_leaves_an_empty_target_and_may_be_done_again(source: str, target: str) -> None:
    put(source, "observations", *({"id": f"obs_{n:06}", "raw": "x" * 1000} for n in range(5000)))
    mover = [sys.executable, "-m", "tests.support.ledger_fixtures", json.dumps([source, target])]
    with subprocess.Popen(mover, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert await asyncio.to_thread(running.stdout.readline) == b"in the middle\n"
        running.send_signal(signal.SIGKILL)
        assert running.wait(30) == -signal.SIGKILL
    assert (await moving(source, target)).different == ()
    assert contents(target) == contents(source)


@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
async def test_a_ledger_moves_through_a_pooler_and_back(source: str, house: House) -> None:
    back = house("sqlite")
    try:
        with pooled(house("postgres")) as pooler:
            assert (await moving(source, pooler)).different == ()
            assert (await moving(pooler, back)).different == ()
            with pytest.raises(TransferRefused, match="onto itself"):
                await moving(pooler, f"{pooler}?connect_timeout=9")
    except NoPooler as error:
        pytest.skip(str(error))
    assert contents(back) == contents(source)


async def test_a_place_that_can_not_be_opened_is_named_without_its_password(house: House, tmp_path: Path) -> None:
    source = house("sqlite")
    await furnish(source)
    (tmp_path / "notes.txt").write_text("no database" * 200)
    for target, words in (
        ("postgresql://ann:hidden-word@127.0.0.1:1/db", "database db at 127.0.0.1:1"),
        ("postgresql://ann:hidden-word@127.0.0.1/db?sort=5", "database db at 127.0.0.1: its URL is not one"),
        (f"sqlite:///{tmp_path / 'notes.txt'}", "notes.txt: file is not a database"),
        (f"sqlite:///{tmp_path / 'no' / 'folder.db'}", r"folder\.db: unable to open"),
    ):
        with pytest.raises(StoreError, match=words) as told:
            await moving(source, target)
        assert "hidden-word" not in str(told.value)
