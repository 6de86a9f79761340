"""The filter of events in the address, and a row of an event that any version may have stored."""

import pytest

from receiver.events.model.event import Event
from receiver.web.dashboard.model.event_filter import EVENTS, read_search
from receiver.web.dashboard.model.event_rows import event_row
from submitter.errors import InvalidRequest
from submitter.model import TaskId


def _fields_of(*pairs: tuple[str, str]) -> list[str]:
    with pytest.raises(InvalidRequest) as found:
        read_search(EVENTS.given_in(pairs))
    return [each.field for each in found.value.violations]


def test_filters_are_read_in_one_order_and_written_back() -> None:
    filters = EVENTS.given_in([("label", "a=b=c"), ("x", "1"), ("provider", " "), ("type", "task.failed")])
    search = read_search(filters)
    assert search.filter.types == frozenset({"task.failed"})
    assert dict(search.filter.labels) == {"a": "b=c"}
    assert EVENTS.address(filters) == "/ops/events?type=task.failed&label=a%3Db%3Dc"
    assert [chip.without for chip in EVENTS.chips(filters)] == [
        "/ops/events?label=a%3Db%3Dc",
        "/ops/events?type=task.failed",
    ]


def test_a_saved_view_knows_that_it_is_shown() -> None:
    views = EVENTS.saved_views([])
    assert [view.is_here for view in views] == [True, False, False, False]


def test_what_cannot_be_is_named() -> None:
    assert _fields_of(("type", "Failed"), ("label", "x"), ("task", "../etc")) == ["type", "label", "task", "task"]
    assert _fields_of(("label", "a=1"), ("label", "a=2")) == ["label"]
    assert _fields_of(*(("provider", f"p{each}") for each in range(11))) == ["provider"]
    assert _fields_of(("model", "m" * 501)) == ["model"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"data":null}',
        '{"data":{"task":7,"provider":[]}}',
        "[" * 99,
        '{"data":{"task":{"labels":3}}}',
    ],
)
def test_a_body_of_another_form_gives_a_row_without_what_it_does_not_say(body: str) -> None:
    event = Event(seq=1, id="evt_1", task_id=TaskId("tsk_1"), type="x.y", at_ms=1, supersedes=None, body=body)
    row = event_row(event)
    assert (row.is_newer, row.kind, row.provider, row.labels) == (True, "plain", "", {})
