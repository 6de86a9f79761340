"""The list of tasks: filters in the address, pages, and rows that stay where they are while they change."""

import re
from html import unescape

import pytest

from submitter.model import TaskState
from tests.support.builders import a_report
from tests.support.dashboard import SAME_ORIGIN, is_page, visiting
from tests.support.dashboard_ledger import MARKUP, task_id
from tests.support.service import Served

FRAGMENT = {**SAME_ORIGIN, "HX-Request": "true"}
AT = 1_790_000_000_000


async def _has(service: Served, number: int, **changes: object) -> str:
    name = task_id(number, AT + number)
    await service.has(name, f"p{number}", **({"created_ms": AT + number} | changes))
    return name


def _rows(page: str) -> list[str]:
    return re.findall(r'<tr id="([^"]+)"', page)


def _live_address(page: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found is not None
    return unescape(found[1])


async def test_filters_stand_in_the_address_and_each_can_be_taken_away(service: Served) -> None:
    names = [await _has(service, number) for number in range(3)]
    await _has(service, 3, state=TaskState.UNCERTAIN, labels={"team": "a"})
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/tasks?state=running&provider=hiapi"))
        assert _rows(page) == list(reversed(names))
        assert 'href="/ops/tasks?provider=hiapi"' in page
        assert 'href="/ops/tasks?state=running"' in page
        assert len(_rows(is_page(await browser.get("/ops/tasks?label=team%3Da")))) == 1
        assert "No task fits" in is_page(await browser.get("/ops/tasks?q=nothing"))
        assert _rows(is_page(await browser.get("/ops/tasks?q=p1"))) == [names[1]]


async def test_saved_views_are_filters_with_a_name(service: Served) -> None:
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/tasks?state=uncertain"))
        assert 'href="/ops/tasks?state=uncertain" aria-current="true">Doubtful' in page
        for name in ("Stuck", "Failed today", "All"):
            assert f">{name}</a>" in page
        is_page(await browser.get("/ops/tasks?state=failed&state=expired&since=today"))


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("state=odd", "state"),
        ("since=yesterday", "since"),
        ("label=team", "label"),
        ("label=a%3Db&label=c%3Dd&label=e%3Df", "label"),
        ("provider=a&provider=b", "provider"),
        (f"q={'x' * 501}", "q"),
        ("overdue=yes", "overdue"),
    ],
)
async def test_a_filter_that_says_nothing_is_named_in_words(service: Served, query: str, word: str) -> None:
    async with visiting(service, "read") as browser:
        assert f"{word}: " in is_page(await browser.get(f"/ops/tasks?{query}"), 422)


async def test_pages_follow_each_other_by_key(service: Served) -> None:
    names = [await _has(service, number) for number in range(53)]
    async with visiting(service, "read") as browser:
        first = is_page(await browser.get("/ops/tasks?provider=hiapi"))
        older = re.search(r'href="([^"]+)" rel="next"', first)
        assert older is not None
        second = is_page(await browser.get(unescape(older[1])))
        assert _rows(first) + _rows(second) == list(reversed(names))
        assert 'href="/ops/tasks?provider=hiapi">Newest' in second
        is_page(await browser.get("/ops/tasks?before=..%2Fx"), 400)


async def test_rows_stay_where_they_are_and_new_ones_are_only_counted(service: Served) -> None:
    names = [await _has(service, number) for number in range(2)]
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/tasks?state=running"))
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p0")], AT + 10)
        await _has(service, 2)
        live = await browser.get(_live_address(page), headers=FRAGMENT)
        assert live.status_code == 200
        assert _rows(live.text) == list(reversed(names))
        assert "1 new tasks" in live.text
        assert f'<tr id="{names[0]}" class="gone"' in live.text
        assert "<html" not in live.text


async def test_a_fragment_that_did_not_change_is_not_sent_again(service: Served) -> None:
    await _has(service, 0)
    async with visiting(service, "read") as browser:
        address = _live_address(is_page(await browser.get("/ops/tasks")))
        first = await browser.get(address, headers=FRAGMENT)
        again = await browser.get(address, headers={**FRAGMENT, "If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p0")], AT + 10)
        changed = await browser.get(address, headers={**FRAGMENT, "If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


async def test_words_of_others_are_text(service: Served) -> None:
    await _has(service, 0, model=MARKUP, labels={"note": MARKUP}, raw_state=MARKUP)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/tasks"))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "\x1b" not in page
        assert "\\x1b[2J\\u202eevil" in page


async def test_who_only_looks_has_no_buttons_and_no_acts(service: Served) -> None:
    name = await _has(service, 0)
    async with visiting(service, "read") as browser:
        assert "/ops/acts/" not in is_page(await browser.get("/ops/tasks"))
        assert "/ops/acts/" not in is_page(await browser.get(f"/ops/tasks/{name}"))
        assert "scope operate" in is_page(await browser.get("/ops/acts/reconcile-tasks"), 403)
        assert "scope operate" in is_page(await browser.post("/ops/acts/reconcile-tasks", data={"q": name}), 403)
        is_page(await browser.post("/ops/runs/run_1/stop"), 403)
        assert (await service.services.store.runs.runs()).items == ()
