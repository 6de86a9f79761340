"""Plain values that are made for every callback."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(kind: type[T]) -> type[T]:
    """A dataclass with slots, for a class whose values nobody changes.

    The type checker forbids a change. `frozen=True` forbids it at run time as well, and doubles what a value costs.
    """
    make: Callable[[type[T]], Any] = dataclass(slots=True, kw_only=True, unsafe_hash=True)
    made: type[T] = make(kind)
    return made


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def large_value(kind: type[T]) -> type[T]:
    """As `value`, for a class of many members. It has no slots, so that `changed` copies all of them in one step."""
    make: Callable[[type[T]], Any] = dataclass(kw_only=True, unsafe_hash=True)
    made: type[T] = make(kind)
    return made


def changed(before: T, members: Mapping[str, Any]) -> T:
    """As `dataclasses.replace`, which reads and writes so many members one by one. For a `large_value`."""
    after = object.__new__(type(before))
    after.__dict__.update(before.__dict__)
    after.__dict__.update(members)
    return after
