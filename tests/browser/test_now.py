"""The first page and the providers in a real browser: what is wrong is seen, and cured by its buttons."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from receiver.store.accounts import PollPause
from tests.support.browser import visiting_with_browser
from tests.support.dashboard_ledger import MARKUP
from tests.support.service import Served, served_with_simulator


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served_with_simulator(tmp_path, speed=1.0) as (service, _):
        yield service


async def test_a_denied_key_is_seen_after_the_sign_in_and_resumed(service: Served) -> None:
    now_ms = service.services.clock()
    pause = PollPause(until_ms=now_ms + 600_000, reason="denied", alarm=f"401: {MARKUP}")
    await service.services.store.providers.pause("hiapi", pause, now_ms=now_ms)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops")
        alarm = page.locator("li.alarm")
        await expect(alarm).to_have_count(1)
        await expect(alarm).to_contain_text("hiapi has denied our key for polls")
        await expect(alarm).to_contain_text("401: <script>alert(1)</script>")
        await alarm.get_by_role("link", name="Provider hiapi").click()
        await expect(page.get_by_text("It denies our key for polls.")).to_be_visible()
        await page.get_by_role("button", name="Resume…").click()
        await page.get_by_role("button", name="Resume hiapi").click()
        await expect(page.locator("main")).to_contain_text("finished")
        service.services.metrics.snapshot = None
        await page.get_by_role("link", name="Now").click()
        await expect(page.get_by_text("Nothing is wrong.")).to_be_visible()


async def test_a_number_leads_to_its_list_and_the_page_keeps_itself_up_to_date(service: Served) -> None:
    await service.has("tsk_1", None)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read", at="/ops")
        await expect(page.locator("li.alarm")).to_have_count(1)
        await expect(page.locator("li.alarm button")).to_have_count(0)
        await page.get_by_role("link", name="Uncertain submits 1").click()
        await expect(page.locator("tr#tsk_1")).to_be_visible()
        await page.go_back()
        await page.get_by_label("Refresh").select_option("5")
        await service.has("tsk_2", None)
        service.services.metrics.snapshot = None
        await expect(page.get_by_role("link", name="Uncertain submits 2")).to_be_visible()
