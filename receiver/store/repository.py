"""The base class of repositories: read one row, all rows, or a page of rows of a named query, as values.

Each read is by itself and never waits for a writer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from receiver.store.engine import Engine, Param, Row

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Rows of a keyset page, newest first. Pages stay stable while rows are added."""

    items: tuple[T, ...]
    #: The last id of the page; None on the last page.
    next_cursor: str | None


class Repository:
    """Base class of repositories. Its reads raise StoreUnavailable when the database is not available now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def _one(self, query: str, make: Callable[[Row], T], **params: Param) -> T | None:
        row = await self._engine.read(lambda reader: reader.fetch_one(query, **params))
        return None if row is None else make(row)

    async def _all(self, query: str, make: Callable[[Row], T], **params: Param) -> list[T]:
        found = await self._engine.read(lambda reader: reader.fetch_all(query, **params))
        return [make(row) for row in found]

    async def _page(
        self, query: str, make: Callable[[Row], T], id_of: Callable[[T], str], limit: int, params: Mapping[str, Any]
    ) -> Page[T]:
        """At most `limit` items. One row more is read, because it shows whether there is a next page."""
        found = await self._all(query, make, **params, limit=limit + 1)
        items = tuple(found[:limit])
        return Page(items=items, next_cursor=id_of(items[-1]) if len(found) > limit else None)
