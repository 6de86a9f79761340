"""The sample of `receiver/docs/browser.md` as it stands there, in a real browser, on another origin than ours."""

import asyncio
import re
import runpy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.docs.pages import DOCS
from tests.support.browser import PATIENCE_MS, Visit, visiting_with_browser
from tests.support.service import KEYS, Served, served, serving

FILES = {"js": "follow.js", "html": "index.html", "python": "backend.py"}


def _written(folder: Path) -> Path:
    text = (DOCS / "browser.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert blocks.keys() >= FILES.keys()
    for kind, name in FILES.items():
        (folder / name).write_text(blocks[kind], encoding="utf-8")
    return folder


@asynccontextmanager
async def _sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Served, str]]:
    """The service, and the address of the page."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.chdir(_written(tmp_path))
    changes = {"WHENFINAL_CORS_ORIGINS": origin, "WHENFINAL_STREAM_KEEPALIVE_S": "0.2"}
    async with served(tmp_path, **changes) as service:  # type: ignore[arg-type]  # no simulator among them
        monkeypatch.setenv("WHENFINAL_URL", service.url)
        monkeypatch.setenv("WHENFINAL_API_KEY", KEYS["read"][1])
        app = runpy.run_path(str(tmp_path / "backend.py"))["app"]
        async with serving(app, listener) as url:
            assert url == origin != service.url
            yield service, url


async def _ends(service: Served, name: str, **labels: str) -> None:
    await service.has(name, None, labels=labels)
    assert (await service.post(f"/v1/tasks/{name}/settle", {"refused": True})).status_code == 200


async def _shows(page: Page, *names: str) -> None:
    await expect(page.locator("#events li")).to_have_text([f"task.refused {name}" for name in names])


async def test_a_page_of_another_origin_follows_events_and_misses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _sample(tmp_path, monkeypatch) as (service, url):
        made = (await service.post("/v1/keys", {"name": "page", "scopes": ["read"]})).json()
        monkeypatch.setenv("WHENFINAL_API_KEY", made["key"])
        await _ends(service, "tsk_before", film="1")
        async with visiting_with_browser(service) as visit:
            page = await visit.open()
            await page.goto(url)
            await expect(page.locator("#state")).to_have_text("open")
            await _ends(service, "tsk_first", film="1")
            await _ends(service, "tsk_other", film="2")
            await _shows(page, "tsk_first")
            # The key is replaced: the stream ends, the old token is refused, and the page gets one of the new key.
            monkeypatch.setenv("WHENFINAL_API_KEY", "not-a-key-of-the-service")
            revoked = await service.http.delete(f"/v1/keys/{made['id']}", headers=service.key("all"))
            assert revoked.status_code == 200
            await expect(page.locator("#state")).to_have_text("connecting")
            await _ends(service, "tsk_meanwhile", film="1")
            monkeypatch.setenv("WHENFINAL_API_KEY", KEYS["read"][1])
            await expect(page.locator("#state")).to_have_text("open")
            await _ends(service, "tsk_last", film="1")
            await _shows(page, "tsk_first", "tsk_meanwhile", "tsk_last")


async def test_a_page_of_an_origin_that_is_not_allowed_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _sample(tmp_path, monkeypatch) as (service, url), visiting_with_browser(service) as visit:
        page = await visit.open()
        await page.goto(url.replace("127.0.0.1", "localhost"))
        await _complains(visit, page)
        await expect(page.locator("#state")).to_have_text("connecting")
        await _ends(service, "tsk_1", film="1")
        address = f"{service.url}/v1/events"
        script = (
            "(address) => fetch(address, {headers: {Authorization: 'Bearer x'}}).then(() => 'read', () => 'refused')"
        )
        assert await page.evaluate(script, address) == "refused"
        await _shows(page)
        await page.goto("about:blank")
        visit.complaints.clear()


async def _complains(visit: Visit, page: Page) -> None:
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not any("CORS policy" in each for each in visit.complaints):
            await page.wait_for_timeout(50)
