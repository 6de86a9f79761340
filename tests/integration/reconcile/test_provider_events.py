"""A provider that is paused or denies our key is told once, to those who name the events; on both engines."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType, event_view
from receiver.events.model.query import EventFilter
from receiver.runtime.store import Store
from receiver.store.accounts import PollPause
from receiver.tasks.model.queue import AccountLimits
from submitter.model import Refusal, Refused, TaskError, TaskState
from tests.support.builders import BUDGET, T0, a_task
from tests.support.delivery_fixtures import lease, subscribe

S = 1000
LIMITS = AccountLimits(budget=BUDGET, max_in_flight=1, speed=1)


async def _events(store: Store) -> list[dict[str, Any]]:
    return [event_view(event) for event in await store.events.events(0)]


async def _pause(store: Store, at_ms: int, *, reason: str = "throttled", alarm: str | None = None) -> None:
    pause = PollPause(until_ms=at_ms + 60 * S, reason=reason, alarm=alarm)
    await store.providers.pause("hiapi", pause, now_ms=at_ms)


async def test_a_pause_of_polls_is_told_when_it_begins_and_not_while_it_lasts(store: Store) -> None:
    for at_ms in (T0, T0 + 30 * S):
        await _pause(store, at_ms)
    (told,) = await _events(store)
    assert (told["type"], told["task"]) == ("provider.paused", None)
    assert told["provider"] | {"until": None} == {
        "name": "hiapi",
        "requests": "polls",
        "reason": "throttled",
        "until": None,
    }
    await _pause(store, T0 + 200 * S)
    assert [each["type"] for each in await _events(store)] == ["provider.paused"] * 2


async def test_a_denied_key_is_told_once_until_it_is_taken_again(store: Store) -> None:
    for at_ms in (T0, T0 + 100 * S):
        await _pause(store, at_ms, reason="denied", alarm="hiapi answers 401")
    types = [each["type"] for each in await _events(store)]
    assert types == ["provider.paused", "provider.denied", "provider.paused"]


@pytest.mark.parametrize(
    ("refusal", "status", "types"),
    [
        (Refusal.THROTTLED, 429, ["provider.paused"]),
        (Refusal.DENIED, 401, ["provider.paused", "provider.denied"]),
    ],
)
async def test_a_refused_submit_that_holds_back_others_is_told(
    store: Store, refusal: Refusal, status: int, types: list[str]
) -> None:
    await store.submissions.open_task(a_task(state=TaskState.SUBMITTING), T0)
    refused = Refused(refusal=refusal, error=TaskError(code=str(status), message="no"), status=status)
    for _ in range(2):
        await store.queue.hold_submits(a_task(), refused, limits=LIMITS, now_ms=T0)
    told = await _events(store)
    assert [each["type"] for each in told] == types
    assert {each["provider"]["requests"] for each in told} == {"submits"}


async def test_only_who_names_the_type_or_the_provider_with_it_gets_the_event(store: Store) -> None:
    paused = frozenset({EventType.PROVIDER_PAUSED})
    await subscribe(store, "sub_all")
    await subscribe(store, "sub_ops", filter=EventFilter(types=paused))
    await subscribe(store, "sub_hiapi", filter=EventFilter(types=paused, providers=frozenset({"hiapi"})))
    await subscribe(store, "sub_other", filter=EventFilter(types=paused, providers=frozenset({"modellix"})))
    await _pause(store, T0)
    leased = await lease(store)
    assert {due.endpoint_id for due in leased} == {"sub_ops", "sub_hiapi"}
    assert {due.task_id for due in leased} == {None}


async def test_what_holds_back_polls_is_in_the_log_once(store: Store) -> None:
    with capture_logs() as lines:
        for at_ms in (T0, T0 + S):
            await _pause(store, at_ms, reason="denied", alarm="hiapi answers 401")
    told = [("provider_paused", "polls", "denied"), ("provider_denied", "polls", "hiapi answers 401")]
    assert [(line["event"], line["requests"], line["reason"]) for line in lines] == told


async def test_an_alarm_without_a_pause_is_in_the_log_as_a_denied_key_alone(store: Store) -> None:
    with capture_logs() as lines:
        for at_ms in (T0, T0 + S):
            pause = PollPause(until_ms=at_ms, reason="denied", alarm="hiapi answers 20 tasks in a row with 403")
            await store.providers.pause("hiapi", pause, now_ms=at_ms)
    assert [line["event"] for line in lines] == ["provider_denied"]


async def test_what_holds_back_submits_is_in_the_log_once_and_its_end_is_known(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.SUBMITTING), T0)
    refused = Refused(refusal=Refusal.DENIED, error=TaskError(code="401", message="no"), status=401)
    with capture_logs() as lines:
        for _ in range(2):
            await store.queue.hold_submits(a_task(), refused, limits=LIMITS, now_ms=T0)
    told = [("provider_paused", "hiapi"), ("provider_denied", "hiapi")]
    assert [(line["event"], line["provider"]) for line in lines] == told
    ended = [await store.accounts.submit_accepted("hiapi", sent_ms=T0 + 1, now_ms=T0 + 2) for _ in range(2)]
    assert ended == [True, False]
