"""An operator's night: each fault is made for real, found on the first page, and cured with buttons alone.

The provider is the simulator and the subscriber a server of the test, both on real sockets; the periodic jobs run.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from receiver.runtime.background import working
from submitter.model import ENDED
from submitter.simulator import PLATFORMS, Simulator, SimulatorConfig, running
from tests.support.browser import Visit, visiting_with_browser
from tests.support.raw_server import Peer, RawServer, reply, serving
from tests.support.service import ORDER, Served, served
from tests.support.subscriptions_over_http import create_subscription

VIDEO = {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}
POLLED: dict[str, Any] = {"provider": "dashscope", "video": VIDEO}


@pytest.fixture(autouse=True)
def _no_fault_of_ours(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The log of a night has no traceback, and no request, job or run that failed."""
    yield
    told = "".join(capsys.readouterr())
    sys.stdout.write(told)  # shown with a test that fails
    assert "route=/ops" in told
    assert [word for word in ("Traceback", "request_failed", "job_failed", "run_failed") if word in told] == []


@dataclass(kw_only=True, eq=False)
class Night:
    """A service at work, and a person who has just signed in."""

    service: Served
    sim: Simulator
    #: The keys that the platforms take; a test may change them.
    keys: dict[str, str]
    visit: Visit = field(repr=False)
    page: Page = field(repr=False)

    async def submits(self, order: dict[str, Any] = POLLED, *, status: int = 202, **more: Any) -> str:
        answer = await self.service.post("/v1/tasks", {**order, **more})
        assert answer.status_code == status, answer.text
        return str(answer.json()["id"])

    async def has(self, task: str, state: str) -> dict[str, Any]:
        """The task once it is in this state."""
        async with asyncio.timeout(60):
            while (found := (await self.service.get(f"/v1/tasks/{task}")).json())["state"] != state:
                await asyncio.sleep(0.05)
        return dict(found)

    async def alarm(self, kind: str) -> Locator:
        """The alarm on the first page, looked for as a person does: the page is read again until it is there."""
        await self.page.goto(f"{self.service.url}/ops")
        found = self.page.locator(f'li.alarm[data-kind="{kind}"]')
        async with asyncio.timeout(60):
            while not await found.count():
                await asyncio.sleep(0.3)
                await self.page.reload()
        await expect(found).to_have_count(1)
        return found

    async def does(self, button: str) -> None:
        """Press the button of a preview, and see its run end."""
        await self.page.get_by_role("button", name=button, exact=True).click()
        await expect(self.page.locator("main")).to_contain_text("finished")
        await expect(self.page.locator("main")).not_to_contain_text("not done")

    async def is_calm(self, kind: str) -> None:
        """The first page, opened by its link, shows the alarm no more."""
        await self.page.get_by_role("link", name="Now", exact=True).click()
        await expect(self.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
        alarm = self.page.locator(f'li.alarm[data-kind="{kind}"]')
        async with asyncio.timeout(60):
            while await alarm.count():
                await asyncio.sleep(0.3)
                await self.page.reload()

    async def ends_once(self, *tasks: str, state: str = "succeeded") -> None:
        """Each task has ended so with one terminal event, and nothing was created twice at a provider."""
        for task in tasks:
            await self.has(task, state)
        events = (await self.service.get("/v1/events?limit=500")).json()["events"]
        terminal = {f"task.{each}" for each in ENDED} | {"task.refused"}
        ends = [each["task"]["id"] for each in events if each["type"] in terminal]
        assert sorted(ends) == sorted(tasks)
        assert sum(len(self.sim.records().of(platform)) for platform in PLATFORMS) == len(tasks)


@asynccontextmanager
async def a_night(folder: Path, **settings: str) -> AsyncIterator[Night]:
    keys = {"dashscope": "sim-dashscope-key", "hiapi": "sim-hiapi-key"}
    config = SimulatorConfig(speed=600.0, hiapi_webhook_secret=None, keys=keys)
    async with (
        running(config) as sim,
        served(folder, sim, **settings) as service,
        working(service.services),
        visiting_with_browser(service) as visit,
    ):
        page = await visit.signed_in(at="/ops")
        await expect(page.get_by_text("Nothing is wrong.")).to_be_visible()
        yield Night(service=service, sim=sim, keys=keys, visit=visit, page=page)


@dataclass(kw_only=True, eq=False)
class Subscriber:
    """Answers 500 until it is repaired."""

    server: RawServer
    is_repaired: bool = False
    #: Ids of the webhooks that it has taken.
    taken: list[str] = field(default_factory=list)

    async def answer(self, peer: Peer, number: int) -> None:
        if not self.is_repaired:
            await peer.say(reply(b"broken", status=b"500 Internal Server Error"))
            return
        head = self.server.requests[number - 1].decode("latin-1").lower()
        self.taken.append(next(line for line in head.split("\r\n") if line.startswith("webhook-id:")))
        await peer.say(reply())


@asynccontextmanager
async def a_subscriber() -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(server=RawServer())

    async def answer(peer: Peer, number: int) -> None:
        await subscriber.answer(peer, number)

    async with serving(answer) as subscriber.server:
        yield subscriber


async def test_a_lost_reply_is_found_in_the_list_of_the_provider_and_accepted(tmp_path: Path) -> None:
    async with a_night(tmp_path) as night:
        night.sim.plan("dashscope", [["reply_lost"]])
        task = await night.submits()
        await night.has(task, "uncertain")
        alarm = await night.alarm("uncertain")
        await expect(alarm).to_contain_text("1 submit at dashscope is uncertain")
        await alarm.get_by_role("link", name="Doubtful submits").click()
        await night.page.get_by_role("button", name="Look at the providers' lists…").click()
        await night.page.get_by_role("button", name="Look for 1 task").click()
        await expect(night.page.locator("main")).to_contain_text("exactly one fits")
        await night.page.get_by_role("button", name="Accept…", exact=True).click()
        await expect(night.page.locator("main")).to_contain_text("the provider says")
        (paid,) = night.sim.records().of("dashscope")
        await night.does(f"Settle as {paid.task_id}")
        await night.is_calm("uncertain")
        await night.ends_once(task)


async def test_a_denied_key_is_put_right_and_the_provider_resumed(tmp_path: Path) -> None:
    async with a_night(tmp_path) as night:
        task = await night.submits(video={**VIDEO, "prompt": "a horse #simulate:stuck"})
        (paid,) = night.sim.records().of("dashscope")
        night.keys["dashscope"] = "another-key"
        await night.service.post(f"/v1/tasks/{task}/reconcile")
        alarm = await night.alarm("denied")
        await expect(alarm).to_contain_text("dashscope has denied our key for polls")
        night.keys["dashscope"] = "sim-dashscope-key"
        night.sim.finish(paid.task_id)
        await alarm.get_by_role("button", name="Resume dashscope…").click()
        await night.does("Resume dashscope")
        await night.ends_once(task)
        await night.is_calm("denied")


async def test_a_throttled_account_is_resumed_and_its_queue_goes_on(tmp_path: Path) -> None:
    async with a_night(tmp_path) as night:
        night.sim.plan("dashscope", [["submit_429"]])
        task = await night.submits()
        await night.has(task, "queued")
        alarm = await night.alarm("paused")
        await expect(alarm).to_contain_text("dashscope has held back our submits")
        await expect(alarm).to_contain_text("1 task waits in the queue")
        await alarm.get_by_role("button", name="Resume dashscope now…").click()
        await night.does("Resume dashscope")
        await night.is_calm("paused")
        await night.has(task, "submitted")
        await night.service.post(f"/v1/tasks/{task}/reconcile")
        await night.ends_once(task)


async def test_a_dead_subscriber_is_repaired_and_resumed(tmp_path: Path) -> None:
    async with a_subscriber() as subscriber, a_night(tmp_path) as night:
        await create_subscription(night.service, url=subscriber.server.url)
        tasks = [await night.submits(ORDER) for _ in range(5)]
        alarm = await night.alarm("endpoint_failing")
        await expect(alarm).to_contain_text("Its breaker is open")
        subscriber.is_repaired = True
        await alarm.get_by_role("link", name="Subscription sub_").click()
        await night.page.get_by_role("button", name="Resume…").click()
        await night.does("Resume it")
        await night.is_calm("endpoint_failing")
        await night.ends_once(*tasks)
        async with asyncio.timeout(60):
            while len(set(subscriber.taken)) < len(tasks):
                await asyncio.sleep(0.05)
        assert len(subscriber.taken) == len(tasks)


async def test_dead_letters_are_sent_again_once_their_receiver_is_repaired(tmp_path: Path) -> None:
    async with a_subscriber() as subscriber, a_night(tmp_path, WHENFINAL_WEBHOOK_BACKOFF_S="0.1") as night:
        task = await night.submits(ORDER, notify={"url": subscriber.server.url})
        alarm = await night.alarm("dead_letters")
        await expect(alarm).to_contain_text("1 dead letter")
        subscriber.is_repaired = True
        await alarm.get_by_role("link", name="Dead letters").click()
        await expect(night.page.locator("tbody tr")).to_have_count(1)
        await night.page.get_by_role("button", name="Redeliver…").click()
        await night.does("Redeliver 1 dead letter")
        await night.is_calm("dead_letters")
        await night.ends_once(task)
        async with asyncio.timeout(60):
            while not subscriber.taken:
                await asyncio.sleep(0.05)
        assert len(subscriber.taken) == 1


async def test_an_overdue_task_is_asked_about_and_ends(tmp_path: Path) -> None:
    async with a_night(tmp_path) as night:
        task = await night.submits(video={**VIDEO, "prompt": "a horse #simulate:stuck"}, deadline_s=1)
        alarm = await night.alarm("overdue")
        await expect(alarm).to_contain_text("1 task at dashscope is overdue")
        night.sim.finish(night.sim.records().of("dashscope")[0].task_id)
        await alarm.get_by_role("button", name="Reconcile them…").click()
        await night.does("Reconcile 1 task")
        await night.is_calm("overdue")
        await night.ends_once(task)


async def test_a_contradiction_is_looked_at_and_no_second_end_was_told(tmp_path: Path) -> None:
    """Nothing ends its alarm but time: what the provider says twice cannot be unsaid."""
    async with a_night(tmp_path) as night:
        night.sim.plan("hiapi", [["callback_contradicting"]])
        task = await night.submits(ORDER)
        alarm = await night.alarm("contradictions")
        await expect(alarm).to_contain_text("1 task at hiapi had ended, and another end was reported")
        await alarm.get_by_role("link", name="Contradicted tasks").click()
        await night.page.get_by_role("link", name=task).click()
        await expect(night.page.locator("ol.timeline li.odd")).to_contain_text("contradiction")
        await expect(night.page.get_by_role("button", name="Reconcile…")).to_have_count(0)
        await night.ends_once(task)


async def test_a_word_that_nobody_knows_is_looked_at_and_its_task_ended(tmp_path: Path) -> None:
    async with a_night(tmp_path) as night:
        night.sim.plan("dashscope", [["unknown_state", "stuck"]])
        task = await night.submits()
        await night.service.post(f"/v1/tasks/{task}/reconcile")
        alarm = await night.alarm("unknown_words")
        await expect(alarm).to_contain_text("1 task at dashscope is in a state that no document names")
        await alarm.get_by_role("link", name="The words and their tasks").click()
        words = night.page.get_by_role("region", name="Unknown words")
        await words.get_by_role("link", name=task).click()
        await night.page.get_by_text("Settle: say what you saw").click()
        await night.page.get_by_label("It failed, for this reason").fill("the console shows that it failed")
        await night.page.get_by_role("button", name="Settle as failed…").click()
        await night.does("Settle as failed")
        await night.is_calm("unknown_words")
        await night.ends_once(task, state="failed")
