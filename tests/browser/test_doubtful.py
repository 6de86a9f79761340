"""A lost submit is looked for and accepted with the page's buttons, in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from submitter.model import TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.browser import visiting_with_browser
from tests.support.dashboard_ledger import task_id
from tests.support.service import Served, served_with_simulator

ORDER = {"provider": "dashscope", "video": {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}}
Scene = tuple[Served, Simulator]


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def test_two_lost_submits_are_looked_for_then_one_is_accepted_and_one_settled(scene: Scene) -> None:
    service, sim = scene
    now_ms = service.services.clock()
    await service.has(task_id(1, now_ms), None, provider="tokenbay", created_ms=now_ms, sent_ms=now_ms)
    sim.plan("dashscope", [["reply_lost"]])
    lost = TaskId((await service.post("/v1/tasks", ORDER)).json()["id"])
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops/doubtful")
        await page.get_by_role("button", name="Look at the providers' lists…").click()
        await page.get_by_role("button", name="Look for 2 tasks").click()
        row = page.locator(f"article#{lost}")
        await expect(row).to_contain_text("exactly one fits")
        await page.get_by_role("button", name="Accept where exactly one fits…").click()
        await page.get_by_role("button", name="Accept the candidate of 1 task").click()
        await expect(page.locator("main")).to_contain_text("1 of 1 done")
        await page.goto(f"{service.url}/ops/doubtful")
        await page.get_by_role("button", name="Never created…", exact=True).click()
        await page.get_by_role("button", name="Settle as never created").click()
        await expect(page.locator("main")).to_contain_text("now refused")
    task = await service.services.store.tasks.task(lost)
    assert task is not None
    assert task.state is TaskState.SUBMITTED
