"""The filter of the list of tasks: from the address to a search. Pure."""

from receiver.tasks.model.search import LABELS_MOST, TaskSearch
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.list_filter import ListFilter, Pairs, first_of, time_of, wrong_label
from submitter.model import TaskState

_STATES = tuple(each.value for each in TaskState)

TASKS = ListFilter(
    path=f"{ROOT}/tasks",
    names=("state", "overdue", "contradicted", "provider", "model", "label", "q", "since", "until"),
    views=(
        ("All", ()),
        ("Stuck", (("overdue", "1"),)),
        ("Doubtful", (("state", "uncertain"),)),
        ("Failed today", (("state", "failed"), ("state", "expired"), ("since", "today"))),
    ),
    titles={"q": "id or key", "overdue": "deadline", "contradicted": "reports"},
    flags={"overdue": "passed", "contradicted": "contradict"},
    most={"state": len(_STATES), "label": LABELS_MOST},
)


def read_search(filters: Pairs, now_ms: int) -> TaskSearch:
    """Raise InvalidRequest that names every filter with a value that it does not take."""
    TASKS.check(filters, now_ms, _wrong_value)
    values = TASKS.values(filters)
    return TaskSearch(
        states=frozenset(map(TaskState, values["state"])),
        is_overdue=bool(values["overdue"]),
        is_contradicted=bool(values["contradicted"]),
        provider=first_of(values["provider"]),
        model=first_of(values["model"]),
        labels=tuple((name, value) for name, _, value in (each.partition("=") for each in values["label"])),
        text=first_of(values["q"]),
        since_ms=time_of(values["since"], now_ms),
        until_ms=time_of(values["until"], now_ms),
    )


def _wrong_value(name: str, value: str) -> tuple[str, str] | None:
    if name == "state" and value not in _STATES:
        return "is not one of the known words", ", ".join(_STATES)
    return wrong_label(value) if name == "label" else None
