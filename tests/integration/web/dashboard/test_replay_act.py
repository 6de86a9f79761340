"""Replays at the dashboard: shown with what is left out, done in pages, told in words when they cannot be."""

from typing import Any

import httpx

from receiver.runtime.operator_runs.acts import ACTS
from receiver.runtime.operator_runs.model import OperatorRun, RunState
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from tests.integration.web.dashboard.test_acts import ended, fields_of
from tests.support.dashboard import is_page, visiting
from tests.support.delivery_fixtures import (
    deliveries_of,
    finish,
    lease,
    publish_events,
    set_state,
    subscribe,
)
from tests.support.service import Served


async def _do(service: Served, browser: httpx.AsyncClient, kind: str, **fields: Any) -> OperatorRun:
    page = is_page(await browser.get(f"/ops/acts/{kind}", params=fields))
    return await ended(service, await browser.post(f"/ops/acts/{kind}", data=fields_of(page)))


async def test_a_replay_shows_its_number_and_what_is_left_out_and_posts_each_once(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 6)
    await subscribe(store)
    await publish_events(store, 2, first=7)
    async with visiting(service) as browser:
        shown = is_page(await browser.get("/ops/acts/replay-events?subscription=sub_1&first_seq=3"))
        assert "Post 4 events again" in shown
        assert "2 events are left out: pending already." in shown
        fields = fields_of(shown)
        await publish_events(store, 1, first=9)
        run = await ended(service, await browser.post("/ops/acts/replay-events", data=fields))
        assert (run.done, run.expected, run.failed) == (4, 4, 0)
        second = await browser.post("/ops/acts/replay-events", data=fields)
        assert second.headers["location"] == f"/ops/runs/{run.id}"
    assert [each.event_seq for each in await deliveries_of(store, "sub_1")] == [3, 4, 5, 6, 7, 8, 9]


async def test_a_replay_ends_with_the_newest_event_of_the_preview_whatever_number_is_given(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 4)
    await subscribe(store)
    async with visiting(service) as browser:
        far = f"/ops/acts/replay-events?subscription=sub_1&first_seq=1&last_seq={'9' * 18}"
        shown = is_page(await browser.get(far))
        assert "event 1 to event 4" in shown
        fields = fields_of(shown)
        assert fields["last_seq"] == ["4"]
        await publish_events(store, 1, first=5)
        run = await ended(service, await browser.post("/ops/acts/replay-events", data=fields))
        assert (run.condition["last_seq"], run.done, run.state) == (4, 4, RunState.FINISHED)
        none = is_page(await browser.get("/ops/acts/replay-events?subscription=sub_1&first_seq=0&last_seq=0"))
        assert "No event is stored in this range." in none


async def test_a_replay_of_dead_letters_or_of_what_is_missing_leaves_the_rest(service: Served) -> None:
    store, now_ms = service.services.store, service.services.clock()
    await publish_events(store, 2)
    await subscribe(store)
    await publish_events(store, 4, first=3)
    leased = await lease(store, now_ms=now_ms)
    await finish(store, leased[:3], at_ms=now_ms)
    await finish(store, leased[3:], DeliveryState.DEAD, at_ms=now_ms)
    async with visiting(service) as browser:
        dead = await _do(service, browser, "replay-events", subscription="sub_1", first_seq=1, which="dead")
        missing = await _do(service, browser, "replay-events", subscription="sub_1", first_seq=1, which="missing")
    assert (dead.done, missing.done) == (1, 2)


async def test_a_replay_from_a_time_begins_with_the_first_event_since_then(service: Served) -> None:
    store, now_ms = service.services.store, service.services.clock()
    await publish_events(store, 5, at_ms=now_ms - 7_200_000)
    await publish_events(store, 5, first=6, at_ms=now_ms - 1_800_000)
    await subscribe(store)
    async with visiting(service) as browser:
        shown = is_page(await browser.get("/ops/acts/replay-events?subscription=sub_1&since=1h"))
        assert "event 6 to event 10" in shown
        run = await ended(service, await browser.post("/ops/acts/replay-events", data=fields_of(shown)))
        none = is_page(await browser.get("/ops/acts/replay-events?subscription=sub_1&since=5m"))
    assert run.done == 5
    assert "No event is stored in this range." in none


async def test_a_long_replay_is_counted_in_part_and_done_as_a_whole(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 2_600)
    await subscribe(store)
    async with visiting(service) as browser:
        shown = is_page(await browser.get("/ops/acts/replay-events?subscription=sub_1&first_seq=1"))
        assert "Of the first 2,000 events" in shown
        run = await ended(service, await browser.post("/ops/acts/replay-events", data=fields_of(shown)))
    assert (run.state, run.done) == (RunState.FINISHED, 2_600)


async def test_a_replay_to_a_subscription_that_is_disabled_or_gone_posts_nothing_and_says_so(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 3)
    await subscribe(store)
    async with visiting(service) as browser:
        fields = fields_of(is_page(await browser.get("/ops/acts/replay-events?subscription=sub_1&first_seq=1")))
        await set_state(store, SubscriptionState.DISABLED)
        assert "It is disabled" in is_page(await browser.post("/ops/acts/replay-events", data=fields), 409)
        is_page(await browser.get("/ops/acts/replay-events?subscription=sub_none&first_seq=1"), 404)
        for query in ("", "&first_seq=x", "&since=soon", "&first_seq=1&which=none"):
            is_page(await browser.get(f"/ops/acts/replay-events?subscription=sub_1{query}"), 422)


async def test_a_subscription_that_is_disabled_during_a_replay_ends_the_run_in_words(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 3)
    await subscribe(store)
    condition = {"subscription": "sub_1", "first_seq": 1, "last_seq": 3, "which": "all"}
    act = ACTS["replay-events"]
    items = (await act.items(service.services, condition, None)).items
    assert items == ("1", "2", "3")
    await set_state(store, SubscriptionState.DISABLED)
    results = await act.work(service.services, items, condition, "ann")
    assert [each.is_done for each in results] == [False] * 3
    assert "disabled" in results[0].words
    later = await act.items(service.services, condition, "1")
    assert later.items == ("sub_1",)
    (result,) = await act.work(service.services, later.items, condition, "ann")
    assert (result.item, result.is_done) == ("sub_1", False)
