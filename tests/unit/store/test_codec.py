"""Rows and values: every row class comes back from its row as it was, and cells are what both engines store."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.events.model.event import Event
from receiver.events.model.rows import EVENT_ROWS
from receiver.store.accounts import ACCOUNT_ROWS, AccountStatus
from receiver.store.codec import EMPTY_FOR_NONE, RowCodec
from receiver.store.transfer.schema import table_schemas
from receiver.tasks.model.rows import TASK_ROWS
from receiver.tasks.model.task import Task
from receiver.webhooks.model.delivery import Attempt, Delivery
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.rows import ATTEMPT_ROWS, DELIVERY_ROWS, ENDPOINT_ROWS, SUBSCRIPTION_ROWS
from receiver.webhooks.model.subscription import Subscription

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))
NUMBERS = st.floats(allow_nan=False)
STRATEGIES: Mapping[Any, st.SearchStrategy[Any]] = {
    float: NUMBERS,
    float | None: st.none() | NUMBERS,
    Mapping[str, Any]: st.dictionaries(st.text(), JSON, max_size=3),
}

#: What is made, its codec, its table, and the fields that have no column.
ROW_CLASSES: list[tuple[type, RowCodec[Any], str, tuple[str, ...]]] = [
    (Task, TASK_ROWS, "tasks", ()),
    (Event, EVENT_ROWS, "events", ()),
    (Subscription, SUBSCRIPTION_ROWS, "subscriptions", ()),
    (EndpointState, ENDPOINT_ROWS, "endpoints", ("limit_per_s", "max_in_flight")),
    (Delivery, DELIVERY_ROWS, "deliveries", ()),
    (Attempt, ATTEMPT_ROWS, "attempts", ("retry_after_s", "is_permanent")),
    (AccountStatus, ACCOUNT_ROWS, "accounts", ()),
]

COLUMNS = {schema.name: {column.name for column in schema.columns} for schema in table_schemas()}


def _any(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a row class; an id that may be None is never empty."""
    hints = get_type_hints(kind)
    made = {name: STRATEGIES[hint] if hint in STRATEGIES else st.from_type(hint) for name, hint in hints.items()}
    if kind in {Event, Delivery}:
        made["task_id"] = st.none() | st.text(min_size=1)
    return st.builds(kind, **made)


@pytest.mark.parametrize(
    ("kind", "codec", "table", "excluded"), ROW_CLASSES, ids=[table for _, _, table, _ in ROW_CLASSES]
)
@given(data=st.data())
def test_a_value_comes_back_from_its_row(
    kind: type, codec: RowCodec[Any], table: str, excluded: tuple[str, ...], data: st.DataObject
) -> None:
    value = data.draw(_any(kind))
    row = codec.to_row(value)
    assert {type(cell) for cell in row.values()} <= {str, int, float, type(None)}
    assert codec.from_row({**row, "lease_owner": "more"}, **{name: getattr(value, name) for name in excluded}) == value
    assert set(row) <= COLUMNS[table]


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    is_marked: bool = False


Name = NewType("Name", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    name: Name
    colour: Colour
    maybe_colour: Colour | None = None
    is_big: bool = False
    count: int | None = None
    labels: Mapping[str, Any]
    points: tuple[Point, ...] = ()
    best: Point | None = None
    owner: str | None = None
    computed: float = 0.0


CODEC = RowCodec(
    Everything,
    renamed={"name": "title"},
    excluded=["computed"],
    converted={"owner": EMPTY_FOR_NONE},
)


def test_each_type_has_its_column() -> None:
    point = Point(x=2, is_marked=True)
    value = Everything(
        name=Name("a"),
        colour=Colour.RED,
        is_big=True,
        labels={"é": [1]},
        points=(point,),
        best=point,
    )
    assert CODEC.to_row(value) == {
        "title": "a",
        "colour": "red",
        "maybe_colour": None,
        "is_big": 1,
        "count": None,
        "labels": '{"é":[1]}',
        "points": '[{"x":2,"is_marked":true}]',
        "best": '{"x":2,"is_marked":true}',
        "owner": "",
    }
    assert CODEC.from_row(CODEC.to_row(value), computed=0.0) == value


def test_what_is_none_is_null() -> None:
    row = CODEC.to_row(Everything(name=Name("a"), colour=Colour.RED, labels={}))
    assert [row[column] for column in ("best", "maybe_colour")] == [None] * 2
    assert CODEC.from_row(row, computed=1.5) == Everything(name=Name("a"), colour=Colour.RED, labels={}, computed=1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    point: Point


@pytest.mark.parametrize("kind", [set, list[str], tuple[str, ...], Nested, int | str])
def test_a_type_without_a_column_is_refused_when_the_codec_is_made(kind: Any) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Odd:
        field: Any

    Odd.__annotations__["field"] = kind
    with pytest.raises(TypeError, match=r"no column type|no plain JSON value"):
        RowCodec(Odd)
