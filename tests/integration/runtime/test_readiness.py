"""The ledger is proved writable seldom, and what was found is told to all who ask."""

import asyncio

import pytest

from receiver.runtime.services import FRESH_MS, Readiness
from receiver.store.errors import StoreUnavailable
from tests.support.builders import T0


class _Ledger:
    """Counts the proofs; `trouble` makes the next ones fail."""

    def __init__(self) -> None:
        self.proofs = 0
        self.now_ms = T0
        self.trouble: StoreUnavailable | None = None

    async def prove(self) -> None:
        self.proofs += 1
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture(name="ledger")
def _ledger() -> _Ledger:
    return _Ledger()


@pytest.fixture(name="readiness")
def _readiness(ledger: _Ledger) -> Readiness:
    return Readiness(prove=ledger.prove, clock=lambda: ledger.now_ms)


async def test_all_who_ask_at_once_share_one_proof(ledger: _Ledger, readiness: Readiness) -> None:
    await asyncio.gather(*(readiness.check() for _ in range(50)))
    assert ledger.proofs == 1


async def test_a_proof_is_good_for_a_while_and_then_made_again(ledger: _Ledger, readiness: Readiness) -> None:
    await readiness.check()
    ledger.now_ms += FRESH_MS - 1
    await readiness.check()
    assert ledger.proofs == 1
    ledger.now_ms += 1
    await readiness.check()
    assert ledger.proofs == 2


async def test_a_clock_set_back_makes_no_proof_last(ledger: _Ledger, readiness: Readiness) -> None:
    await readiness.check()
    ledger.now_ms -= 3_600_000
    await readiness.check()
    assert ledger.proofs == 2


async def test_trouble_is_told_to_everybody_and_ends_with_the_next_proof(ledger: _Ledger, readiness: Readiness) -> None:
    ledger.trouble = StoreUnavailable("full")
    told = await asyncio.gather(*(readiness.check() for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in told] == ["full"] * 3
    ledger.trouble = None
    ledger.now_ms += FRESH_MS
    await readiness.check()


async def test_one_who_goes_away_takes_the_proof_from_nobody(ledger: _Ledger, readiness: Readiness) -> None:
    gone = asyncio.create_task(readiness.check())
    stays = asyncio.create_task(readiness.check())
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert ledger.proofs == 1
