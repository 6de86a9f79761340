"""Deliveries: each is found, shown with its attempts, and sent again alone or with all that a filter finds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.runtime.operator_runs.acts import ACTS
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState
from submitter.simulator import Simulator
from tests.integration.web.dashboard.test_acts import ended, fields_of
from tests.support.builders import SECRET
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.delivery_fixtures import lease, publish_event_of, subscribe
from tests.support.service import Served, served_with_simulator

Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def delivers(service: Served, name: str, state: DeliveryState, attempt: Attempt, url: str | None = None) -> str:
    """A task that ended, whose one delivery had this attempt. Without a URL it is the subscription's."""
    store, now_ms = service.services.store, service.services.clock()
    to = {} if url is None else {"notify_url": url, "notify_secret": SECRET}
    await publish_event_of(store, name, at_ms=now_ms - 60_000, created_ms=now_ms - 60_000, **to)
    due = [each for each in await lease(store, now_ms=now_ms) if each.task_id == name]
    results = [
        AttemptResult(
            delivery=each.id,
            owner=each.owner,
            endpoint_id=each.endpoint_id,
            attempt=attempt,
            state=state,
            due_ms=now_ms + 3_600_000 if state is DeliveryState.PENDING else None,
        )
        for each in due
    ]
    await store.outbox.record_attempts(results, now_ms)
    (delivery,) = due
    return delivery.id


def attempt(service: Served, status: int | None = 500, response: str = "", error: str | None = None) -> Attempt:
    at_ms = service.services.clock() - 30_000
    return Attempt(at_ms=at_ms, latency_ms=4_210, status=status, error=error, response=response)


async def test_an_empty_list_says_so_and_a_wrong_filter_is_named(scene: Scene) -> None:
    service, _ = scene
    async with visiting(service) as browser:
        assert "No delivery fits." in is_page(await browser.get("/ops/deliveries"))
        is_page(await browser.get("/ops/deliveries/dlv_none"), 404)
        is_page(await browser.get("/ops/deliveries?before=%22"), 400)
        for wrong in (
            "state=odd", "answer=1xx", "failing=2", "notify=yes", "subscription=a-b", "task=%27", "type=odd",
            "endpoint=ftp%3A%2F%2Fx", "endpoint=hooks", "since=soon", "until=never", "task=a&task=b",
            f"endpoint=https%3A%2F%2F{'a' * 3000}",
        ):  # fmt: skip
            is_page(await browser.get(f"/ops/deliveries?{wrong}"), 422)
            is_page(await browser.get(f"/ops/acts/redeliver-deliveries?{wrong}"), 422)
        assert "nothing fits" in is_page(await browser.get("/ops/acts/redeliver-deliveries"))


async def test_a_list_shows_what_fits_and_each_filter_can_be_taken_away(scene: Scene) -> None:
    service, _ = scene
    dead = await delivers(service, "tsk_dead", DeliveryState.DEAD, attempt(service, 404), "https://hooks.example/a")
    failing = await delivers(service, "tsk_failing", DeliveryState.PENDING, attempt(service), "https://other.example/b")
    async with visiting(service) as browser:
        for query, shown in (
            ("", {dead, failing}),
            ("state=dead", {dead}),
            ("state=dead&notify=1", {dead}),
            ("failing=1", {failing}),
            ("answer=5xx", {failing}),
            ("answer=none", set()),
            ("endpoint=https%3A%2F%2Fhooks.example%2Fany", {dead}),
            ("task=tsk_failing", {failing}),
            ("subscription=sub_none", set()),
            ("since=5m&type=task.succeeded", {dead, failing}),
            ("until=5m", set()),
        ):
            page = is_page(await browser.get(f"/ops/deliveries?{query}"))
            assert {each for each in (dead, failing) if f'id="{each}"' in page} == shown, query
        both = is_page(await browser.get("/ops/deliveries?state=dead&answer=4xx"))
        assert 'href="/ops/deliveries?answer=4xx"' in both
        assert 'href="/ops/deliveries?state=dead"' in both


async def test_rows_stay_when_they_fit_no_more_and_new_ones_are_counted(scene: Scene) -> None:
    service, _ = scene
    first = await delivers(service, "tsk_1", DeliveryState.DEAD, attempt(service), "https://hooks.example/a")
    async with visiting(service) as browser:
        await service.services.store.outbox.redeliver(first, actor="ann", now_ms=service.services.clock())
        second = await delivers(service, "tsk_2", DeliveryState.DEAD, attempt(service), "https://hooks.example/a")
        address = f"/ops/deliveries/rows?state=dead&first=1&ids={first}"
        rows = await browser.get(address, headers={"HX-Request": "true"})
        assert rows.status_code == 200
        assert f'id="{first}" class="gone"' in rows.text
        assert second not in rows.text
        assert "1 new deliveries" in rows.text
        again = {"HX-Request": "true", "If-None-Match": rows.headers["etag"]}
        assert (await browser.get(address, headers=again)).status_code == 304
        assert (await browser.get(address)).status_code == 303


async def test_one_delivery_shows_its_attempts_and_what_it_posts_as_text(scene: Scene) -> None:
    service, _ = scene
    url = "https://hooks.example/<script>alert(3)</script>"
    hostile = attempt(service, 500, response=MARKUP + "x" * 4_000)
    name = await delivers(service, "tsk_1", DeliveryState.DEAD, hostile, url)
    silent = attempt(service, None, error=f"ConnectError: {MARKUP}")
    other = await delivers(service, "tsk_2", DeliveryState.PENDING, silent, "https://hooks.example/b")
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get(f"/ops/deliveries/{name}"))
        assert "&lt;script&gt;alert(1)" in page
        assert "4.2 s" in page
        assert "task.succeeded" in page
        assert '<a class="id" href="/ops/tasks/tsk_1">' in page
        unanswered = is_page(await browser.get(f"/ops/deliveries/{other}"))
        assert "no answer" in unanswered
        listed = is_page(await browser.get("/ops/deliveries"))
        for each in (page, unanswered, listed):
            assert "<script>alert" not in each
            assert "<img src=x" not in each
            assert "\x1b" not in each
            assert "Redeliver…" not in each
        is_page(await browser.get("/ops/acts/redeliver-deliveries"), 403)
        is_page(await browser.post("/ops/acts/redeliver-deliveries", data={"state": "dead"}), 403)


async def test_all_dead_letters_of_a_filter_are_shown_with_their_receivers_and_sent_again(scene: Scene) -> None:
    service, _ = scene
    store = service.services.store
    await subscribe(store, "sub_1")
    of_subscription = [await delivers(service, f"tsk_{n}", DeliveryState.DEAD, attempt(service)) for n in range(3)]
    await store.subscriptions.delete("sub_1", actor="ann", now_ms=service.services.clock())
    await subscribe(store, "sub_2")
    kept = [await delivers(service, f"tsk_k{n}", DeliveryState.DEAD, attempt(service)) for n in range(2)]
    done = await delivers(service, "tsk_done", DeliveryState.DELIVERED, attempt(service, 204))
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/redeliver-deliveries"))
        assert "Redeliver 5 dead letters" in page
        assert all(words in page for words in ("3 to https://hooks.example/sub_1", "2 to https://hooks.example/sub_2"))
        assert done not in page
        run = await ended(service, await browser.post("/ops/acts/redeliver-deliveries", data=fields_of(page)))
        assert (run.done, run.failed, run.expected) == (2, 3, 5)
        assert {note.item for note in run.notes} == set(of_subscription)
        assert {note.words for note in run.notes} == {"its subscription was deleted"}
        for name in kept:
            delivery = await store.deliveries.delivery(name)
            assert delivery is not None
            assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 0)
        again = is_page(await browser.get("/ops/acts/redeliver-deliveries?state=delivered"))
        assert "Redeliver 1 delivery" in again


async def test_the_second_operator_sends_nothing_twice(scene: Scene) -> None:
    service, _ = scene
    name = await delivers(service, "tsk_1", DeliveryState.DEAD, attempt(service), "https://hooks.example/a")
    async with visiting(service) as ann, visiting(service) as ben:
        address = "/ops/acts/redeliver-deliveries"
        forms = [fields_of(is_page(await each.get(f"{address}?state=dead"))) for each in (ann, ben)]
        run = await ended(service, await ann.post(address, data=forms[0]))
        assert (run.done, run.failed) == (1, 0)
        assert "nothing fits. Nothing was done." in is_page(await ben.post(address, data=forms[1]), 409)
    late = await ACTS["redeliver-deliveries"].work(service.services, [name], run.condition, "ben")
    assert [(each.is_done, each.words) for each in late] == [
        (False, "left alone: it does not fit the filter any more"),
    ]
