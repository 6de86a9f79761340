"""Dead letters are found, looked at and sent again, in a real browser that may complain about nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from submitter.simulator import Simulator
from tests.support.browser import visiting_with_browser
from tests.support.dashboard_ledger import fill
from tests.support.service import Served, served_with_simulator

Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def test_a_dead_letter_is_opened_and_all_of_a_filter_are_sent_again(scene: Scene) -> None:
    service, sim = scene
    await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops/deliveries")
        await page.get_by_role("link", name="Dead at notify addresses").click()
        await expect(page.locator("tbody tr")).to_have_count(2)
        await page.locator("td[data-label=Delivery] a").last.click()
        await expect(page.locator("main")).to_contain_text("<h1>Bad Gateway</h1>")
        await page.get_by_role("button", name="Redeliver…").click()
        await page.get_by_role("button", name="Redeliver 1 delivery").click()
        await expect(page.locator("main")).to_contain_text("1 of 1 done")
        await page.goto(f"{service.url}/ops/deliveries")
        await page.get_by_text("Filters", exact=True).click()
        await page.get_by_label("dead", exact=True).check()
        await page.get_by_label("4xx").check()
        await page.get_by_label("only notify addresses").check()
        await page.get_by_role("button", name="Show", exact=True).click()
        await page.get_by_role("button", name="Redeliver…").click()
        await expect(page.locator("main")).to_contain_text("1, named by tasks in notify")
        await page.get_by_role("button", name="Redeliver 1 dead letter").click()
        await expect(page.locator("main")).to_contain_text("1 of 1 done")
