"""The named statements as SQLite takes them."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache

from receiver.store.engine import PLACEHOLDER, Param, Row, Value, load_queries


@lru_cache(maxsize=1)
def _queries() -> Mapping[str, str]:
    return load_queries(lock="", skip_locked="")


@lru_cache(maxsize=1024)
def _names(statement: str) -> tuple[tuple[str, bool], ...]:
    """The values that it takes, one after the other, and whether each is a list."""
    return tuple((name, bool(dots)) for name, dots in PLACEHOLDER.findall(statement))


@lru_cache(maxsize=1024)
def _text(statement: str, sizes: tuple[int, ...]) -> str:
    """The statement for lists of these sizes, with its values by position, because names cost several times more."""
    left = iter(sizes)
    return PLACEHOLDER.sub(lambda found: ", ".join("?" * next(left)) if found[2] else "?", statement)


def named(name: str, params: Mapping[str, Param]) -> tuple[str, list[Value]]:
    """The statement of this name, and its values."""
    return bind(_queries()[name], params)


def named_for_rows(name: str, rows: Sequence[Mapping[str, Value]]) -> tuple[str, list[list[Value]]]:
    """The statement of this name, which takes no list, and its values for each row."""
    statement = _queries()[name]
    names = [each for each, _ in _names(statement)]
    return _text(statement, ()), [[row[each] for each in names] for row in rows]


def bind(statement: str, params: Mapping[str, Param]) -> tuple[str, list[Value]]:
    """The statement as SQLite takes it, and its values.

    A list is padded with its last value to a power of two, so that few different texts reach the statement cache; an
    empty one becomes one NULL, which equals nothing.
    """
    values: list[Value] = []
    sizes: list[int] = []
    for name, is_list in _names(statement):
        given = params[name]
        if is_list:
            each = list(given) if isinstance(given, Sequence) and given else [None]
            each += [each[-1]] * ((1 << (len(each) - 1).bit_length()) - len(each))
            sizes.append(len(each))
            values += each
        else:
            values.append(given)  # type: ignore[arg-type]  # a statement without a list gets no sequence, and mypy cannot see which it is
    return _text(statement, tuple(sizes)), values


def fetched(cursor: sqlite3.Cursor) -> list[Row]:
    """All rows that it has left."""
    found = cursor.fetchall()
    if not found:
        return []
    names = [each[0] for each in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in found]
