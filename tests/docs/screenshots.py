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
MOST_BYTES = 150_000

#: Files: which page of the filled ledger is in each, and how high the picture is; None for as high as the page.
Wanted = dict[str, tuple[str, int | None]]

#: The files of the documentation.
SHOWN: Wanted = {
    "dashboard-task.png": ("succeeded", 1000),
    "dashboard-subscriptions.png": ("subscriptions", 620),
    "dashboard-now.png": ("now", 1000),
}
#: The last one: of all the troubles of the ledger so few are left that the figures below them are in the picture.
CALM = "now"


async def take(folder: Path, names: Sequence[str]) -> None:
    """Every view of some pages, or of all."""
    for theme in ("light", "dark"):
        for width in (WIDE, NARROW):
            wanted: Wanted = {f"{name}-{theme}-{width}.png": (name, None) for name in names}
            await _take(folder, wanted, theme, width)


async def _take(folder: Path, wanted: Wanted, theme: Theme, width: int) -> None:
    """Take the wanted pictures, or those of all pages."""
    with TemporaryDirectory(prefix="whenfinal-shots-") as place:
        async with served_with_simulator(Path(place), speed=1.0) as (service, sim):
            ids = await dashboard_ledger.fill(service, sim)
            pages = ids["pages"]
            for name in () if wanted else pages:
                wanted[f"{name.replace(' ', '-')}-{theme}-{width}.png"] = (name, None)
            async with visiting_with_browser(service, theme=theme, width=width) as visit:
                page = await visit.signed_in()
                for file, (name, height) in wanted.items():
                    if height is not None:
                        await page.set_viewport_size({"width": width, "height": height})
                    if name == CALM and height is not None:
                        await dashboard_ledger.cure_most(service)
                        service.services.metrics.snapshot = None
                    await page.goto(f"{service.url}{pages[name]}")
                    await _shoot(page, folder / file, is_whole=height is None)


async def _shoot(page: Page, file: Path, *, is_whole: bool) -> None:
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=file, full_page=is_whole)
    sys.stdout.write(f"{file} {file.stat().st_size:,} bytes\n")


def main(arguments: Sequence[str]) -> None:
    if arguments:
        asyncio.run(take(Path(arguments[0]), arguments[1:]))
        return
    dashboard_ledger.MARKUP = "trailers"  # what others write on a usual day
    dashboard_subscriptions.SCRIPT_URL = "https://storyboards.example/hooks"
    asyncio.run(_take(DOCS, dict(SHOWN), "light", WIDE))
    for file in SHOWN:
        if (DOCS / file).stat().st_size > MOST_BYTES:
            raise SystemExit(f"{file} is larger than {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
