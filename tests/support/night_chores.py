"""More of a night, done three ways as in `night_acts`: what a person does about many tasks, lost submits and files."""

import asyncio
from pathlib import Path

import httpx
from playwright.async_api import Page, expect

from tests.support.night import Act, Trouble, shown_by_api, shown_in_shell
from tests.support.service import ORDER

FILM = {"film": "7"}
OTHER_FILM = {"film": "8"}


async def _filter_by_film(page: Page) -> None:
    """The list of the film's tasks, as a person comes to it."""
    await page.get_by_role("link", name="Tasks", exact=True).click()
    await page.get_by_text("Filters", exact=True).click()
    await page.get_by_label("Label", exact=True).fill("film=7")
    await page.get_by_role("button", name="Show", exact=True).click()


# A submit that did not arrive: the provider's list has nothing, and it is settled as refused.


async def _does_not_arrive(on: Trouble) -> None:
    on.night.sim.plan("dashscope", [["submit_reset"]])
    await on.night.has(await on.submits(), "uncertain")


async def _refuse_at_the_page(on: Trouble) -> None:
    page, alarm = on.night.page, await on.night.alarm("uncertain")
    await expect(alarm).to_contain_text("1 submit at dashscope is uncertain")
    await alarm.get_by_role("link", name="Doubtful submits").click()
    await page.get_by_role("button", name="Look at the providers' lists…").click()
    await page.get_by_role("button", name="Look for 1 task").click()
    row = page.locator(f"article#{on.task}")
    await expect(row).to_contain_text("It lists no task of that time that is missing here.")
    await row.get_by_role("button", name="Never created…", exact=True).click()
    await expect(page.locator("main")).to_contain_text("Whoever submitted it is told so")
    await on.night.does("Settle as never created")
    await on.night.is_calm("uncertain")


async def _refuse_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "uncertain", "warn 1 uncertain")
    (listed,) = await on.night.shell_json("tasks", "list", "--state", "uncertain")
    looked = await on.night.shell("tasks", "settle", listed["id"], "--look")
    assert "dashscope lists no task of that time that is missing from the ledger" in looked
    await on.night.shell("tasks", "settle", listed["id"], "--refused", "--yes")


async def _refuse_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "uncertain", "warn 1 uncertain")
    (listed,) = (await on.night.api("GET", "/v1/tasks?state=uncertain"))["tasks"]
    look = await on.night.api("POST", f"/v1/tasks/{listed['id']}/look")
    assert (look["clear"], look["candidates"], look["problem"]) == (None, [], None)
    await on.night.api("POST", f"/v1/tasks/{listed['id']}/settle", {"refused": True})


async def _nothing_was_created(on: Trouble) -> None:
    assert on.night.sim.records().of("dashscope") == ()


# A film that nobody wants any more: all its tasks are taken out of the queue, and those of another film stay there.


async def _queues_two_films(on: Trouble) -> None:
    on.night.sim.plan("dashscope", [["submit_429"]] * 5)  # so that the queue also stands when a pause is over
    await on.night.has(await on.night.submits(labels=OTHER_FILM), "queued")
    for _ in range(3):
        await on.night.has(await on.submits(labels=FILM), "queued")


async def _cancel_all_at_the_page(on: Trouble) -> None:
    page, alarm = on.night.page, await on.night.alarm("paused")
    await expect(alarm).to_contain_text("4 tasks wait in the queue")
    await _filter_by_film(page)
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.get_by_role("button", name="Cancel…", exact=True).click()
    for task in on.tasks:
        await expect(page.get_by_role("link", name=task)).to_be_visible()
    await expect(page.locator("main")).to_contain_text("3 tasks are to end.")
    await on.night.does("Cancel 3 tasks")


async def _cancel_all_in_the_shell(on: Trouble) -> None:
    listed = await on.night.shell_json("tasks", "list", "--label", "film=7")
    assert {each["id"] for each in listed} == set(on.tasks)
    chosen = ("tasks", "cancel", "--label", "film=7")
    assert "3 tasks would be worked on" in await on.night.shell(*chosen, "--dry-run")
    await on.night.shell(*chosen, status=2)  # not confirmed: nothing is done
    assert {each["state"] for each in await on.night.shell_json("tasks", "list", "--label", "film=7")} == {"queued"}
    assert "done 3 of 3, failed 0" in await on.night.shell(*chosen, "--yes")


async def _cancel_all_over_the_api(on: Trouble) -> None:
    listed = (await on.night.api("GET", "/v1/tasks?label=film%3D7"))["tasks"]
    assert {each["id"] for each in listed} == set(on.tasks)
    ended = await on.night.api_run("/v1/tasks/cancel", {"label": ["film=7"]})
    assert ended["done"] == 3


async def _keeps_the_other_film(on: Trouble) -> None:
    (kept,) = (await on.night.api("GET", "/v1/tasks?label=film%3D8"))["tasks"]
    assert kept["state"] == "queued"


# A file that a caller has lost: the task is found by its label, and the file downloaded with the bytes of the provider.


async def _loses_a_file(on: Trouble) -> None:
    await on.night.has(await on.submits(ORDER, labels=FILM), "succeeded")


async def _download_at_the_page(on: Trouble) -> None:
    page = on.night.page
    await _filter_by_film(page)
    await page.get_by_role("link", name=on.task).click()
    async with page.expect_download() as starting:
        await page.get_by_role("link", name="Download", exact=True).click()
    download = await starting.value
    assert download.suggested_filename == _name_of(on)
    await _is_the_film(on, await _read(Path(await download.path())))


async def _download_in_the_shell(on: Trouble) -> None:
    (listed,) = await on.night.shell_json("tasks", "list", "--label", "film=7")
    films = on.night.folder.parent / "films"
    (stored,) = await on.night.shell_json("tasks", "download", listed["id"], "--to", str(films))
    assert list(films.iterdir()) == [films / _name_of(on)] == [Path(stored["path"])]
    await _is_the_film(on, await _read(Path(stored["path"])))


async def _download_over_the_api(on: Trouble) -> None:
    (listed,) = (await on.night.api("GET", "/v1/tasks?label=film%3D7"))["tasks"]
    file = await on.night.service.get(f"/v1/tasks/{listed['id']}/files/0")
    assert (file.status_code, file.headers["content-type"]) == (200, "video/mp4")
    assert f'filename="{_name_of(on)}"' in file.headers["content-disposition"]
    await _is_the_film(on, file.content)


def _name_of(on: Trouble) -> str:
    """The same three ways."""
    return f"{on.task}-video.mp4"


async def _read(path: Path) -> bytes:
    return await asyncio.to_thread(path.read_bytes)


async def _is_the_film(on: Trouble, content: bytes) -> None:
    """As the provider serves it."""
    (output,) = (await on.night.api("GET", f"/v1/tasks/{on.task}"))["outputs"]
    async with httpx.AsyncClient(trust_env=False) as http:
        served = await http.get(output["url"])
    assert served.status_code == 200
    assert content == served.content
    assert content[4:8] == b"ftyp"


CHORES = {
    "a submit that did not arrive is refused": Act(
        trouble=_does_not_arrive,
        page=_refuse_at_the_page,
        shell=_refuse_in_the_shell,
        api=_refuse_over_the_api,
        ended=_nothing_was_created,
        state="refused",
        is_sent=False,
    ),
    "all tasks of a film are canceled": Act(
        trouble=_queues_two_films,
        page=_cancel_all_at_the_page,
        shell=_cancel_all_in_the_shell,
        api=_cancel_all_over_the_api,
        ended=_keeps_the_other_film,
        state="canceled",
        is_sent=False,
    ),
    "a lost file is downloaded": Act(
        trouble=_loses_a_file,
        page=_download_at_the_page,
        shell=_download_in_the_shell,
        api=_download_over_the_api,
    ),
}
