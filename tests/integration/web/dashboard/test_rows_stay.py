"""Acts and subscriptions: the rows of an open page change in place, and what is newer is announced above them."""

import re

import httpx

from receiver.runtime.operator_runs.acts import ACTS
from receiver.runtime.operator_runs.model import OperatorRun
from receiver.web.dashboard.pages import runs, subscriptions
from receiver.webhooks.model.subscription import SubscriptionState
from tests.support.dashboard import is_page, visiting
from tests.support.delivery_fixtures import set_state, subscribe
from tests.support.service import Served
from tests.support.subscriptions_over_http import delete_subscription


def live_of(page: str) -> str:
    """The address of the live part of a page."""
    (address,) = re.findall('hx-get="([^"]+)"', page)
    return str(address).replace("&amp;", "&")


async def rows_of(browser: httpx.AsyncClient, address: str) -> tuple[list[str], str]:
    """The ids of the rows that the page asks for again, and all of its answer."""
    answer = await browser.get(address, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return re.findall(r'<tr id="([a-z]+_[0-9a-z]+)"', answer.text), answer.text


async def start(service: Served, number: int) -> str:
    store = service.services.store.runs
    at_ms = service.services.clock() - 90_000 + number
    name = store.new_run_id(at_ms)
    run = OperatorRun(id=name, nonce=f"n{number}", kind="cancel-tasks", actor="key x", condition={}, created_ms=at_ms)
    await store.start(run, now_ms=at_ms)
    await store.lease("another process", now_ms=service.services.clock(), lease_ms=600_000, kinds=ACTS, run_id=name)
    return name


async def test_acts_stay_and_change_in_place_and_new_ones_are_counted(service: Served) -> None:
    async with visiting(service) as browser:
        address = live_of(is_page(await browser.get("/ops/runs")))
        first, second = [await start(service, number) for number in range(2)]
        assert "2 new acts: show" in (await rows_of(browser, address))[1]
        address = live_of(is_page(await browser.get("/ops/runs")))
        newer = await start(service, 2)
        await service.services.store.runs.stop(first, actor="key x", now_ms=service.services.clock())
        ids, page = await rows_of(browser, address)
        assert ids == [second, first]
        assert "stopped" in page
        assert "1 new acts: show" in page
        assert newer not in page
        assert (await browser.get(address)).headers["location"] == "/ops/runs"


async def test_older_acts_stay_too_and_count_nothing(service: Served) -> None:
    names = [await start(service, number) for number in range(runs.ROWS + 2)]
    async with visiting(service) as browser:
        first = is_page(await browser.get("/ops/runs"))
        older = is_page(await browser.get(f"/ops/runs?before={names[2]}"))
        assert f"before={names[2]}" in first
        await start(service, 100)
        ids, page = await rows_of(browser, live_of(older))
        assert ids == [names[1], names[0]]
        assert "new acts" not in page
        for number in range(200, 200 + runs.ROWS + 1):
            await start(service, number)
        assert f"{runs.ROWS}+ new acts: show" in (await rows_of(browser, live_of(first)))[1]


async def test_subscriptions_stay_when_they_fit_no_more_or_are_deleted(service: Served) -> None:
    store = service.services.store
    for name in ("sub_a", "sub_b", "sub_c"):
        await subscribe(store, name)
    async with visiting(service) as browser:
        address = live_of(is_page(await browser.get("/ops/subscriptions?state=active")))
        assert (await rows_of(browser, address))[0] == ["sub_c", "sub_b", "sub_a"]
        await subscribe(store, "sub_d", url="https://new.example/d")
        await set_state(store, SubscriptionState.DISABLED, "sub_c")
        await delete_subscription(service, "sub_b")
        ids, page = await rows_of(browser, address)
        assert ids == ["sub_c", "sub_b", "sub_a"]
        assert 'id="sub_c" class="gone"' in page
        assert 'id="sub_b" class="gone"' in page
        assert "it has been deleted" in page
        assert "1 new subscriptions: show" in page
        assert "new.example" not in page
        again = await browser.get(address)
        assert again.headers["location"] == "/ops/subscriptions?state=active"
        assert 'href="/ops/subscriptions?state=active">1 new' in page


async def test_older_subscriptions_stay_and_a_first_one_is_announced(service: Served) -> None:
    store = service.services.store
    async with visiting(service) as browser:
        empty = live_of(is_page(await browser.get("/ops/subscriptions")))
        for number in range(subscriptions.ROWS + 2):
            await subscribe(store, f"sub_{number:03}")
        page = (await rows_of(browser, empty))[1]
        assert f"{subscriptions.ROWS}+ new subscriptions: show" in page
        older = is_page(await browser.get("/ops/subscriptions?before=sub_002"))
        ids, page = await rows_of(browser, live_of(older))
        assert ids == ["sub_001", "sub_000"]
        assert "new subscriptions" not in page
        is_page(await browser.get("/ops/subscriptions/rows?state=odd", headers={"HX-Request": "true"}), 400)
