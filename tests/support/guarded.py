"""A statement that changes a row only if it still is as the caller found it. `NOW` is the time that it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOW = 1_000_000
LATER, LATEST, BEYOND = NOW + 1, NOW + 5_000, NOW + 5_001

Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A statement, and a row of its table that it takes."""

    table: str
    row: Cells
    params: Cells
    #: Changes of `row` with which it is taken as well.
    takes: Sequence[Cells] = ()
    #: Changes of `row` with which it must be left.
    leaves: Sequence[Cells]
    #: Rows of other tables, by table.
    beside: Mapping[str, Sequence[Cells]] = field(default_factory=dict)
