"""What people do with subscriptions and events at the dashboard, in a real browser that may complain about nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from submitter.simulator import Simulator
from tests.support.browser import accessibility_faults, visiting_with_browser
from tests.support.dashboard_ledger import fill
from tests.support.delivery_fixtures import deliveries_of, publish_events, subscribe
from tests.support.raw_server import reply, replying, serving
from tests.support.service import Served, served_with_simulator

Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def test_a_subscription_is_tested_disabled_enabled_and_given_a_new_secret(scene: Scene) -> None:
    service, sim = scene
    await fill(service, sim)
    async with serving(replying(reply(b"<b>thanks</b>"))) as endpoint, visiting_with_browser(service) as visit:
        await subscribe(service.services.store, "sub_zz", url=endpoint.url)
        page = await visit.signed_in(at="/ops/subscriptions")
        await expect(page.locator("tr#sub_storyboards")).to_contain_text("answered 400 (Bad Request)")
        await page.get_by_role("link", name="sub_zz").click()
        for button, second, said in (
            ("Test…", "Send one test webhook", "<b>thanks</b>"),
            ("Disable…", "Disable it", "it is disabled"),
            ("Enable…", "Enable it", "it is enabled"),
        ):
            await page.get_by_role("button", name=button).click()
            await page.get_by_role("button", name=second).click()
            await expect(page.locator("tbody")).to_contain_text(said)
            await page.get_by_role("link", name="sub_zz").click()
        await page.get_by_role("link", name="Rotate the secret").click()
        await page.get_by_label("The old one also signs for").select_option("1 hour")
        await page.get_by_role("button", name="Rotate…").click()
        await page.get_by_role("button", name="Rotate, and show").click()
        await expect(page.locator("#secret")).to_contain_text("whsec_")
        secret = await page.locator("#secret").inner_text()
        assert await accessibility_faults(page) == []
        await page.reload()
        assert secret not in await page.content()
        await page.go_back()
        assert secret not in await page.content()


async def test_an_event_is_opened_and_what_followed_it_is_replayed(scene: Scene) -> None:
    service, sim = scene
    await fill(service, sim)
    await subscribe(service.services.store, "sub_zz", description="the new one")
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops/events")
        await page.get_by_label("Refresh").select_option("5")
        before = await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
        await publish_events(service.services.store, 2, first=9_000)
        await expect(page.get_by_role("link", name="2 new events: show")).to_be_visible()
        assert await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)") == before
        await page.get_by_text("Filters", exact=True).click()
        await page.get_by_label("task.failed").check()
        await page.get_by_role("button", name="Show", exact=True).click()
        await expect(page.locator("tbody tr")).to_have_count(3)
        await page.locator("tbody tr td:first-child a").last.click()
        await page.get_by_label("This event and the").select_option("the new one (sub_zz)")
        await page.get_by_role("button", name="Replay from here…").click()
        await page.get_by_role("button", name="Post").click()
        await expect(page.locator("main")).to_contain_text("finished")
    posted = await deliveries_of(service.services.store, "sub_zz")
    assert {each.event_type for each in posted} == {"task.succeeded", "task.failed", "task.overdue"}
