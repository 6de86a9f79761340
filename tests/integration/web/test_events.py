"""Pages of events by cursor, over a real socket: in order, filtered, and clear about cursors that are no good."""

import json
from typing import Any

import pytest

from receiver.store.retention import START
from tests.support.builders import T0
from tests.support.delivery_fixtures import publish_event_of, publish_events
from tests.support.service import Served, is_problem

DAY_MS = 86_400_000


async def _page(service: Served, query: str = "") -> dict[str, Any]:
    reply = await service.get(f"/v1/events?{query}", key="read")
    assert reply.status_code == 200, reply.text
    page: dict[str, Any] = reply.json()
    return page


async def _seqs(service: Served, query: str = "") -> list[int]:
    return [event["seq"] for event in (await _page(service, query))["events"]]


async def _forget(service: Served, count: int) -> None:
    """That many events happened long ago and are no longer stored."""
    store = service.services.store
    await publish_events(store, count, at_ms=T0 - DAY_MS)
    await store.retention.remove_events(START, limit=10_000, before_ms=T0)


async def test_events_are_read_by_cursor_without_gap_or_double(service: Served) -> None:
    await publish_events(service.services.store, 5)
    after, pages = 0, list[tuple[list[int], bool]]()
    while not pages or pages[-1][1]:
        page = await _page(service, f"after={after}&limit=2")
        after = page["next_after"]
        pages.append(([event["seq"] for event in page["events"]], page["has_more"]))
    assert (pages, after) == ([([1, 2], True), ([3, 4], True), ([5], False)], 5)
    assert await _page(service, "after=5") == {"events": [], "next_after": 5, "has_more": False, "newest": 5}


async def test_an_event_says_the_same_as_its_webhook(service: Served) -> None:
    await publish_event_of(service.services.store, "tsk_1", labels={"film": "a"})
    (event,) = (await _page(service))["events"]
    assert set(event) == {"seq", "event_id", "type", "timestamp", "task", "supersedes"}
    body = json.loads((await service.services.store.events.events(0))[0].body)
    assert (event["task"], event["timestamp"]) == (body["data"]["task"], body["timestamp"])


FILTERS: tuple[tuple[str, list[int]], ...] = (
    ("", [1, 2, 3, 4]),
    ("type=task.failed", []),
    ("type=task.failed&type=task.succeeded", [1, 2, 3, 4]),
    ("provider=dashscope", [2]),
    ("provider=dashscope&provider=hiapi", [1, 2, 3, 4]),
    ("model=wan%3F", [3]),
    ("label=film=a", [1, 3]),
    ("label=film=a&label=team=red%20one", [3]),
    ("label=film=a&provider=dashscope", []),
    ("label=film=a&after=1&limit=1", [3]),
    ("type=subscription.disabled", []),
)


async def test_events_are_filtered_by_type_provider_model_and_labels(service: Served) -> None:
    store = service.services.store
    await publish_event_of(store, "tsk_1", labels={"film": "a"})
    await publish_event_of(store, "tsk_2", provider="dashscope")
    await publish_event_of(store, "tsk_3", model="wan?", labels={"film": "a", "team": "red one"})
    await publish_event_of(store, "tsk_4", labels={"film": "a=b"})
    for query, seqs in FILTERS:
        page = await _page(service, query)
        assert [event["seq"] for event in page["events"]] == seqs, query
        assert (page["has_more"], page["next_after"]) == ((True, 3) if "limit=1" in query else (False, 4)), query


async def test_events_of_a_provider_that_is_no_longer_configured_are_still_found(service: Served) -> None:
    is_problem(await service.get("/v1/events?provider=elsewhere"), 400)
    await publish_event_of(service.services.store, "tsk_1", provider="elsewhere")
    page = await _page(service, "provider=elsewhere")
    assert [event["seq"] for event in page["events"]] == [1]


async def test_of_many_unknown_providers_the_first_is_named(service: Served) -> None:
    names = "&".join(f"provider=p{number}" for number in range(49))
    problem = is_problem(await service.get(f"/v1/events?provider=hiapi&{names}"), 400)
    assert [each["field"] for each in problem["errors"]] == ["provider.1"]


async def test_a_provider_whose_tasks_are_all_gone_may_still_be_named(service: Served) -> None:
    accounts = service.services.store.accounts
    await accounts.pause("elsewhere", until_ms=1, reason="throttled", alarm=None, now_ms=1)  # as a request does
    assert (await _page(service, "provider=elsewhere"))["events"] == []


async def test_a_rare_filter_scans_a_bounded_number_of_events_and_its_cursor_moves_on(service: Served) -> None:
    store = service.services.store
    await publish_events(store, 2_100)
    await publish_event_of(store, "tsk_1", labels={"film": "a"})
    for query in ("label=film=a", "provider=dashscope"):
        first = await _page(service, f"after=50&{query}")
        assert first == {"events": [], "next_after": 1050, "has_more": True, "newest": 2101}
    assert await _page(service, "type=task.failed&after=1050") == {
        "events": [],
        "next_after": 2050,
        "has_more": True,
        "newest": 2101,
    }
    last = await _page(service, "label=film=a&after=2050")
    assert ([event["seq"] for event in last["events"]], last["next_after"], last["has_more"]) == ([2101], 2101, False)


async def test_without_a_cursor_pages_begin_with_the_oldest_stored_event(service: Served) -> None:
    await _forget(service, 3)
    assert await _page(service) == {"events": [], "next_after": 3, "has_more": False, "newest": 3}
    await publish_events(service.services.store, 2, first=4)
    assert await _seqs(service) == [4, 5]


async def test_a_cursor_before_what_is_kept_is_answered_410_with_the_oldest_that_misses_nothing(
    service: Served,
) -> None:
    await _forget(service, 3)
    for expected in (0, 2):
        problem = is_problem(await service.get(f"/v1/events?after={expected}"), 410)
        assert (problem["type"], problem["oldest_after"]) == ("urn:whenfinal:problem:cursor-expired", 3)
    await publish_events(service.services.store, 1, first=4)
    assert await _seqs(service, "after=3") == [4]


@pytest.mark.parametrize("after", [1, 2**63 - 1])
async def test_a_cursor_beyond_the_newest_event_is_answered_410_with_where_to_read_on(
    service: Served, after: int
) -> None:
    problem = is_problem(await service.get(f"/v1/events?after={after}"), 410)
    assert (problem["type"], problem["oldest_after"]) == ("urn:whenfinal:problem:cursor-expired", 0)
    assert "The newest event is 0" in problem["detail"]


#: Queries with a fault, the field that is named, and a part of what is said to be accepted.
BAD_QUERIES = (
    ("type=task.done", "type.0", "'task.succeeded'"),
    ("type=task.failed&type=webhook.test", "type.1", "'subscription.disabled'"),
    ("provider=hiapi&provider=hiap", "provider.1", "dashscope, hiapi, signed"),
    ("provider=", "provider.0", "at least 1 characters"),
    ("model=", "model.0", "at least 1 characters"),
    ("label=film", "label.0", "text that matches"),
    ("label=film=a&label=film=b", "label", "one value for each name"),
    ("limit=-1", "limit", "a whole number in digits"),
    ("limit=0", "limit", "1 or more"),
    ("limit=1001", "limit", "1000 or less"),
    ("after=-1", "after", "a whole number in digits"),
    ("after=1&after=2", "after", "one value"),
    ("since=1", "since", "type, provider, model, label, after"),
)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
async def test_filter_words_that_nobody_knows_are_answered_400_with_those_that_are_known(
    service: Served, path: str
) -> None:
    for query, field, accepted in BAD_QUERIES:
        if path.endswith("stream") and field == "limit":
            continue
        problem = is_problem(await service.get(f"{path}?{query}"), 400)
        (error,) = problem["errors"]
        assert (error["field"], accepted in error["accepted"]) == (field, True), query


async def test_events_need_the_right_to_read(service: Served) -> None:
    for path in ("/v1/events", "/v1/events/stream"):
        is_problem(await service.get(path, key="submit"), 403)
        is_problem(await service.http.get(path), 401)
