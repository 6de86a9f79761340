"""Plain values that are made for every callback."""

from collections.abc import Callable
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
