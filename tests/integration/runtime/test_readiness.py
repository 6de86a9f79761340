"""The ledger is probed seldom, and all who ask share the result."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.runtime.readiness import FRESH_MS, Readiness
from receiver.runtime.store import Store, open_store
from receiver.store.errors import StoreUnavailable
from tests.support.builders import T0


class _Ledger:
    """A real ledger whose probes are counted; with `error` set they fail as on a full disk."""

    def __init__(self, store: Store) -> None:
        self.probes = 0
        self.now_ms = T0
        self.error: StoreUnavailable | None = None
        self._store = store

    async def probe(self) -> None:
        self.probes += 1
        await self._store.check()
        if self.error is not None:
            raise self.error


@pytest.fixture(name="ledger")
async def _ledger(tmp_path: Path) -> AsyncIterator[_Ledger]:
    async with open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: T0, migrating=True) as store:
        yield _Ledger(store)


@pytest.fixture(name="readiness")
def _readiness(ledger: _Ledger) -> Readiness:
    return Readiness(probe=ledger.probe, clock=lambda: ledger.now_ms)


async def test_all_who_ask_at_once_share_one_probe(ledger: _Ledger, readiness: Readiness) -> None:
    await asyncio.gather(*(readiness.check() for _ in range(50)))
    assert ledger.probes == 1


async def test_a_result_is_fresh_for_a_while_and_then_probed_again(ledger: _Ledger, readiness: Readiness) -> None:
    await readiness.check()
    ledger.now_ms += FRESH_MS - 1
    await readiness.check()
    assert ledger.probes == 1
    ledger.now_ms += 1
    await readiness.check()
    assert ledger.probes == 2


async def test_after_a_clock_was_set_back_the_ledger_is_probed_again(ledger: _Ledger, readiness: Readiness) -> None:
    await readiness.check()
    ledger.now_ms -= 3_600_000
    await readiness.check()
    assert ledger.probes == 2


async def test_an_error_reaches_everybody_and_ends_with_the_next_probe(ledger: _Ledger, readiness: Readiness) -> None:
    ledger.error = StoreUnavailable("full")
    errors = await asyncio.gather(*(readiness.check() for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in errors] == ["full"] * 3
    ledger.error = None
    ledger.now_ms += FRESH_MS
    await readiness.check()


async def test_a_caller_that_goes_away_does_not_cancel_the_probe_of_the_others(
    ledger: _Ledger, readiness: Readiness
) -> None:
    gone = asyncio.create_task(readiness.check())
    stays = asyncio.create_task(readiness.check())
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert ledger.probes == 1
