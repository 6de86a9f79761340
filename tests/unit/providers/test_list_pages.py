"""A page of a provider's task list: what is on it, whether more follow, and a list that is not there."""

import json
from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ListPage, Unavailable
from submitter.providers.list_pages import is_before
from submitter.providers.registry import LISTS_TASKS
from tests.unit.providers.statuses import FORMS

ABSENT = object()


def _row(adapter: str, number: int) -> dict[str, Any]:
    row = FORMS[adapter].list_row
    assert row is not None
    return row(f"p{number}")


def _reply(adapter: str, rows: object, numbers: dict[str, Any] | None = None) -> HttpReply:
    """`numbers` are page, size, total and pages, which each form puts where its provider has them."""
    make = FORMS[adapter].list_document
    assert make is not None
    return HttpReply(status=200, body=json.dumps(_present(make(rows, numbers or {}))).encode())


def _present(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the members that are ABSENT."""
    return {
        name: _present(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not ABSENT
    }


def _page(adapter: str, rows: object, numbers: dict[str, Any] | None = None) -> ListPage | object:
    return LISTS_TASKS[adapter].parse_list(_reply(adapter, rows, numbers))


@pytest.mark.parametrize("adapter", sorted(LISTS_TASKS))
@pytest.mark.parametrize("rows", [ABSENT, None, {}, "none", 0, False])
def test_a_reply_without_its_list_says_nothing_about_tasks(adapter: str, rows: object) -> None:
    reply = _reply(adapter, rows)
    seen = LISTS_TASKS[adapter].parse_list(reply)
    assert isinstance(seen, Unavailable)
    assert (seen.reason, seen.raw) == ("the reply holds no list of tasks", reply.body)


@pytest.mark.parametrize("body", [b'{"code": 200, "data": null}', b'{"request_id": "r", "output": {}}', b"{}", b"[]"])
@pytest.mark.parametrize("adapter", sorted(LISTS_TASKS))
def test_a_reply_of_another_shape_says_nothing_about_tasks(adapter: str, body: bytes) -> None:
    assert isinstance(LISTS_TASKS[adapter].parse_list(HttpReply(status=200, headers=(), body=body)), Unavailable)


@pytest.mark.parametrize("adapter", sorted(LISTS_TASKS))
def test_an_empty_list_and_a_missing_one_of_none_in_all_are_empty_pages(adapter: str) -> None:
    assert _page(adapter, []) == ListPage(rows=(), has_more=False)
    if FORMS[adapter].list_has_total:
        assert _page(adapter, None, {"total": 0}) == ListPage(rows=(), has_more=False)
    assert isinstance(_page(adapter, None, {"total": 1}), Unavailable)
    assert isinstance(_page(adapter, None, {"total": False}), Unavailable)


@pytest.mark.parametrize("adapter", sorted(LISTS_TASKS))
def test_rows_without_an_id_are_left_out_and_nothing_but_such_rows_is_no_list(adapter: str) -> None:
    page = _page(adapter, [{}, "x", _row(adapter, 1), None])
    assert isinstance(page, ListPage)
    assert [row.provider_task_id for row in page.rows] == ["p1"]
    assert isinstance(_page(adapter, [{}, "x"]), Unavailable)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"page": 1, "size": 100, "total": 101}, True),
        ({"page": 1, "size": 100, "total": 100}, False),
        ({"page": 2, "size": 100, "total": 101}, False),
        ({"page": 1, "size": 2, "total": 3}, True),  # the size was corrected by the provider
    ],
)
def test_hiapi_counts_rows(numbers: dict[str, Any], *, expected: bool) -> None:
    page = _page("hiapi", [_row("hiapi", 1)], numbers)
    assert isinstance(page, ListPage)
    assert page.has_more is expected


@pytest.mark.parametrize(("page_no", "total_page", "expected"), [(1, 2, True), (2, 2, False), (1, 0, False)])
def test_dashscope_counts_pages(page_no: int, total_page: int, *, expected: bool) -> None:
    page = _page("dashscope", [_row("dashscope", 1)], {"page": page_no, "pages": total_page})
    assert isinstance(page, ListPage)
    assert page.has_more is expected


@pytest.mark.parametrize(("adapter", "full"), [("hiapi", 100), ("dashscope", 10), ("seedance", 100)])
@pytest.mark.parametrize("told", [{}, {"page": "1"}, {"page": True, "size": 1, "total": 9, "pages": 9}])
def test_without_readable_numbers_a_full_page_has_more_behind_it(adapter: str, full: int, told: dict[str, Any]) -> None:
    for count, expected in ((full, True), (full - 1, False)):
        page = _page(adapter, [_row(adapter, number) for number in range(count)], told)
        assert isinstance(page, ListPage)
        assert page.has_more is expected


@pytest.mark.parametrize(
    ("given", "expected"), [((1, 2, 1), True), ((0, 0, 1), False), ((1, -1, 1), None), ((1, 2, None), None)]
)
def test_only_numbers_are_compared(given: tuple[Any, Any, Any], *, expected: bool | None) -> None:
    page, last, size = given
    assert is_before(page, last, size=size) is expected
