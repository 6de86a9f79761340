"""The rows of a listing, from as many pages of the API as they take."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from receiver.cli.console import note_rest
from submitter.client.conversation import Page

P = TypeVar("P", bound=Page)

T = TypeVar("T")

PAGE_MOST = 200  # items in one page


class Listed(NamedTuple, Generic[T]):
    """The first rows of a list, and whether there are more."""

    rows: Sequence[T]
    has_more: bool


async def listed(
    page_after: Callable[[int, str | None], Awaitable[P]], items: Callable[[P], Sequence[T]], limit: int
) -> Listed[T]:
    """The first `limit` items. `page_after` takes how many are wanted at most, and the cursor.

    A page may hold fewer than wanted and not be the last.
    """
    rows: list[T] = []
    cursor: str | None = None
    while True:
        page = await page_after(min(limit - len(rows), PAGE_MOST), cursor)
        rows += items(page)
        cursor = page.next_cursor
        if cursor is None or len(rows) >= limit:
            return Listed(rows[:limit], cursor is not None or len(rows) > limit)


def note_left_out(found: Listed[T], *, which: str = "newest") -> None:
    """With `--limit`: say that there is more, and which part of it is shown."""
    if found.has_more:
        note_rest(len(found.rows), which=which)
