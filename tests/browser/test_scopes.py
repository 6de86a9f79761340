"""What a key of each scope sees at the dashboard, in a real browser that may complain about nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from submitter.simulator import Simulator
from tests.support.browser import accessibility_faults, visiting_with_browser
from tests.support.dashboard_ledger import fill
from tests.support.service import KEYS, Served, served_with_simulator

Scene = tuple[Served, Simulator]
#: Forms of acts, of the stop of a run, and buttons of forms that change anything but the session.
ACTS = 'form[action*="/acts/"], form[action$="/stop"], main form[method="post"]'


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def test_a_key_that_may_read_has_no_act_on_any_page_and_none_by_its_address(scene: Scene) -> None:
    service, sim = scene
    ids = await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read")
        refused = 0
        for address in ids["pages"].values():
            answer = await page.goto(f"{service.url}{address}")
            assert answer is not None
            assert await page.locator(ACTS).count() == 0, address
            if address.startswith("/ops/acts/"):
                assert answer.status == 403, address
                await expect(page.get_by_role("alert")).to_contain_text("the key read does not have it")
                refused += 1
            else:
                assert answer.status in {200, 404}, address
        assert refused > 0


async def test_a_key_that_may_read_and_operate_has_acts_on_the_same_pages(scene: Scene) -> None:
    """So that what the other test does not find can be found."""
    service, sim = scene
    ids = await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in()
        for name in ("now", "tasks", "provider", "deliveries", "subscription", "doubtful", "act"):
            await page.goto(f"{service.url}{ids['pages'][name]}")
            assert await page.locator(ACTS).count() > 0, name


@pytest.mark.parametrize("key", ["operate", "submit"])
async def test_a_key_that_may_not_read_is_told_so_and_has_no_session(scene: Scene, key: str) -> None:
    service, _ = scene
    async with visiting_with_browser(service) as visit:
        page = await visit.open()
        await page.goto(f"{service.url}/ops/tasks")
        await page.get_by_label("API key").fill(KEYS[key][1])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("does not have the scope read")
        await expect(page.locator("nav")).to_have_count(0)
        assert await accessibility_faults(page) == []
        assert await visit.context.cookies() == []
        await page.goto(f"{service.url}/ops/acts/cancel-tasks?state=queued")
        await expect(page.get_by_label("API key")).to_be_visible()
