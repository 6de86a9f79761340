"""What an act is made of."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services

#: JSON values.
Condition = Mapping[str, Any]

PAGE = 20  # items worked on between two lines in the ledger


LEFT = "left alone: it does not fit the filter any more"

Work = Callable[[Services, Sequence[str], Condition, str], Awaitable[Sequence[ItemResult]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One kind of run. Both functions may raise StoreUnavailable; the page is then worked on again."""

    #: The items after a cursor, None at the start. An item that is worked on twice must do no harm.
    items: Callable[[Services, Condition, str | None], Awaitable[RunItems]]
    #: Work on items for an actor. A result for each, in any order.
    work: Work
