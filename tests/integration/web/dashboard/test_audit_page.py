"""The audit: filters in the address, pages by key, links to what a line is about, and rows that stay."""

import re
from html import unescape

import pytest

from receiver.store.audit import AuditEntry
from tests.support.dashboard import SAME_ORIGIN, is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.service import Served

FRAGMENT = {**SAME_ORIGIN, "HX-Request": "true"}


async def _add(service: Served, actor: str = "key all", action: str = "settle", **rest: object) -> None:
    entry = AuditEntry(actor=actor, action=action, **rest)  # type: ignore[arg-type]  # the tests give what fits
    await service.services.store.audit.record(entry, now_ms=service.services.clock())


def _rows(page: str) -> list[str]:
    return re.findall(r'<tr id="(aud_[^"]+)"', page)


async def test_an_empty_audit_says_so(service: Served) -> None:
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/audit"))
        assert "Nobody has done anything" in page
        assert "/ops/acts/" not in page


async def test_filters_stand_in_the_address_and_each_can_be_taken_away(service: Served) -> None:
    await _add(service, task_id="tsk_1")
    await _add(service, "service", "subscription disabled", detail={"subscription": "sub_1"})
    await _add(service, "key all", "cancel", task_id="tsk_2")
    async with visiting(service, "read") as browser:
        assert len(_rows(is_page(await browser.get("/ops/audit")))) == 3
        page = is_page(await browser.get("/ops/audit?actor=key+all&action=cancel"))
        assert len(_rows(page)) == 1
        assert 'href="/ops/audit?action=cancel"' in page
        assert 'href="/ops/audit?actor=key+all"' in page
        assert len(_rows(is_page(await browser.get("/ops/audit?task=tsk_1&since=1h")))) == 1
        assert "No line fits" in is_page(await browser.get("/ops/audit?until=24h"))
        assert 'aria-current="true">By the service itself' in is_page(await browser.get("/ops/audit?actor=service"))


@pytest.mark.parametrize(
    ("query", "word"), [("since=yesterday", "since"), ("actor=a&actor=b", "actor"), (f"task={'x' * 501}", "task")]
)
async def test_a_filter_that_says_nothing_is_named_in_words(service: Served, query: str, word: str) -> None:
    async with visiting(service, "read") as browser:
        assert f"{word}: " in is_page(await browser.get(f"/ops/audit?{query}"), 422)
        is_page(await browser.get("/ops/audit?before=..%2Fx"), 400)


async def test_a_line_leads_to_its_task_and_its_run(service: Served) -> None:
    await _add(service, task_id="tsk_1", detail={"run": "run_1", "expected": 213, "provider": "hiapi"})
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/audit"))
        assert 'href="/ops/tasks/tsk_1"' in page
        assert 'href="/ops/runs/run_1"' in page
        assert "213" in page
        assert 'href="/ops/audit?actor=key+all"' in page


async def test_pages_follow_each_other_by_key(service: Served) -> None:
    for _ in range(53):
        await _add(service)
    async with visiting(service, "read") as browser:
        first = is_page(await browser.get("/ops/audit?action=settle"))
        older = re.search(r'href="([^"]+)" rel="next"', first)
        assert older is not None
        second = is_page(await browser.get(unescape(older[1])))
        names = _rows(first) + _rows(second)
        assert len(names) == len(set(names)) == 53
        assert names == sorted(names, reverse=True)
        assert 'href="/ops/audit?action=settle">Newest' in second


async def test_rows_stay_where_they_are_and_new_ones_are_only_counted(service: Served) -> None:
    await _add(service)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/audit"))
        found = re.search(r'hx-get="([^"]+)"', page)
        assert found is not None
        await _add(service, "service")
        live = await browser.get(unescape(found[1]), headers=FRAGMENT)
        assert _rows(live.text) == _rows(page)
        assert "1 new lines" in live.text
        assert "<html" not in live.text


async def test_words_of_others_are_text(service: Served) -> None:
    await _add(service, MARKUP, MARKUP, detail={"provider": MARKUP, "why": {"a": MARKUP}, "run": "../../x"})
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/audit"))
        assert "<script>alert" not in page
        assert "\x1b" not in page
        assert 'href="/ops/runs/..%2F..%2Fx"' in page
