"""A real browser at the dashboard: the system's Chromium, driven by playwright; nothing may break the policy."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.support.service import KEYS, Served

NAMED_BY = "WHENFINAL_TEST_BROWSER"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Where `playwright install chromium` puts its own.
OF_PLAYWRIGHT = ".cache/ms-playwright/chromium-*/chrome-linux*/chrome"
HOW_TO_GET = (
    "no browser: run `apt-get install chromium` or `.venv/bin/playwright install chromium`, or name a program in "
    f"{NAMED_BY}; {NAMED_BY}=none leaves these tests out"
)
AXE = Path(__file__).resolve().parents[1] / "browser/vendored/axe.min.js"
PATIENCE_MS = 60_000  # how long a condition may take on a busy machine
_LISTENER = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""

Theme = Literal["light", "dark"]


def find_browser() -> str:
    """Skip the test where that is wanted, and fail it in one line where no browser is found."""
    named = os.environ.get(NAMED_BY, "")
    if named == "none":
        pytest.skip(f"{NAMED_BY}=none")
    found = named or next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    found = found or next(map(str, Path.home().glob(OF_PLAYWRIGHT)), None)
    if found is None:
        pytest.fail(HOW_TO_GET, pytrace=False)
    return found


class Visit:
    """One person's browser, and what it complained about."""

    def __init__(self, service: Served, context: BrowserContext) -> None:
        self.service = service
        self.context = context
        self.complaints: list[str] = []

    async def open(self) -> Page:
        page = await self.context.new_page()
        await page.add_init_script(_LISTENER)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        # A picture that cannot be shown, and a page that is refused, are also told here.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    async def signed_in(self, key: str = "all", *, at: str = "/ops/tasks") -> Page:
        page = await self.open()
        await page.goto(f"{self.service.url}{at}")
        await page.get_by_label("API key").fill(KEYS[key][1])
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{self.service.url}{at}")
        return page


@asynccontextmanager
async def visiting_with_browser(
    service: Served, *, theme: Theme = "light", width: int = 1280, is_scripted: bool = True
) -> AsyncIterator[Visit]:
    """Fails when the browser complained about anything, such as something that the policy blocks."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        context = await browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, java_script_enabled=is_scripted
        )
        context.set_default_timeout(PATIENCE_MS)
        visit = Visit(service, context)
        yield visit
        await browser.close()
    assert visit.complaints == []


async def accessibility_faults(page: Page) -> Sequence[str]:
    """What axe-core finds serious or critical, each in a line."""
    # Through the debugger's own channel, because the policy lets no other script in.
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"][:3]
    ]
