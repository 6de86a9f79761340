"""What the ledger holds, as plain values. Times are unix milliseconds, made by the caller of a verb.

Pure. The store turns rows into these and back; every other room sees only these.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Keyset page; `next_cursor` is None on the last one."""

    items: tuple[T, ...]
    next_cursor: str | None
