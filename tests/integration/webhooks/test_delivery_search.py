"""A search finds the deliveries that fit every condition, page by page, and looks at a bounded number of them."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.config.api_keys import Limits
from receiver.runtime.store import Store
from receiver.webhooks import delivery_search_repository
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from receiver.webhooks.model.delivery_search import (
    Answer,
    DeliverySearch,
    delivery_search_of,
    delivery_search_values,
)
from submitter.model import TaskId
from tests.support.builders import SECRET, T0
from tests.support.delivery_fixtures import lease, publish_event_of, subscribe

HOUR_MS = 3_600_000
HOST = "https://hooks.example"
_S, _A = DeliveryState, Answer


async def _delivers(store: Store, *outcomes: tuple[str, DeliveryState, int | None]) -> None:
    """Each task ends an hour after the one before, and the attempt of its delivery comes to this."""
    for number, (name, state, status) in enumerate(outcomes):
        at_ms = T0 + number * HOUR_MS
        is_notified = name.startswith("tsk_n")
        to = {"notify_url": f"{HOST}/{name}", "notify_secret": SECRET} if is_notified else {}
        await publish_event_of(store, name, at_ms=at_ms, created_ms=at_ms, **to)
        due = await lease(store, now_ms=at_ms)
        error = "ConnectError: refused" if status is None else None
        results = [
            AttemptResult(
                delivery=each.id,
                owner=each.owner,
                endpoint_id=each.endpoint_id,
                attempt=Attempt(at_ms=at_ms, latency_ms=1, status=status, error=error),
                state=state,
                due_ms=at_ms + 100 * HOUR_MS if state is _S.PENDING else None,
            )
            for each in due
        ]
        await store.outbox.record_attempts(results, at_ms)


async def _found(store: Store, wanted: DeliverySearch, **how: Any) -> list[str]:
    page = await store.delivery_search.page(wanted, **how)
    return [str(each.task_id) for each in page.deliveries]


async def test_each_condition_finds_its_deliveries_the_newest_first(store: Store) -> None:
    await subscribe(store)
    await _delivers(store, ("tsk_0", _S.DELIVERED, 204), ("tsk_1", _S.DEAD, 404), ("tsk_2", _S.PENDING, 503))
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=T0)
    await _delivers(store, ("tsk_n3", _S.DEAD, None), ("tsk_n4", _S.PENDING, None), ("tsk_n5", _S.DEAD, 301))
    everything = ["tsk_n5", "tsk_2", "tsk_n4", "tsk_1", "tsk_n3", "tsk_0"]
    assert sorted(await _found(store, DeliverySearch())) == sorted(everything)
    cases: dict[str, tuple[DeliverySearch, set[str]]] = {
        "a state": (DeliverySearch(states=frozenset({_S.DEAD})), {"tsk_1", "tsk_n3", "tsk_n5"}),
        "two states": (
            DeliverySearch(states=frozenset({_S.DELIVERED, _S.PENDING})),
            {"tsk_0", "tsk_2", "tsk_n4"},
        ),
        "failing": (DeliverySearch(is_failing=True), {"tsk_2", "tsk_n4"}),
        "failing of a subscription": (DeliverySearch(is_failing=True, subscription="sub_1"), {"tsk_2"}),
        "failing and dead": (DeliverySearch(is_failing=True, states=frozenset({_S.DEAD})), set()),
        "a subscription": (DeliverySearch(subscription="sub_1"), {"tsk_0", "tsk_1", "tsk_2"}),
        "dead of a subscription": (DeliverySearch(subscription="sub_1", states=frozenset({_S.DEAD})), {"tsk_1"}),
        "a host": (DeliverySearch(host=HOST), {"tsk_n3", "tsk_n4", "tsk_n5"}),
        "dead at a host": (DeliverySearch(host=HOST, states=frozenset({_S.DEAD})), {"tsk_n3", "tsk_n5"}),
        "open at a host": (
            DeliverySearch(host=HOST, states=frozenset({_S.DEAD, _S.PENDING})),
            {"tsk_n3", "tsk_n4", "tsk_n5"},
        ),
        "pending at a host": (DeliverySearch(host=HOST, states=frozenset({_S.PENDING})), {"tsk_n4"}),
        "delivered at a host": (DeliverySearch(host=HOST, states=frozenset({_S.DELIVERED})), set()),
        "another host": (DeliverySearch(host="https://other.example"), set()),
        "dead at notify": (DeliverySearch(is_notify=True, states=frozenset({_S.DEAD})), {"tsk_n3", "tsk_n5"}),
        "a type": (DeliverySearch(event_type="task.succeeded"), set(everything)),
        "a type that is newer": (DeliverySearch(event_type="task.odd"), set()),
        "4xx": (DeliverySearch(answers=frozenset({_A.REFUSED})), {"tsk_1"}),
        "2xx or 5xx": (DeliverySearch(answers=frozenset({_A.GOOD, _A.BROKEN})), {"tsk_0", "tsk_2"}),
        "3xx": (DeliverySearch(answers=frozenset({_A.MOVED})), {"tsk_n5"}),
        "no answer": (DeliverySearch(answers=frozenset({_A.NONE})), {"tsk_n3", "tsk_n4"}),
        "a task": (DeliverySearch(task=TaskId("tsk_1")), {"tsk_1"}),
        "a task in another state": (DeliverySearch(task=TaskId("tsk_1"), states=frozenset({_S.PENDING})), set()),
        "since": (DeliverySearch(since_ms=T0 + 2 * HOUR_MS), {"tsk_2", "tsk_n5"}),
        "until": (DeliverySearch(until_ms=T0 + HOUR_MS), {"tsk_0", "tsk_1", "tsk_n3", "tsk_n4"}),
    }
    for name, (wanted, expected) in cases.items():
        assert set(await _found(store, wanted)) == expected, name
        assert delivery_search_of(delivery_search_values(wanted)) == wanted


async def test_those_of_some_ids_are_found(store: Store) -> None:
    await subscribe(store)
    await _delivers(store, *((f"tsk_{number}", _S.DEAD, 500) for number in range(3)))
    ids = [each.id for each in (await store.delivery_search.page(DeliverySearch())).deliveries]
    wanted = DeliverySearch(ids=(ids[0], ids[2], "dlv_none"))
    assert await _found(store, wanted) == ["tsk_2", "tsk_0"]
    assert await _found(store, replace(wanted, states=frozenset({_S.PENDING}))) == []
    assert delivery_search_of(delivery_search_values(wanted)) == wanted


async def test_pages_follow_each_other_and_newer_ones_are_told_apart(store: Store) -> None:
    await subscribe(store)
    await _delivers(store, *((f"tsk_{number}", _S.DEAD, 500) for number in range(5)))
    first = await store.delivery_search.page(DeliverySearch(), limit=2)
    second = await store.delivery_search.page(DeliverySearch(), limit=2, cursor=first.next_cursor)
    third = await store.delivery_search.page(DeliverySearch(), limit=2, cursor=second.next_cursor)
    seen = [str(each.task_id) for page in (first, second, third) for each in page.deliveries]
    assert (seen, third.next_cursor) == (["tsk_4", "tsk_3", "tsk_2", "tsk_1", "tsk_0"], None)
    newer = await store.delivery_search.page(DeliverySearch(), newer_than=second.deliveries[0].id)
    assert [str(each.task_id) for each in newer.deliveries] == ["tsk_4", "tsk_3"]


async def test_a_page_ends_where_so_many_were_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_search_repository, "IDS_AT_ONCE", 2)
    monkeypatch.setattr(delivery_search_repository, "LOOKED_AT_MOST", 4)
    await subscribe(store)
    await _delivers(store, ("tsk_0", _S.DEAD, 404), *((f"tsk_{number}", _S.DEAD, 500) for number in range(1, 7)))
    wanted = DeliverySearch(answers=frozenset({_A.REFUSED}))
    page = await store.delivery_search.page(wanted)
    assert (page.deliveries, page.is_cut) == ((), True)
    rest = await store.delivery_search.page(wanted, cursor=page.next_cursor)
    assert [str(each.task_id) for each in rest.deliveries] == ["tsk_0"]


async def test_what_fits_no_more_is_left_out_of_a_page_of_ids(store: Store) -> None:
    await subscribe(store)
    await _delivers(store, ("tsk_0", _S.DEAD, 500), ("tsk_1", _S.DEAD, 500))
    dead = DeliverySearch(states=frozenset({_S.DEAD}))
    ids = [each.id for each in (await store.delivery_search.page(dead)).deliveries]
    await store.outbox.redeliver(ids[0], actor="ann", now_ms=T0)
    assert [each.id for each in await store.delivery_search.fitting(dead, ids)] == ids[1:]
    assert [each.id for each in await store.delivery_search.by_ids(ids)] == ids
    assert await store.delivery_search.fitting(dead, []) == []


async def test_the_body_of_an_event_is_what_is_posted(store: Store) -> None:
    await subscribe(store)
    await _delivers(store, ("tsk_0", _S.DEAD, 500))
    (delivery,) = (await store.delivery_search.page(DeliverySearch())).deliveries
    body = await store.delivery_search.event_body(delivery.event_seq)
    assert body is not None
    assert "tsk_0" in body
    assert await store.delivery_search.event_body(999) is None


async def test_a_search_of_a_limited_key_finds_what_is_of_its_tasks_and_subscriptions(store: Store) -> None:
    await subscribe(store)
    await subscribe(store, "sub_2")
    await publish_event_of(store, "tsk_1", labels={"team": "a"}, notify_url=f"{HOST}/1", notify_secret=SECRET)
    await publish_event_of(store, "tsk_2", labels={"team": "b"}, notify_url=f"{HOST}/2", notify_secret=SECRET)
    await publish_event_of(store, "tsk_3", provider="dashscope", labels={"team": "a"})
    team = Limits(label=("team", "a"))
    cases: dict[str, tuple[DeliverySearch, list[tuple[str, str | None]]]] = {
        "its own notify alone": (DeliverySearch(limits=team), [("tsk_1", None)]),
        "a subscription": (
            DeliverySearch(limits=team, owners=frozenset({"sub_2"})),
            [("tsk_1", None), ("tsk_1", "sub_2"), ("tsk_3", "sub_2")],
        ),
        "a provider": (
            DeliverySearch(limits=Limits(providers=frozenset({"dashscope"})), owners=frozenset({"sub_1"})),
            [("tsk_3", "sub_1")],
        ),
        "both": (
            DeliverySearch(limits=Limits(providers=frozenset({"hiapi"}), label=("team", "a"))),
            [("tsk_1", None)],
        ),
        "a task outside": (DeliverySearch(task=TaskId("tsk_2"), limits=team, owners=frozenset({"sub_1"})), []),
    }
    for name, (wanted, expected) in cases.items():
        page = await store.delivery_search.page(wanted)
        seen = [(str(each.task_id), each.subscription) for each in page.deliveries]
        assert sorted(seen, key=str) == sorted(expected, key=str), name
        assert delivery_search_of(delivery_search_values(wanted)) == wanted


def test_a_search_without_limits_is_stored_as_an_earlier_version_did() -> None:
    assert not {"limits", "owners"} & delivery_search_values(DeliverySearch(is_failing=True)).keys()
