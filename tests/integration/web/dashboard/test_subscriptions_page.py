"""Subscriptions and hosts of `notify` at the dashboard: their health in words, and every act that repairs them."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.events.model.query import EventFilter
from receiver.runtime.operator_runs.model import OperatorRun, RunState
from receiver.runtime.operator_runs.runner import OperatorRuns
from receiver.store.errors import StoreUnavailable
from receiver.webhooks.model.delivery import COUNTED_MOST, RECENT_MOST, DeliveryState
from receiver.webhooks.model.endpoint_health import FAILURES_TO_OPEN
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from submitter.standard_webhooks import new_signing_key
from tests.integration.web.dashboard.test_acts import ended, fields_of
from tests.support.builders import SECRET, T0, a_report
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.delivery_fixtures import (
    finish,
    finish_all,
    lease,
    publish_events,
    publish_newer_event,
    set_state,
    subscribe,
)
from tests.support.raw_server import RawServer, reply, replying, serving
from tests.support.service import Served
from tests.support.subscriptions_over_http import create_subscription, delete_subscription

SCRIPT_URL = "javascript:alert(1)//<script>alert(2)</script>"


@pytest.fixture(name="endpoint")
async def _endpoint() -> AsyncIterator[RawServer]:
    async with serving(replying(reply(b"thanks <b>a lot</b>"))) as server:
        yield server


async def _do(service: Served, browser: httpx.AsyncClient, kind: str, **fields: Any) -> OperatorRun:
    page = is_page(await browser.get(f"/ops/acts/{kind}", params=fields))
    return await ended(service, await browser.post(f"/ops/acts/{kind}", data=fields_of(page)))


# Looking.


async def test_an_empty_ledger_says_how_one_is_made_and_no_host_was_named(service: Served) -> None:
    async with visiting(service, "read") as browser:
        assert "There is no subscription yet" in is_page(await browser.get("/ops/subscriptions"))
        assert "No subscription fits" in is_page(await browser.get("/ops/subscriptions?state=disabled"))
        assert "No task has named an address" in is_page(await browser.get("/ops/subscriptions/notify"))


async def test_a_list_says_what_fails_why_what_waits_and_how_much_was_delivered(service: Served) -> None:
    store, now_ms = service.services.store, service.services.clock()
    await subscribe(store, "sub_1", description="billing", filter=EventFilter(providers=frozenset({"hiapi"})))
    await publish_events(store, 10, at_ms=now_ms)
    for _ in range(FAILURES_TO_OPEN):
        await finish(store, await lease(store, now_ms=now_ms, limit=1), DeliveryState.DEAD, at_ms=now_ms)
    async with visiting(service, "read") as browser:
        for address in ("/ops/subscriptions", "/ops/subscriptions/sub_1"):
            page = is_page(await browser.get(address))
            assert "5 failures in a row" in page
            assert ">open<" in page
            assert "answered 400 (Bad Request)" in page
            assert "provider hiapi" in page
            assert "0 of 10" in page
            assert "0%" in page
            assert "billing" in page


async def test_big_backlogs_are_counted_up_to_a_limit_and_the_share_is_of_the_newest(service: Served) -> None:
    store, now_ms = service.services.store, service.services.clock()
    await subscribe(store)
    await publish_events(store, COUNTED_MOST + 10, at_ms=now_ms)
    (figures,) = await store.deliveries.figures(["sub_1"], now_ms=now_ms)
    assert (figures.pending, figures.made, figures.delivered) == (COUNTED_MOST, RECENT_MOST, 0)
    await finish_all(store, at_ms=now_ms)
    (figures,) = await store.deliveries.figures(["sub_1"], now_ms=now_ms)
    assert (figures.pending, figures.made, figures.delivered, figures.failed) == (0, RECENT_MOST, RECENT_MOST, None)
    (figures,) = await store.deliveries.figures(["sub_1"], now_ms=now_ms + 90_000_000)
    assert figures.made == 0
    async with visiting(service, "read") as browser:
        assert "200 of the newest 200" in is_page(await browser.get("/ops/subscriptions"))


async def test_words_of_others_are_text_and_an_address_with_script_is_no_link(service: Served) -> None:
    store = service.services.store
    await subscribe(
        store,
        description=MARKUP,
        url=SCRIPT_URL,
        filter=EventFilter(labels={"team": MARKUP}, types=frozenset({"task.of_a_newer_version"})),
    )
    await publish_events(store, 1)
    await publish_newer_event(store)
    async with visiting(service) as browser:
        for address in (
            "/ops/subscriptions",
            "/ops/subscriptions/sub_1",
            "/ops/acts/test-subscription?subscription=sub_1",
        ):
            page = is_page(await browser.get(address))
            assert "<script>alert" not in page, address
            assert 'href="javascript' not in page, address
            assert "\x1b" not in page, address
            assert "javascript:alert(1)" in page, address
        assert "task.of_a_newer_version" in is_page(await browser.get("/ops/subscriptions/sub_1"))


async def test_pages_go_from_the_newest_to_the_oldest(service: Served) -> None:
    for number in range(30):
        await subscribe(service.services.store, f"sub_{number:03}")
    async with visiting(service, "read") as browser:
        first = is_page(await browser.get("/ops/subscriptions"))
        assert 'id="sub_029"' in first
        assert 'id="sub_004"' not in first
        second = is_page(await browser.get("/ops/subscriptions?before=sub_005"))
        assert 'id="sub_004"' in second
        assert 'rel="next"' not in second


@pytest.mark.parametrize("address", ["?state=none", "?before=a%20b", "/notify?which=x"])
async def test_a_list_that_cannot_be_is_answered_with_a_page(service: Served, address: str) -> None:
    async with visiting(service, "read") as browser:
        is_page(await browser.get(f"/ops/subscriptions{address}"), 400)


async def test_who_only_looks_sees_no_button_and_cannot_act(service: Served) -> None:
    await subscribe(service.services.store)
    async with visiting(service, "read") as browser:
        for address in ("/ops/subscriptions", "/ops/subscriptions/sub_1", "/ops/subscriptions/notify"):
            assert "/ops/acts/" not in is_page(await browser.get(address))
        for kind in ("rotate-secret", "test-subscription", "replay-events"):
            is_page(await browser.post(f"/ops/acts/{kind}", data={"subscription": "sub_1"}), 403)


async def test_a_subscription_that_was_deleted_meanwhile_has_a_clear_page_and_no_act_begins(service: Served) -> None:
    made = await create_subscription(service)
    name = made["id"]
    async with visiting(service) as browser:
        shown = {
            kind: fields_of(is_page(await browser.get(f"/ops/acts/{kind}", params={"subscription": name})))
            for kind in ("test-subscription", "disable-subscription", "rotate-secret")
        }
        assert (await delete_subscription(service, name)).status_code == 204
        assert "it has been deleted" in is_page(await browser.get(f"/ops/subscriptions/{name}"), 404)
        for kind, fields in shown.items():
            assert "Nothing was done" in is_page(await browser.post(f"/ops/acts/{kind}", data=fields), 404)
            assert "may have been deleted" in is_page(
                await browser.get(f"/ops/acts/{kind}", params={"subscription": name}), 404
            )
        assert "Nobody has done anything" in is_page(await browser.get("/ops/runs"))


# Acting.


async def test_a_test_shows_what_the_endpoint_answered(service: Served, endpoint: RawServer) -> None:
    name = (await create_subscription(service, url=endpoint.url))["id"]
    nobody = (await create_subscription(service))["id"]
    async with visiting(service) as browser:
        run = await _do(service, browser, "test-subscription", subscription=name)
        page = is_page(await browser.get(f"/ops/runs/{run.id}"))
        assert (run.state, run.done, run.failed) == (RunState.FINISHED, 1, 0)
        assert "thanks &lt;b&gt;a lot&lt;/b&gt;" in page
        assert f"/ops/subscriptions/{name}" in page
        failed = await _do(service, browser, "test-subscription", subscription=nobody)
        assert (failed.done, failed.failed) == (0, 1)
        assert " in " in failed.notes[0].words


async def test_a_disabled_subscription_is_enabled_and_its_deliveries_are_due(service: Served) -> None:
    store = service.services.store
    name = (await create_subscription(service))["id"]
    await publish_events(store, 2)
    async with visiting(service) as browser:
        assert (await _do(service, browser, "disable-subscription", subscription=name)).done == 1
        page = is_page(await browser.get(f"/ops/subscriptions/{name}"))
        assert "It is sent nothing since" in page
        assert "Enable…" in page
        again = is_page(await browser.get("/ops/acts/disable-subscription", params={"subscription": name}))
        assert "It is disabled already." in again
        shown = is_page(await browser.get("/ops/acts/resume-subscription", params={"subscription": name}))
        assert "2 pending deliveries are due now" in shown
        run = await _do(service, browser, "resume-subscription", subscription=name)
        assert "it is enabled" in run.notes[0].words
    found = await store.subscriptions.find(name)
    assert found is not None
    assert found.subscription.state is SubscriptionState.ACTIVE


async def test_two_presses_resume_once_and_lead_to_one_run(service: Served) -> None:
    await subscribe(service.services.store)
    await set_state(service.services.store, SubscriptionState.DISABLED)
    async with visiting(service) as browser:
        fields = fields_of(is_page(await browser.get("/ops/acts/resume-subscription?subscription=sub_1")))
        first = await browser.post("/ops/acts/resume-subscription", data=fields)
        await ended(service, first)
        second = await browser.post("/ops/acts/resume-subscription", data=fields)
    assert first.headers["location"] == second.headers["location"]


async def test_a_host_of_notify_is_resumed_with_its_dead_letters(service: Served) -> None:
    store, now_ms = service.services.store, service.services.clock()
    for number in (1, 2):
        await service.has(
            f"tsk_{number}", f"p{number}", notify_url=f"https://hooks.example/{number}", notify_secret=SECRET
        )
    await store.ledger.record([a_report(provider_task_id="p1"), a_report(provider_task_id="p2")], now_ms)
    await finish(store, await lease(store, now_ms=now_ms), DeliveryState.DEAD, at_ms=now_ms)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/subscriptions/notify?which=failing"))
        assert "https://hooks.example" in page
        assert "Resume with dead letters" in page
        assert "answered 400 (Bad Request)" in page
        newest = (await store.deliveries.deliveries(limit=1)).items[0]
        assert f'href="/ops/deliveries/{newest.id}"' in page
        assert "state=pending" not in page
        shown = is_page(
            await browser.get("/ops/acts/resume-host", params={"host": "https://hooks.example", "dead_letters": "1"})
        )
        assert "2 dead letters are due again" in shown
        run = await _do(service, browser, "resume-host", host="https://hooks.example", dead_letters="1")
        assert "dead letters that are due again: 2" in run.notes[0].words
        page = is_page(await browser.get("/ops/subscriptions/notify"))
        (address,) = re.findall('href="(/ops/deliveries[?]state=pending[^"]+)"', page)
        assert 'href="/ops/deliveries/' not in page
        assert newest.id in is_page(await browser.get(address.replace("&amp;", "&")))
        is_page(await browser.get("/ops/acts/resume-host?host=https://none.example"), 404)


# The secret.


async def test_a_new_secret_is_shown_once_to_who_pressed_the_button_and_nowhere_else(
    service: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await subscribe(service.services.store, signing_key=new_signing_key(bytes(32)))
    async with visiting(service) as browser:
        preview = is_page(await browser.get("/ops/acts/rotate-secret?subscription=sub_1&overlap_s=3600"))
        assert "The old one signs too for 1 h" in preview
        shown = is_page(await browser.post("/ops/acts/rotate-secret", data=fields_of(preview)))
        own = await _subscription(service)
        assert own.secret in shown
        assert str(own.signing_key) not in shown
        again = await browser.post("/ops/acts/rotate-secret", data=fields_of(preview))
        (run,) = (await service.services.store.runs.runs()).items
        assert (run.state, run.done, again.headers["location"]) == (RunState.FINISHED, 1, f"/ops/runs/{run.id}")
        for address in ("subscriptions", "subscriptions/sub_1", "runs", f"runs/{run.id}"):
            assert own.secret not in is_page(await browser.get(f"/ops/{address}"))
    assert (await _subscription(service)).secret == own.secret
    assert _tables_with(tmp_path / "ledger.db", own.secret) == ["subscriptions"]
    output = capfd.readouterr()
    assert own.secret not in output.out + output.err


async def test_a_new_secret_is_shown_even_when_its_run_cannot_be_ended(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("the ledger went away")

    await subscribe(service.services.store)
    async with visiting(service) as browser:
        preview = is_page(await browser.get("/ops/acts/rotate-secret?subscription=sub_1"))
        monkeypatch.setattr(OperatorRuns, "end", fail)
        shown = is_page(await browser.post("/ops/acts/rotate-secret", data=fields_of(preview)))
    assert (await _subscription(service)).secret in shown


async def _subscription(service: Served) -> Subscription:
    found = await service.services.store.subscriptions.find("sub_1")
    assert found is not None
    return found.subscription


def _tables_with(path: Path, text: str) -> list[str]:
    with closing(sqlite3.connect(path)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [name for name in tables if text in str(file.execute(f"SELECT * FROM {name}").fetchall())]


async def test_presses_at_once_rotate_once(service: Served) -> None:
    await subscribe(service.services.store)
    async with visiting(service) as browser:
        fields = fields_of(is_page(await browser.get("/ops/acts/rotate-secret?subscription=sub_1")))
        answers = await asyncio.gather(*(browser.post("/ops/acts/rotate-secret", data=fields) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 303, 303, 303]
    (shown,) = [answer for answer in answers if answer.status_code == 200]
    assert (await _subscription(service)).secret in shown.text


async def test_of_two_operators_who_rotate_at_once_one_rotates_and_the_other_is_told(service: Served) -> None:
    await subscribe(service.services.store)
    async with visiting(service) as browser:
        address = "/ops/acts/rotate-secret?subscription=sub_1"
        forms = [fields_of(is_page(await browser.get(address))) for _ in range(2)]
        answers = await asyncio.gather(*(browser.post("/ops/acts/rotate-secret", data=fields) for fields in forms))
        assert sorted(answer.status_code for answer in answers) == [200, 303]
        (shown, other) = sorted(answers, key=lambda answer: answer.status_code)
        assert (await _subscription(service)).secret in shown.text
        told = is_page(await browser.get(other.headers["location"]))
        assert "it was changed after the preview was shown" in told


async def test_the_age_of_a_secret_is_that_of_its_last_rotation(service: Served) -> None:
    now_ms = service.services.clock()
    made = {"created_ms": now_ms - 9 * 86_400_000, "changed_ms": now_ms - 86_400_000}
    await subscribe(service.services.store, "sub_1", **made)
    async with visiting(service, "read") as browser:
        assert "(9 d ago), when the subscription was made" in is_page(await browser.get("/ops/subscriptions/sub_1"))
        await service.post("/v1/subscriptions/sub_1/rotate-secret")
        assert "(just now)" in is_page(await browser.get("/ops/subscriptions/sub_1"))


async def test_a_rotation_whose_process_died_is_taken_on_and_says_that_nobody_saw_the_secret(service: Served) -> None:
    store = service.services.store
    await subscribe(store)
    draft = OperatorRun(
        id=store.runs.new_run_id(T0),
        nonce="n" * 22,
        kind="rotate-secret",
        actor="ann",
        condition={"subscription": "sub_1", "overlap_s": 0},
        expected=1,
        created_ms=T0,
    )
    await store.runs.start(draft, now_ms=T0)
    runs = OperatorRuns(services=service.services)
    await runs.take_on()
    while (run := await store.runs.run(draft.id)) is None or run.is_open:
        await asyncio.sleep(0.01)
    assert (run.state, run.failed) == (RunState.FINISHED, 1)
    assert "nobody has seen a new secret" in run.notes[0].words


@pytest.mark.parametrize("overlap", ["x", "-1", "99999999999", "1e3"])
async def test_an_overlap_that_cannot_be_rotates_nothing(service: Served, overlap: str) -> None:
    await subscribe(service.services.store)
    async with visiting(service) as browser:
        address = f"/ops/acts/rotate-secret?subscription=sub_1&overlap_s={overlap}"
        is_page(await browser.get(address), 422)
