"""Pages of a provider's task list, read from untrusted JSON. Pure.

A list that is not there says nothing: it must not read as "there are no tasks", because a person would then settle a
paid task as never created.
"""

from collections.abc import Callable

from submitter.http.messages import HttpReply
from submitter.model import ListedTask, ListPage, Unavailable
from submitter.providers.json_reader import ITEMS_CAP, at, capped, ms_from_s, text_at, usable_id

RowReader = Callable[[object], ListedTask | None]


def list_page(
    reply: HttpReply, listed: object, read_row: RowReader, *, total: object, has_more: bool | None, size: int
) -> ListPage | Unavailable:
    """Return the rows of `listed`; a row without a usable id is left out.

    No list is an empty page only where the reply says itself that there are 0 in all. `has_more` is None where the
    reply does not say; then a page of `size` rows has more behind it.
    """
    if not isinstance(listed, list):
        if listed is None and total == 0 and not isinstance(total, bool):
            return ListPage(rows=(), has_more=False)
        return Unavailable(reason="the reply holds no list of tasks", raw=capped(reply.body))
    rows = tuple(row for row in map(read_row, listed[:ITEMS_CAP]) if row is not None)
    if listed and not rows:
        return Unavailable(reason="the list in the reply names no task", raw=capped(reply.body))
    return ListPage(rows=rows, has_more=len(listed) >= size if has_more is None else has_more)


def plain_row(row: object) -> ListedTask | None:
    """A row with `id`, `status`, `model` and `created_at` in unix seconds; None without a usable id."""
    found = usable_id(at(row, "id"))
    if found is None:
        return None
    return ListedTask(
        provider_task_id=found,
        raw_state=text_at(row, "status"),
        model=text_at(row, "model") or None,
        created_at_ms=ms_from_s(at(row, "created_at")),
    )


def is_before(page: object, last: object, *, size: object = 1) -> bool | None:
    """Whether the page is before the last; `last` counts pages, or rows where `size` is given. None: not known."""
    given = (page, last, size)
    numbers = [each for each in given if isinstance(each, int) and not isinstance(each, bool) and each >= 0]
    return numbers[0] * numbers[2] < numbers[1] if len(numbers) == len(given) else None
