"""Buttons that no other test presses, one after the other in one browser, over one ledger with every trouble."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from receiver.runtime.operator_runs.acts import ACTS
from receiver.runtime.operator_runs.model import OperatorRun
from receiver.tasks.model.search import TaskSearch
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.endpoint_health import FAILURES_TO_OPEN
from submitter.model import TaskId, TaskState
from tests.support.browser import visiting_with_browser
from tests.support.builders import SECRET
from tests.support.dashboard_ledger import fill
from tests.support.delivery_fixtures import finish, lease, publish_event_of, publish_events, subscribe
from tests.support.service import Served, served_with_simulator

HOST = "https://fails.example"


@dataclass(frozen=True, kw_only=True)
class Press:
    """A button, the button of its preview, and what its run then says."""

    at: str
    button: str
    second: str
    says: str
    #: Where the button stands, on a page with several of that name.
    within: str = "main"
    #: What is opened to find the button.
    opens: str = ""
    #: Labels of fields, and what is put into each.
    fields: tuple[tuple[str, str], ...] = ()

    async def on(self, page: Page, url: str, running: Sequence[TaskId]) -> None:
        await page.goto(url + self.at.format(running=running))
        place = page.locator(self.within).first
        if self.opens:
            await place.get_by_text(self.opens).click()
        for label, value in self.fields:
            await place.get_by_label(label).fill(value)
        await place.get_by_role("button", name=f"{self.button}…", exact=True).click()
        await page.get_by_role("button", name=self.second, exact=True).click()
        await expect(page.locator("main")).to_contain_text("finished")
        await expect(page.locator("main")).to_contain_text(self.says)


SETTLES = "Settle: say what you saw"
FILM = (("It succeeded, and this is the address of its file", "https://files.example/film.mp4"),)

#: In the order in which each still finds what it is for. `running`: ids of running tasks.
PRESSES = (
    Press(
        at="/ops",
        within='li.alarm[data-kind="endpoint_failing"]:has-text("sub_fails")',
        button="Resume it",
        second="Resume it",
        says="its breaker is closed",
    ),
    Press(
        at="/ops",
        within=f'li.alarm[data-kind="endpoint_failing"]:has-text("{HOST}")',
        button="Resume it",
        second="Resume it",
        says="its breaker is closed",
    ),
    Press(
        at="/ops",
        within='li.alarm[data-kind="subscription_disabled"]',
        button="Enable it",
        second="Enable it",
        says="it is enabled",
    ),
    Press(
        at="/ops/subscriptions/notify",
        within=f'tr:has-text("{HOST}")',
        button="Resume with dead letters",
        second="Resume it, with its dead letters",
        says=f"dead letters that are due again: {FAILURES_TO_OPEN}",
    ),
    Press(
        at="/ops/subscriptions/notify",
        within='tr:has-text("https://hooks.example")',
        button="Resume",
        second="Resume it",
        says="pending deliveries that are due now: 2",
    ),
    Press(
        at="/ops",
        within='li.alarm[data-kind="dead_letters"]',
        button="Redeliver them",
        second="Redeliver 13 dead letters",
        says="13 of 13 done",
    ),
    Press(
        at="/ops/subscriptions/sub_archive",
        opens="Replay: post events again",
        fields=(("From the event number", "1"),),
        button="Replay to now",
        second="Post 6 events again",
        says="6 of 6 done",
    ),
    Press(
        at="/ops/doubtful",
        within='article.doubt:has-text("None of these")',
        button="None of these: never created",
        second="Settle as never created",
        says="now refused",
    ),
    Press(
        at="/ops/providers/hiapi",
        button="Reconcile overdue tasks",
        second="Reconcile 3 tasks",
        says="3 of 3 done",
    ),
    Press(
        at="/ops/providers/hiapi",
        button="Reconcile all unfinished",
        second="Reconcile 5 tasks",
        says="3 of 5 done, 2 not done",
    ),
    Press(
        at="/ops/tasks/{running[0]}",
        opens=SETTLES,
        fields=FILM,
        button="Settle as succeeded",
        second="Settle as succeeded",
        says="now succeeded",
    ),
    Press(
        at="/ops/tasks/{running[1]}",
        opens=SETTLES,
        button="Settle as canceled",
        second="Settle as canceled",
        says="now canceled",
    ),
    Press(
        at="/ops/tasks?state=queued",
        button="Cancel",
        second="Cancel 3 tasks",
        says="3 of 3 done",
    ),
)


async def add_troubles(service: Served) -> None:
    """A subscription and a host of `notify` that have failed, with what still waits for them."""
    store, now_ms = service.services.store, service.services.clock()
    await subscribe(store, "sub_fails", url="https://videos.example/of/sub")
    await publish_events(store, FAILURES_TO_OPEN + 1, at_ms=now_ms, first=9_000)
    for number in range(FAILURES_TO_OPEN + 1):
        await publish_event_of(
            store, f"tsk_f{number}", at_ms=now_ms, notify_url=f"{HOST}/{number}", notify_secret=SECRET
        )
    leased = await lease(store, now_ms=now_ms)
    for endpoint in ("sub_fails", HOST):
        failed = [each for each in leased if each.endpoint_id == endpoint][:FAILURES_TO_OPEN]
        assert len(failed) == FAILURES_TO_OPEN
        await finish(store, failed, DeliveryState.DEAD, at_ms=now_ms)


async def stops_a_run(service: Served, page: Page) -> None:
    """A run that another process works on is stopped with its button."""
    runs, now_ms = service.services.store.runs, service.services.clock()
    name = runs.new_run_id(now_ms)
    await runs.start(
        OperatorRun(id=name, nonce="s", kind="cancel-tasks", actor="key x", condition={}, created_ms=now_ms),
        now_ms=now_ms,
    )
    await runs.lease("another process", now_ms=now_ms, lease_ms=600_000, kinds=ACTS, run_id=name)
    await page.goto(f"{service.url}/ops/runs/{name}")
    await page.get_by_role("button", name="Stop after this page").click()
    await expect(page.locator("main .badge").first).to_have_text("stopped")
    await expect(page.get_by_role("button", name="Stop after this page")).to_have_count(0)


async def test_every_button_does_what_it_says(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path, speed=1.0) as (service, sim):
        await fill(service, sim)
        await add_troubles(service)
        running = await service.services.store.task_search.page(TaskSearch(states=frozenset({TaskState.RUNNING})))
        async with visiting_with_browser(service) as visit:
            page = await visit.signed_in()
            for press in PRESSES:
                service.services.metrics.snapshot = None
                await press.on(page, service.url, [task.id for task in running.tasks])
            await stops_a_run(service, page)
