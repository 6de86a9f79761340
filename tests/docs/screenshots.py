"""Make the screenshots of the dashboard: `.venv/bin/python -m tests.docs.screenshots [FOLDER] [NAME …]`.

Without arguments those of the documentation, into receiver/docs. With a folder, of the named pages of the filled ledger
or of all of them, in both themes and at the width of a desk and of a phone: for a look at what was changed.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page

from tests.docs.pages import ROOT
from tests.support import dashboard_ledger, dashboard_subscriptions
from tests.support.browser import Theme, visiting_with_browser
from tests.support.service import served_with_simulator

DOCS = ROOT / "receiver/docs"
WIDE, NARROW = 1280, 390
HEIGHT = 720  # of a picture of the documentation
MOST_BYTES = 150_000

#: The files of the documentation, and which page of the filled ledger is in each.
SHOWN = {"dashboard-now.png": "now", "dashboard-task.png": "failed", "dashboard-subscriptions.png": "subscriptions"}


async def take(folder: Path, names: Sequence[str]) -> None:
    """Every view of some pages, or of all."""
    for theme in ("light", "dark"):
        for width in (WIDE, NARROW):
            await _take(folder, {f"{name}-{theme}-{width}.png": name for name in names}, theme, width, is_whole=True)


async def _take(folder: Path, wanted: dict[str, str], theme: Theme, width: int, *, is_whole: bool) -> None:
    with TemporaryDirectory(prefix="whenfinal-shots-") as place:
        async with served_with_simulator(Path(place), speed=1.0) as (service, sim):
            ids = await dashboard_ledger.fill(service, sim)
            pages = ids["pages"]
            for name in () if wanted else pages:
                wanted[f"{name.replace(' ', '-')}-{theme}-{width}.png"] = name
            async with visiting_with_browser(service, theme=theme, width=width) as visit:
                page = await visit.signed_in()
                if not is_whole:
                    await page.set_viewport_size({"width": width, "height": HEIGHT})
                for file, name in wanted.items():
                    await page.goto(f"{service.url}{pages[name]}")
                    await _shoot(page, folder / file, is_whole=is_whole)


async def _shoot(page: Page, file: Path, *, is_whole: bool) -> None:
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=file, full_page=is_whole)
    sys.stdout.write(f"{file} {file.stat().st_size:,} bytes\n")


def main(arguments: Sequence[str]) -> None:
    if arguments:
        asyncio.run(take(Path(arguments[0]), arguments[1:]))
        return
    dashboard_ledger.MARKUP = "see ticket 4711"  # what others write on a usual day
    dashboard_subscriptions.SCRIPT_URL = "https://render-farm.example/hooks"
    asyncio.run(_take(DOCS, dict(SHOWN), "light", WIDE, is_whole=False))
    for file in SHOWN:
        if (DOCS / file).stat().st_size > MOST_BYTES:
            raise SystemExit(f"{file} is larger than {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
