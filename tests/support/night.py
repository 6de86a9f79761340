"""A service at work on a night, with faults made for real, which are cured at the pages, in a shell, or over HTTP.

The provider is the simulator and the subscriber a server of the test, both on real sockets; the periodic jobs run.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from receiver.runtime.background import working
from submitter.model import ENDED
from submitter.simulator import PLATFORMS, Simulator, SimulatorConfig, running
from tests.support import preloaded
from tests.support.browser import visiting_with_browser
from tests.support.cli import TIMEOUT_S
from tests.support.raw_server import Peer, RawServer, reply, serving
from tests.support.service import KEYS, Served, served

VIDEO = {"model": "happyhorse-1.1-t2v", "prompt": "a horse at dawn"}
POLLED: dict[str, Any] = {"provider": "dashscope", "video": VIDEO}


@dataclass(kw_only=True, eq=False)
class Night:
    """A service at work, and a person who looks after it."""

    service: Served
    sim: Simulator
    #: The keys that the platforms take; a test may change them.
    keys: dict[str, str]
    #: An empty folder, in which the shell runs.
    folder: Path
    #: The browser, where the person has signed in.
    _page: Page | None = field(default=None, repr=False)

    @property
    def page(self) -> Page:
        assert self._page is not None
        return self._page

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

    # At the pages.

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

    # In a shell, at the address of the service.

    async def shell(self, *arguments: str, status: int = 0, stdin: str = "") -> str:
        """What `whenfinal` prints, from a folder without a ledger."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "WHENFINAL_URL": self.service.url,
            "WHENFINAL_API_KEY": KEYS["all"][1],
        }
        run = partial(
            preloaded.run, folder=self.folder, environment=environment, stdin=stdin.encode(), timeout_s=TIMEOUT_S
        )
        done = await asyncio.to_thread(run, arguments)
        out = done.out.decode()
        assert done.status == status, (arguments, out, done.err.decode())
        assert not list(self.folder.iterdir())
        return out

    async def shell_json(self, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.shell(*arguments, "-o", "json", status=status)).splitlines()]

    # Over the API.

    async def api(self, method: str, path: str, body: Any = None, *, status: int = 200) -> dict[str, Any]:
        """The answer to a request."""
        rest = {} if body is None else {"json": body}
        answer = await self.service.http.request(method, path, headers=self.service.key("all"), **rest)
        assert answer.status_code == status, (path, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    async def api_run(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Start a run after its preview, and wait for its end."""
        preview = await self.api("POST", path, {**body, "dry_run": True})
        assert preview["count"] > 0
        run = await self.api("POST", path, body, status=202)
        ended = await self.api("GET", f"/v1/runs/{run['id']}?wait=30")
        assert (ended["state"], ended["failed"], ended["done"]) == ("finished", 0, preview["count"]), ended
        return ended

    # What every cure must come to.

    async def ends_once(self, *tasks: str, state: str = "succeeded", is_sent: bool = True) -> None:
        """Each task has ended so with one terminal event, and was created once at its provider, if it was sent."""
        for task in tasks:
            await self.has(task, state)
        events = (await self.service.get("/v1/events?limit=500")).json()["events"]
        terminal = {f"task.{each}" for each in ENDED} | {"task.refused"}
        ends = [each["task"]["id"] for each in events if each["type"] in terminal]
        assert sorted(ends) == sorted(tasks)
        assert sum(len(self.sim.records().of(platform)) for platform in PLATFORMS) == len(tasks) * is_sent


@asynccontextmanager
async def a_night(folder: Path, *, has_page: bool = True, **settings: str) -> AsyncIterator[Night]:
    keys = {"dashscope": "sim-dashscope-key", "hiapi": "sim-hiapi-key"}
    config = SimulatorConfig(speed=600.0, webhook_secrets={"hiapi": None}, keys=keys)
    empty = folder / "shell"
    empty.mkdir()
    async with (
        running(config) as sim,
        served(folder, sim, **settings) as service,
        working(service.services),
        AsyncExitStack() as stack,
    ):
        night = Night(service=service, sim=sim, keys=keys, folder=empty)
        if has_page:
            visit = await stack.enter_async_context(visiting_with_browser(service))
            night._page = await visit.signed_in(at="/ops")
            await expect(night.page.get_by_text("Nothing is wrong.")).to_be_visible()
        yield night


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

    async def has_taken(self, count: int) -> Sequence[str]:
        """The ids of the webhooks, once there are so many."""
        async with asyncio.timeout(60):
            while len(set(self.taken)) < count:
                await asyncio.sleep(0.05)
        return self.taken


@asynccontextmanager
async def a_subscriber() -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(server=RawServer())

    async def answer(peer: Peer, number: int) -> None:
        await subscriber.answer(peer, number)

    async with serving(answer) as subscriber.server:
        yield subscriber


@dataclass(kw_only=True, eq=False)
class Trouble:
    """What was made to go wrong."""

    night: Night
    subscriber: Subscriber
    #: Ids of the tasks that it is about.
    tasks: list[str] = field(default_factory=list)
    #: The id of the subscription to the subscriber, where there is one.
    subscription: str = ""
    #: Of that subscription, the newest last.
    secrets: list[str] = field(default_factory=list, repr=False)

    @property
    def task(self) -> str:
        (only,) = self.tasks
        return only

    async def submits(self, *arguments: Any, **more: Any) -> str:
        self.tasks.append(await self.night.submits(*arguments, **more))
        return self.tasks[-1]


Step = Callable[[Trouble], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Act:
    """One trouble and its cure, each way with what shows the trouble first."""

    trouble: Step
    page: Step
    shell: Step
    api: Step
    #: What is true after the cure, beside that each task has ended once.
    ended: Step | None = None
    state: str = "succeeded"
    is_sent: bool = True
    settings: tuple[tuple[str, str], ...] = ()


async def repairs(on: Trouble) -> None:
    """The subscriber answers 2xx from now on."""
    on.subscriber.is_repaired = True


async def gets_each_once(on: Trouble) -> None:
    """The subscriber has taken one webhook about each task."""
    taken = await on.subscriber.has_taken(len(on.tasks))
    assert len(taken) == len(on.tasks)


async def shown_in_shell(on: Trouble, check: str, words: str) -> None:
    """The doctor has a row about it, read again until it is there."""
    async with asyncio.timeout(120):
        while True:
            (report,) = await on.night.shell_json("doctor", "--fail-on", "warn", status=1)
            if words in _what(report, check):
                return


async def shown_by_api(on: Trouble, check: str, words: str) -> None:
    async with asyncio.timeout(60):
        while words not in _what(await on.night.api("GET", "/v1/checks"), check):
            await asyncio.sleep(0.1)


def _what(report: dict[str, Any], check: str) -> str:
    return " ".join(f"{each['level']} {each['what']}" for each in report["checks"] if each["name"] == check)
