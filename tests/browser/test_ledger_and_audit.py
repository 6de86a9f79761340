"""The ledger, the audit and the live page of one task, in a real browser that may complain about nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from submitter.model import TaskState
from submitter.simulator import Simulator
from tests.support.browser import accessibility_faults, visiting_with_browser
from tests.support.builders import a_report
from tests.support.dashboard_ledger import fill
from tests.support.service import Served, served_with_simulator

Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def test_from_a_key_of_the_ledger_to_what_it_did_to_its_task(scene: Scene) -> None:
    service, sim = scene
    ids = await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops/ledger")
        await expect(page.get_by_role("region", name="Processes")).to_contain_text("not seen")
        await page.get_by_text("settings that are at their defaults").click()
        await expect(page.locator("main")).to_contain_text("WHENFINAL_LEASE_S")
        assert await accessibility_faults(page) == []
        await page.locator("tr", has_text="you").get_by_role("link").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_role("link", name="actor key all").click()
        await expect(page.locator("tbody tr")).not_to_have_count(1)
        await page.get_by_role("link", name="redeliver", exact=True).click()
        await page.get_by_role("link", name=ids["failed"]).click()
        await expect(page.locator("h1")).to_contain_text(ids["failed"])


async def test_the_page_of_a_task_changes_at_once_when_it_ends(scene: Scene) -> None:
    service, _ = scene
    await service.has()
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read", at="/ops/tasks/tsk_1")
        await page.get_by_label("Refresh").select_option("60")
        await expect(page.get_by_role("status")).to_have_text("live")
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED)], 1)
        await expect(page.locator(".states")).to_contain_text("succeeded", timeout=30_000)
        await page.get_by_label("Refresh").select_option("0")
        await expect(page.get_by_role("status")).to_have_text("not refreshed")
        while service.services.feed.taken:
            await page.wait_for_timeout(20)
