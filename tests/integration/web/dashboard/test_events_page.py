"""The pages of events: filters in the address, pages by number, rows that stay, and events of any version."""

import re
from html import unescape

import pytest

from receiver.events.model.query import SCAN_LIMIT
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.delivery_fixtures import publish_event_of, publish_events, publish_newer_event, subscribe
from tests.support.service import Served

FRAGMENT = {"HX-Request": "true"}


def seqs_of(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'<td data-label="Event"><a class="id" href="[^"]+"><code>(\d+)<', page)]


def link_of(page: str, words: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>{words}', page)
    assert found is not None, words
    return unescape(found[1])


async def test_pages_go_from_the_newest_event_to_the_oldest_without_gap_or_double(service: Served) -> None:
    await publish_events(service.services.store, 120)
    seen, address = list[int](), "/ops/events"
    async with visiting(service, "read") as browser:
        while True:
            page = is_page(await browser.get(address))
            seen += seqs_of(page)
            if 'rel="next"' not in page:
                break
            address = link_of(page, "Older")
        assert "Newest" in page
    assert seen == list(range(120, 0, -1))


async def test_rows_stay_and_what_is_new_is_announced(service: Served) -> None:
    await publish_events(service.services.store, 3)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/events"))
        live = unescape(page.split('hx-get="', 1)[1].split('"', 1)[0])
        before = (await browser.get(live, headers=FRAGMENT)).text
        await publish_events(service.services.store, 2, first=4)
        after = (await browser.get(live, headers=FRAGMENT)).text
        await publish_events(service.services.store, 101, first=6)
        much = (await browser.get(live, headers=FRAGMENT)).text
    assert seqs_of(before) == seqs_of(after) == seqs_of(much) == [3, 2, 1]
    assert "new events" not in before
    assert "2 new events: show" in after
    assert "100+ new events: show" in much


async def test_events_are_filtered_and_each_filter_can_be_taken_away(service: Served) -> None:
    store = service.services.store
    await publish_event_of(store, "tsk_1", labels={"film": "a"})
    await publish_event_of(store, "tsk_2", labels={"film": "b"})
    await publish_newer_event(store)
    async with visiting(service, "read") as browser:
        for query, wanted in (
            ("label=film%3Db", [2]),
            ("task=tsk_1", [3, 1]),
            ("type=task.succeeded", [2, 1]),
            ("type=task.from_a_newer_version", [3]),
            ("provider=dashscope", []),
            ("provider=hiapi&type=task.succeeded&label=film%3Da", [1]),
        ):
            page = is_page(await browser.get(f"/ops/events?{query}"))
            assert seqs_of(page) == wanted, query
        both = is_page(await browser.get("/ops/events?provider=hiapi&label=film%3Da"))
        assert "/ops/events?provider=hiapi" in both
        assert "No event fits." in is_page(await browser.get("/ops/events?provider=dashscope"))


async def test_a_rare_filter_looks_at_a_bounded_part_of_the_log_and_can_go_on(service: Served) -> None:
    await publish_event_of(service.services.store, "tsk_1", labels={"film": "a"})
    await publish_events(service.services.store, SCAN_LIMIT)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/events?label=film%3Da"))
        assert seqs_of(page) == []
        assert "1,000 events were looked at" in page
        assert seqs_of(is_page(await browser.get(link_of(page, "Search on")))) == [1]


@pytest.mark.parametrize(
    "query", ["type=%3Cb%3E", "label=none", "task=a%20b", "before=x", "top=-1", "label=a%3D1&label=a%3D2", "type=x"]
)
async def test_a_filter_that_cannot_be_is_answered_with_a_page(service: Served, query: str) -> None:
    async with visiting(service, "read") as browser:
        answer = await browser.get(f"/ops/events?{query}")
        assert 400 <= answer.status_code < 500
        is_page(answer, answer.status_code)


async def test_an_empty_ledger_has_an_empty_list(service: Served) -> None:
    async with visiting(service, "read") as browser:
        assert "Nothing has happened yet." in is_page(await browser.get("/ops/events"))


async def test_one_event_is_shown_with_its_body_and_deliveries_and_words_of_others_are_text(service: Served) -> None:
    store = service.services.store
    await subscribe(store, url=f"https://hooks.example/{MARKUP[:20]}".replace(" ", ""))
    await publish_event_of(store, "tsk_1", labels={"film": MARKUP[:60]})
    (event,) = await store.events.events(0)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get(f"/ops/events/{event.id}"))
        listed = is_page(await browser.get("/ops/events"))
    assert "<script>alert" not in page + listed
    assert "\x1b" not in page + listed
    assert "&#34;event_id&#34;" in page
    assert "/ops/subscriptions/sub_1" in page
    assert "Replay from here" not in page
    assert "Redeliver" not in page


async def test_an_event_of_a_newer_version_has_its_page(service: Served) -> None:
    store = service.services.store
    await publish_event_of(store, "tsk_1")
    await publish_newer_event(store)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/events/evt_newer2"))
        assert "task.from_a_newer_version" in page
        assert "Only a newer version" in page
        assert "There is no event" in is_page(await browser.get("/ops/events/evt_0"), 404)
