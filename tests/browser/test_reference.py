"""The API reference in a real browser: it fetches nothing, fits a phone, and can be read by everybody."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from receiver.web.routes import ROUTES
from tests.support.browser import Theme, accessibility_faults, visiting_with_browser
from tests.support.service import Served, served


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as service:
        yield service


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
async def test_the_reference_is_read_without_a_script_and_from_one_address(
    service: Served, theme: Theme, width: int
) -> None:
    async with visiting_with_browser(service, theme=theme, width=width) as visit:
        page = await visit.open()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{service.url}/docs")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("API reference")
        await expect(page.locator("article.operation")).to_have_count(len(ROUTES))
        await page.get_by_role("link", name="Submit up to 100 tasks").click()
        await expect(page.locator("#submitBatch")).to_be_in_viewport()
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0
        assert [url for url in asked if not url.startswith("data:")] == [f"{service.url}/docs"]
        assert await accessibility_faults(page) == []


async def test_the_dashboard_leads_to_the_reference(service: Served) -> None:
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read")
        await page.get_by_role("link", name="API reference").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("API reference")
