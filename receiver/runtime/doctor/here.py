"""Checks of this machine: the clock, the ledger and, for a file, its disk. No ledger is created."""

import asyncio
import os
import shutil
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from receiver.config.settings import Settings
from receiver.metrics.snapshot import Snapshot
from receiver.runtime.clock import now_ms
from receiver.runtime.doctor.checks import Check, database_hint, fail, ok, warn
from receiver.runtime.doctor.ledger_checks import (
    check_backup,
    check_fan_out,
    check_keys,
    check_pauses,
    check_queues,
    check_tasks,
    check_webhooks,
)
from receiver.runtime.key_repository import working
from receiver.runtime.keys import settings_keys
from receiver.runtime.store import Store, open_store
from receiver.store.accounts import AccountStatus
from receiver.store.errors import DatabaseMisconfigured, SchemaAhead, SchemaBehind, StoreError
from receiver.store.ledger_file import OWNER_ONLY, ledger_files
from receiver.store.open import ledger_at
from receiver.store.stepped_back import SteppedBack
from receiver.store.url import LedgerFile, LedgerServer
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS
from submitter.timestamps import rfc3339

SANE_YEARS = range(2025, 2100)

CLOCK_SAMPLE_S = 0.2

CLOCK_SLIP_S = 0.05  # between wall and monotonic clock over the sample: a step, more than any slew

LITTLE_DISK_BYTES = 1 << 30

NO_DISK_BYTES = 64 << 20  # the write-ahead log alone may grow that far

LOCK_TIMEOUT_MS = 2000

MOST_HOSTS = 1000  # of `notify` with trouble that are looked at


async def check_clock() -> Check:
    """Signatures, leases and deadlines depend on it."""
    year = datetime.now(UTC).year
    if year not in SANE_YEARS:
        return fail("clock", f"this machine's clock is in the year {year}", hint="set the clock; run a time service")
    wall, steady = time.time(), time.monotonic()
    await asyncio.sleep(CLOCK_SAMPLE_S)
    slip_s = (time.time() - wall) - (time.monotonic() - steady)
    if abs(slip_s) > CLOCK_SLIP_S:
        hint = "let only one time service set the clock"
        return warn("clock", f"it jumped by {slip_s:.2f} s within {CLOCK_SAMPLE_S} s", hint=hint)
    return ok("clock", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, steady")


async def check_database(settings: Settings) -> tuple[Check, ...]:
    """The ledger of the settings, opened for this alone."""
    place = ledger_at(settings.database.url)
    if isinstance(place, LedgerServer):
        return await _present(settings, place)
    if not place.path.exists():
        return (_absent(place.path),)
    return (*await _present(settings, place), *_file(place))


async def check_open_database(
    settings: Settings, store: Store, snapshot: Callable[[], Awaitable[Snapshot]]
) -> tuple[Check, ...]:
    """The same of a ledger that a process has open."""
    place = ledger_at(settings.database.url)
    own = _file(place) if isinstance(place, LedgerFile) else ()
    try:
        return (*await _open_and_well(settings, place, store, await snapshot()), *own)
    except StoreError as error:
        return (fail("database", f"{place}: {error}", hint=database_hint(place, str(error))), *own)


def _file(place: LedgerFile) -> Iterator[Check]:
    yield from _modes(place.path)
    yield _disk(place.path.parent)


def _modes(path: Path) -> Iterator[Check]:
    """The ledger holds signing keys and webhook secrets."""
    files = [each for each in ledger_files(path) if each.exists()]
    wider = [each for each in files if stat.S_IMODE(each.stat().st_mode) & ~OWNER_ONLY]
    if wider:
        names = " ".join(map(str, wider))
        yield warn("database", f"others than its owner may open {names}", hint=f"run: chmod 600 {names}")


def _absent(path: Path) -> Check:
    folder = path.resolve().parent
    if not folder.is_dir():
        return fail(
            "database", f"{folder} is not a folder", hint="create it, or set WHENFINAL_DATABASE_URL to another place"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = "give this user the right to write there, or set WHENFINAL_DATABASE_URL to another place"
        return fail("database", f"this user may not write to {folder}", hint=hint)
    disk = _disk(folder)
    return disk if disk.hint else ok("database", f"{path} does not exist yet; the first start creates it")


async def _present(settings: Settings, place: LedgerFile | LedgerServer) -> tuple[Check, ...]:
    opening = open_store(
        settings.database.url, clock=now_ms, migrating=False, busy_timeout_ms=LOCK_TIMEOUT_MS, pool_size=2
    )
    try:
        async with opening as store:
            names = [account.name for account in settings.providers.accounts]
            snapshot = await store.overview.snapshot(names, now_ms=now_ms())
            return await _open_and_well(settings, place, store, snapshot)
    except SchemaBehind as error:
        return (fail("database", f"{place} lacks {', '.join(error.missing)}", hint="run: whenfinal migrate"),)
    except SchemaAhead as error:
        return (fail("database", f"{place} is of a newer version: {', '.join(error.unknown)}", hint=error.hint),)
    except DatabaseMisconfigured as error:
        return (fail("database", f"{place}: {error.problem}", hint=error.hint),)
    except StoreError as error:
        return (fail("database", f"{place}: {error}", hint=database_hint(place, str(error))),)


async def _open_and_well(
    settings: Settings, place: LedgerFile | LedgerServer, store: Store, snapshot: Snapshot
) -> tuple[Check, ...]:
    await store.check()
    found = ok("database", f"{place} opens and can be written")
    contents = await _contents(store, snapshot)
    backup = check_backup(await store.backups.last(), place, now_ms())
    living = await store.keys.living_since(-1)
    keys = working(settings_keys(settings), () if living is None else living.keys)
    return (found, *_stepped_back(store.stepped_back), *contents, backup, check_keys(keys))


def _stepped_back(last: SteppedBack | None) -> Iterator[Check]:
    if last is not None and last.is_recent(now_ms()):
        hint = (
            "restore the newer ledger if there is one; else find the tasks submitted shortly before in the providers' "
            "consoles, and let consumers act on the `reset` that they get"
        )
        what = f"it stepped back: what was stored after event {last.after_seq} is gone, noticed {rfc3339(last.at_ms)}"
        yield warn("database", what, hint=hint)


async def _contents(store: Store, snapshot: Snapshot) -> tuple[Check, ...]:
    accounts = await store.accounts.all()
    checks = [*check_tasks(snapshot), *_alarms(accounts), *check_pauses(accounts, now_ms())]
    checks += check_queues(await store.queue.depths(), accounts, now_ms())
    checks += check_fan_out(await store.deliveries.fan_out_lag(), now_ms())
    page = await store.subscriptions.page(limit=MOST_SUBSCRIPTIONS, cursor=None)
    hosts = await store.endpoints.notify_hosts(only_failing=True, limit=MOST_HOSTS, cursor=None, now_ms=now_ms())
    checks += check_webhooks(page.items, hosts.items, snapshot.dead, now_ms())
    if not snapshot.dead.number:
        checks.append(ok("dead letters", "none", count=0))
    return tuple(checks)


def _alarms(accounts: list[AccountStatus]) -> Iterator[Check]:
    for account in accounts:
        hint = f"fix the key or the account, then: whenfinal providers resume {account.provider}"
        for alarm in account.alarms:
            yield warn(account.provider, f"its last answers: {alarm}", hint=hint)


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    what = f"{free / (1 << 30):.1f} GiB free on the ledger's disk"
    if free < NO_DISK_BYTES:
        return fail("disk", what, hint="free space; without it no callback can be stored")
    return warn("disk", what, hint="free space soon") if free < LITTLE_DISK_BYTES else ok("disk", what)
