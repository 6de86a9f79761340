"""What people do at the dashboard, in a real browser that may complain about nothing."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from submitter.model import Output, TaskId, TaskState
from submitter.simulator import Simulator
from tests.support.browser import accessibility_faults, visiting_with_browser
from tests.support.builders import T0, a_report
from tests.support.dashboard_ledger import MARKUP, fill, task_id
from tests.support.file_server import answering, reply
from tests.support.service import KEYS, ORDER, Served, served_with_simulator

Scene = tuple[Served, Simulator]
QUEUED, RUNNING = task_id(1, T0), task_id(2, T0)


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with served_with_simulator(tmp_path, speed=1.0) as opened:
        yield opened


async def test_sign_in_with_a_wrong_key_then_a_right_one_then_out(scene: Scene) -> None:
    service, _ = scene
    async with visiting_with_browser(service) as visit:
        page = await visit.open()
        await page.goto(f"{service.url}/ops/tasks?state=uncertain")
        await page.get_by_label("API key").fill("a-wrong-key-000001")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("no key of this service")
        assert await accessibility_faults(page) == []
        await page.get_by_label("API key").fill(KEYS["read"][1])
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{service.url}/ops/tasks?state=uncertain")
        await expect(page.locator("header")).to_contain_text("read (read only)")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("API key")).to_be_visible()
        await page.go_back()
        await page.reload()
        await expect(page.get_by_label("API key")).to_be_visible()


async def test_by_keyboard_the_content_is_one_step_away_and_focus_is_seen(scene: Scene) -> None:
    service, _ = scene
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read")
        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.keyboard.press("Tab")
        width = await page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert width == "3px"


async def test_a_filter_is_set_seen_sent_on_and_taken_away(scene: Scene) -> None:
    service, sim = scene
    await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read")
        await expect(page.locator("tbody tr")).to_have_count(15)
        await page.get_by_text("Filters", exact=True).click()
        await page.get_by_label("uncertain").check()
        await page.get_by_label("Label", exact=True).fill("team=trailers")
        await page.get_by_role("button", name="Show", exact=True).click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        assert "state=uncertain" in page.url
        await page.get_by_role("link", name="label team=trailers").click()
        await expect(page.locator("tbody tr")).to_have_count(3)
        await page.get_by_role("link", name="Stuck").click()
        await expect(page.locator("tbody tr").first).to_contain_text("overdue")


async def test_rows_stay_and_change_in_place_and_new_ones_are_announced(scene: Scene) -> None:
    service, sim = scene
    ids = await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read", at="/ops/tasks")
        await page.get_by_label("Refresh").select_option("5")
        row = page.locator(f"tr#{ids['submitted']}")
        await expect(row).to_contain_text("running")
        before = await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "task_0011_7d1f4c")], 1)
        await service.has("tsk_zzzz", "p-new")
        await expect(row).to_contain_text("succeeded")
        await expect(page.get_by_role("link", name="1 new tasks: show")).to_be_visible()
        after = await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
        assert after == before
        await page.reload()
        await expect(page.get_by_label("Refresh")).to_have_value("5")


async def test_a_session_that_ends_meanwhile_leads_to_the_sign_in(scene: Scene) -> None:
    service, _ = scene
    await service.has()
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in("read", at="/ops/tasks/tsk_1")
        await page.get_by_label("Refresh").select_option("5")
        await visit.context.clear_cookies()
        await expect(page.get_by_label("API key")).to_be_visible()


async def test_a_bulk_act_is_shown_then_done_then_opened(scene: Scene) -> None:
    service, _ = scene
    names = [(await service.post("/v1/tasks", ORDER)).json()["id"] for _ in range(2)]
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in()
        await page.get_by_role("button", name="Reconcile…").click()
        await expect(page.get_by_role("heading", name="What it touches")).to_be_visible()
        assert await accessibility_faults(page) == []
        await page.get_by_role("button", name="Reconcile 2 tasks").click()
        await expect(page.locator("main")).to_contain_text("2 of 2 done", timeout=60_000)
        for name in names:
            await expect(page.get_by_role("link", name=name)).to_be_visible()
        assert await accessibility_faults(page) == []
        await page.get_by_role("link", name="Acts").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.locator("tbody tr a").click()
        await expect(page.locator("h1")).to_contain_text("reconcile-tasks")


async def test_an_uncertain_task_is_settled_with_its_buttons(scene: Scene) -> None:
    service, _ = scene
    await service.has("tsk_1", None)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops/tasks/tsk_1")
        await page.get_by_role("button", name="Settle as never created…").click()
        await expect(page.locator("main")).to_contain_text("can not be taken back")
        await page.get_by_role("button", name="Settle as never created").click()
        await expect(page.locator("main")).to_contain_text("1 of 1 done")
    task = await service.services.store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert task.state is TaskState.REFUSED


async def test_a_running_task_is_canceled_and_a_failed_one_is_settled(scene: Scene) -> None:
    service, _ = scene
    await service.has(QUEUED, None, state=TaskState.QUEUED)
    await service.has(RUNNING, "p1")
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at=f"/ops/tasks/{QUEUED}")
        await page.get_by_role("button", name="Cancel…").click()
        await page.get_by_role("button", name="Cancel 1 task").click()
        await expect(page.locator("main")).to_contain_text("taken out of the queue")
        await page.goto(f"{service.url}/ops/tasks/{RUNNING}")
        await page.get_by_text("Settle: say what you saw").click()
        await page.get_by_label("It failed, for this reason").fill("the console says so")
        await page.get_by_role("button", name="Settle as failed…").click()
        await page.get_by_role("button", name="Settle as failed").click()
        await expect(page.locator("main")).to_contain_text("now failed")


async def test_an_uncertain_task_is_given_the_id_that_the_provider_knows(scene: Scene) -> None:
    service, _ = scene
    made = (await service.post("/v1/tasks", {**ORDER, "provider": "signed"})).json()
    await service.has("tsk_1", None, created_ms=service.services.clock(), sent_ms=service.services.clock())
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in(at="/ops/tasks/tsk_1")
        await page.get_by_label("It is there, with this id").fill(made["task_id"])
        await page.get_by_role("button", name="Settle with this id…").click()
        await expect(page.locator("main")).to_contain_text("the provider says")
        assert await accessibility_faults(page) == []
        await page.get_by_role("button", name=f"Settle as {made['task_id']}").click()
        await expect(page.locator("main")).to_contain_text("now submitted")


async def test_all_uncertain_tasks_of_a_filter_are_settled_and_their_dead_letters_sent_again(scene: Scene) -> None:
    service, sim = scene
    await fill(service, sim)
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in()
        await page.get_by_role("link", name="Doubtful", exact=True).click()
        await page.get_by_role("button", name="Settle as never created…").click()
        await page.get_by_role("button", name="Settle 3 tasks as never created").click()
        await expect(page.locator("main")).to_contain_text("3 of 3 done")
        await page.goto(f"{service.url}/ops/tasks")
        await page.get_by_role("button", name="Redeliver dead letters…").click()
        await page.get_by_role("button", name=re.compile("Redeliver [0-9]+ dead letters$")).click()
        await expect(page.locator("main")).to_contain_text("finished")
        await page.goto(f"{service.url}/ops/tasks")
        await page.get_by_role("button", name="Redeliver dead letters…").click()
        await expect(page.get_by_role("alert")).to_contain_text("no dead letters")


async def test_words_of_others_run_nothing(scene: Scene) -> None:
    service, _ = scene
    await service.has(model=MARKUP, labels={"a": MARKUP}, raw_state=MARKUP, request={"raw": {"prompt": MARKUP}})
    async with visiting_with_browser(service) as visit:
        page = await visit.signed_in()
        page.on("dialog", lambda _: visit.complaints.append("a script of others ran"))
        await page.get_by_role("link", name="tsk_1").click()
        await expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
        assert await page.locator("main script, main img").count() == 0


async def test_an_output_is_played_and_a_picture_shown_on_a_click_and_both_come_from_us(scene: Scene) -> None:
    service, _ = scene
    async with answering(lambda head: reply() if b"/p.png" in head else reply(b"0" * 64, "video/mp4")) as (url, heads):
        await service.has(request={"video": {"reference_images": [f"{url}/p.png"]}})
        outputs = (Output(url=f"{url}/v.mp4"),)
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, outputs=outputs)], 1)
        async with visiting_with_browser(service) as visit:
            page = await visit.signed_in("read", at="/ops/tasks/tsk_1")
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            await page.get_by_role("link", name="Show it here").click()
            picture = page.get_by_role("img", name="picture 1 of the request")
            await expect(picture).to_have_js_property("naturalWidth", 1)
            assert len(heads) == 1
            async with page.expect_response(f"{service.url}/ops/tasks/tsk_1/outputs/0") as film:
                await page.locator("video").evaluate("video => { video.play().catch(() => {}); }")
            assert (await (await film.value).header_value("content-type")) == "video/mp4"
            assert all(address.startswith(f"{service.url}/ops/") for address in asked)


async def test_a_picture_that_cannot_be_shown_says_where_the_reason_is(scene: Scene) -> None:
    service, _ = scene
    async with answering(lambda _: reply(b"gone", "text/html", "404 Not Found")) as (url, _):
        await service.has(request={"video": {"reference_images": [f"{url}/p.png"]}})
        async with visiting_with_browser(service) as visit:
            page = await visit.signed_in("read", at="/ops/tasks/tsk_1")
            await page.get_by_role("link", name="Show it here").click()
            await page.get_by_role("link", name="Why?").click()
            await expect(page.get_by_role("alert")).to_contain_text("answers 404")


async def test_without_scripts_every_page_can_be_read(scene: Scene) -> None:
    service, sim = scene
    ids = await fill(service, sim)
    async with visiting_with_browser(service, is_scripted=False) as visit:
        page = await visit.signed_in()
        await page.get_by_role("link", name=ids["failed"]).click()
        await expect(page.locator("main")).to_contain_text("the picture was refused")
        await page.get_by_role("button", name="Redeliver…").first.click()
        await page.get_by_role("button", name="Redeliver 1 delivery").click()
        await expect(page.locator("h1")).to_contain_text("redeliver-delivery")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_is_accessible_and_none_is_wider_than_a_phone(scene: Scene, theme: str) -> None:
    service, sim = scene
    ids = await fill(service, sim)
    async with visiting_with_browser(service, theme="dark" if theme == "dark" else "light", width=390) as visit:
        page = await visit.open()
        await page.goto(f"{service.url}/ops/sign-in")
        await _fits_a_phone(page)
        page = await visit.signed_in()
        for address in ids["pages"].values():
            await page.goto(f"{service.url}{address}")
            await _fits_a_phone(page)
        await page.goto(f"{service.url}{ids['pages']['rotate']}")
        await page.get_by_role("button", name="Rotate, and show").click()
        await expect(page.locator("#secret")).to_contain_text("whsec_")
        await _fits_a_phone(page)


async def _fits_a_phone(page: Page) -> None:
    assert await accessibility_faults(page) == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390, page.url
