"""When an account has room, and what a refused submit means for the next ones."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.store.accounts import AccountStatus
from receiver.tasks.model.queue import (
    FREES_KEY,
    PASSING,
    AccountLimits,
    NoRoom,
    NoRoomReason,
    after_refusal,
    find_room,
    is_concurrency,
    limits_of,
)
from submitter.model import Refusal, Refused, TaskError
from submitter.providers.contract import Account, Budget, ConfiguredProvider
from submitter.providers.registry import ADAPTERS
from tests.support.builders import T0

BUDGET = Budget(per_s=0.5, burst=10, submits_count=True)
LIMITS = AccountLimits(budget=BUDGET, max_in_flight=4, speed=1)
ACCOUNT = AccountStatus(provider="hiapi", tokens=5.0, refilled_ms=T0)


def _refused(refusal: Refusal = Refusal.THROTTLED, words: str = "slow down", **changes: Any) -> Refused:
    values: dict[str, Any] = {"refusal": refusal, "error": TaskError(code="C", message=words), "status": 429}
    return Refused(**(values | changes))


def _room(in_flight: int = 0, limits: AccountLimits = LIMITS, now_ms: int = T0, **changes: Any) -> object:
    return find_room(replace(ACCOUNT, **changes), limits, in_flight, now_ms)


def test_one_more_task_takes_one_token_where_submits_count() -> None:
    assert _room(3) == replace(ACCOUNT, tokens=4.0)
    free = replace(LIMITS, budget=replace(BUDGET, submits_count=False))
    assert _room(3, free, tokens=-3.0) == replace(ACCOUNT, tokens=-3.0)


def test_it_waits_for_a_token_and_leaves_one_to_polls() -> None:
    assert _room(tokens=2.0) == replace(ACCOUNT, tokens=1.0)
    assert _room(tokens=1.5) == NoRoom(reason=NoRoomReason.RATE, until_ms=T0 + 1001)
    assert _room(tokens=-1.0) == NoRoom(reason=NoRoomReason.RATE, until_ms=T0 + 6001)
    single = replace(LIMITS, budget=replace(BUDGET, burst=1))
    assert _room(0, single, tokens=1.0) == replace(ACCOUNT, tokens=0.0)  # a budget that never holds two


@pytest.mark.parametrize(("in_flight", "has_room"), [(0, True), (3, True), (4, False), (5, False)])
def test_the_limit_is_how_many_may_be_in_flight(in_flight: int, *, has_room: bool) -> None:
    assert isinstance(_room(in_flight), AccountStatus) == has_room
    assert isinstance(_room(in_flight, replace(LIMITS, max_in_flight=None)), AccountStatus)


def test_held_submits_wait_until_the_hold_ends_and_a_pause_of_polls_holds_nothing() -> None:
    assert _room(submits_paused_until_ms=T0 + 1) == NoRoom(reason=NoRoomReason.PAUSED, until_ms=T0 + 1)
    assert isinstance(_room(submits_paused_until_ms=T0), AccountStatus)
    assert isinstance(_room(paused_until_ms=T0 + 60_000), AccountStatus)


def test_a_learned_limit_is_tried_again_after_a_while_up_to_the_set_one() -> None:
    learned: dict[str, Any] = {"learned_in_flight": 2, "learned_ms": T0}
    assert _room(2, **learned) == NoRoom(reason=NoRoomReason.IN_FLIGHT, until_ms=T0 + 300_000)
    assert _room(2, now_ms=T0 + 299_999, **learned) == NoRoom(reason=NoRoomReason.IN_FLIGHT, until_ms=T0 + 300_000)
    raised = _room(2, now_ms=T0 + 300_000, **learned)
    assert isinstance(raised, AccountStatus)
    assert (raised.learned_in_flight, raised.learned_ms) == (3, T0 + 300_000)
    assert isinstance(_room(3, now_ms=T0 + 300_000, **learned), NoRoom)  # more are in flight than were learned
    forgotten = _room(3, now_ms=T0 + 300_000, **(learned | {"learned_in_flight": 3}))
    assert isinstance(forgotten, AccountStatus)
    assert forgotten.learned_in_flight is None  # the set limit counts again
    unlimited = _room(2, replace(LIMITS, max_in_flight=None), now_ms=T0 + 300_000, **learned)
    assert isinstance(unlimited, AccountStatus)
    assert unlimited.learned_in_flight == 3


def test_a_trial_waits_by_the_providers_clock() -> None:
    fast = replace(LIMITS, speed=100)
    assert isinstance(_room(2, fast, now_ms=T0 + 3_000, learned_in_flight=2, learned_ms=T0), AccountStatus)


@pytest.mark.parametrize(
    ("words", "is_about_places"),
    [
        ("CONCURRENCY_LIMITED", True),
        ("Too Many Requests: team concurrency reached", True),
        ("token_concurrency_limit_reached", True),
        ("too many tasks at once", True),
        ("rate limit exceeded", False),
        ("Throttling.RateQuota", False),
        ("too many requests", False),
    ],
)
def test_what_a_429_is_about_is_read_from_its_words(words: str, *, is_about_places: bool) -> None:
    assert is_concurrency(_refused(words=words)) == is_about_places
    assert not is_concurrency(_refused(Refusal.UNAVAILABLE, words))


def _after(refused: Refused, *, others: int = 0, limits: AccountLimits = LIMITS, **changes: Any) -> AccountStatus:
    account = replace(ACCOUNT, **changes)
    return after_refusal(account, refused, limits, others_in_flight=others, now_ms=T0)


def test_no_refusal_pauses_polls() -> None:
    for refusal in Refusal:
        assert _after(_refused(refusal)).paused_until_ms is None


def test_what_blames_the_request_or_the_balance_holds_nothing_back() -> None:
    for refusal in (Refusal.INVALID, Refusal.QUOTA):
        assert _after(_refused(refusal)) == ACCOUNT


@pytest.mark.parametrize(
    ("refused", "held_ms"),
    [
        (_refused(), 60_000),
        (_refused(retry_after_s=3), 3_000),
        (_refused(retry_after_s=100_000), 900_000),
        (_refused(words="concurrency"), 5_000),
        (_refused(Refusal.UNAVAILABLE), 5_000),
        (_refused(Refusal.UNAVAILABLE, retry_after_s=20), 20_000),
        (_refused(Refusal.DENIED, status=401), 300_000),
        (_refused(Refusal.DENIED, status=403), 30_000),
    ],
)
def test_how_long_submits_are_held_back(refused: Refused, held_ms: int) -> None:
    after = _after(refused)
    assert (after.submits_paused_until_ms, after.submit_refusals) == (T0 + held_ms, 1)
    assert (after.submits_alarm is not None) == (refused.refusal is Refusal.DENIED)
    assert (after.alarm, after.submits_paused_since_ms) == (None, T0)


def test_a_longer_hold_and_an_alarm_stay() -> None:
    after = _after(_refused(retry_after_s=1), submits_paused_until_ms=T0 + 9_000, submits_alarm="look")
    assert (after.submits_paused_until_ms, after.submits_alarm) == (T0 + 9_000, "look")


def test_the_learned_limit_is_what_the_provider_has_taken() -> None:
    crowded = _refused(words="concurrency")
    assert _after(crowded, others=3).learned_in_flight == 3
    assert _after(crowded, others=0).learned_in_flight == 1
    assert _after(crowded, others=9).learned_in_flight == 4  # never above the set limit
    assert _after(crowded, others=3, learned_in_flight=2).learned_in_flight == 2
    assert _after(_refused(), others=3).learned_in_flight is None
    assert _after(crowded, others=7, limits=replace(LIMITS, max_in_flight=None)).learned_in_flight == 7


def test_what_passes_frees_the_key_and_only_the_request_itself_does_not() -> None:
    assert PASSING < FREES_KEY
    assert set(Refusal) - FREES_KEY == {Refusal.INVALID}


def _limits(adapter: str, max_in_flight: int | None) -> AccountLimits:
    account = Account(name="a", adapter=adapter, base_url="https://a.example", api_key="k", max_in_flight=max_in_flight)
    return limits_of(ConfiguredProvider(adapter=ADAPTERS[adapter], account=account), speed=2)


@pytest.mark.parametrize(
    ("adapter", "documented"), [("hiapi", 10), ("modellix", 10), ("dashscope", None), ("newapi", None)]
)
def test_the_limit_of_an_account_is_the_set_one_or_the_documented_one(adapter: str, documented: int | None) -> None:
    assert _limits(adapter, None).max_in_flight == documented
    assert _limits(adapter, 3).max_in_flight == 3
    assert _limits(adapter, None).budget.per_s == ADAPTERS[adapter].CAPABILITIES.budget.per_s * 2
