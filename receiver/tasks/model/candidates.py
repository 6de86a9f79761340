"""Which of a provider's tasks a lost submit may have created: how they are compared and when the choice is clear. Pure.

A wrong choice gives a caller another caller's film, so only what cannot be anything else is chosen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from receiver.tasks.model.task import Task
from submitter.model import ListedTask, ProviderTaskId, TaskId
from submitter.providers.json_reader import at, first_text, text

EARLY_MS = 300_000  # a provider's clock may be behind ours by that much

LATE_MS = 900_000  # the longest submit, and a provider's clock that is ahead


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """When the provider may have created a task, both ends included."""

    since_ms: int
    until_ms: int

    def covers(self, at_ms: int) -> bool:
        return self.since_ms <= at_ms <= self.until_ms


def window_of(task: Task, *, now_ms: int, is_idempotent: bool) -> Window:
    """With an idempotency key the submit may have been repeated at any time until now."""
    sent_ms = task.submit_began_ms
    until_ms = now_ms if is_idempotent else min(now_ms, sent_ms + LATE_MS)
    # The later one, because the clock may have been set back since the submit.
    return Window(since_ms=sent_ms - EARLY_MS, until_ms=max(until_ms, sent_ms) + EARLY_MS)


def merged(windows: Iterable[Window]) -> list[Window]:
    """The spans that the windows cover together, so that no part of a list is read twice; the oldest first."""
    spans: list[Window] = []
    for window in sorted(windows):
        if spans and window.since_ms <= spans[-1].until_ms:
            until_ms = max(spans[-1].until_ms, window.until_ms)
            spans[-1] = Window(since_ms=spans[-1].since_ms, until_ms=until_ms)
        else:
            spans.append(window)
    return spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task of the provider's that the ledger does not know, compared with one lost submit."""

    listed: ListedTask
    #: How long after our intent it was created; None where the provider does not say.
    after_ms: int | None
    #: None where one of the two is not known.
    same_model: bool | None
    same_prompt: bool | None
    #: None where the provider has no place for our own id.
    same_own_id: bool | None = None

    @property
    def fits(self) -> bool:
        """Nothing speaks against it; our own id decides alone."""
        if self.same_own_id is not None:
            return self.same_own_id
        return self.same_model is not False and self.same_prompt is not False

    @property
    def is_recognized(self) -> bool:
        """Something beside the absence of a contradiction speaks for it."""
        is_known = self.after_ms is not None and (self.same_model is True or self.same_prompt is True)
        return self.fits and (self.same_own_id is True or is_known)


def compare(task: Task, row: ListedTask) -> Candidate:
    return Candidate(
        listed=row,
        after_ms=None if row.created_at_ms is None else row.created_at_ms - task.submit_began_ms,
        same_model=_same(task.model, row.model),
        same_prompt=_same(prompt_of(task), row.prompt),
        same_own_id=None if row.own_id is None else row.own_id == task.id,
    )


def rank(task: Task, rows: Iterable[ListedTask]) -> tuple[Candidate, ...]:
    """Those with the same prompt first, then those of the same model, and among them the nearest in time."""
    return tuple(sorted((compare(task, row) for row in rows), key=_closeness))


def prompt_of(task: Task) -> str | None:
    """The prompt of the request, cleaned and cut as a provider's texts are; None where the request has none."""
    body = at(task.request, "raw", "body")
    found = (at(task.request, "video", "prompt"), at(body, "input", "prompt"), at(body, "prompt"))
    return first_text(*found) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was read of a provider's list for one lost submit."""

    rows: tuple[ListedTask, ...] = ()
    #: How many rows the provider showed in all, those at another time and those that the ledger knows included.
    listed: int = 0
    #: Why the list was not read, or not to its end; empty when all of the time was read.
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a provider's list shows for one lost submit."""

    task: Task
    #: The likeliest first.
    found: tuple[Candidate, ...]
    listing: Listing
    #: For each candidate that fits other open submits as well: those.
    rivals: Mapping[ProviderTaskId, tuple[TaskId, ...]]

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        return tuple(each for each in self.found if each.fits)

    @property
    def why_not_clear(self) -> str:
        """Why no candidate is the only one; empty when one is."""
        if self.listing.problem:
            return self.listing.problem
        if not self.fitting:
            return "none that fits"
        if len(self.fitting) > 1:
            return f"{len(self.fitting)} fit"
        (only,) = self.fitting
        if rivals := self.rivals.get(only.listed.provider_task_id):
            return f"it fits {rivals[0]} as well"
        return (
            "" if only.is_recognized else "neither its model nor its prompt can be compared, or its time is not known"
        )

    @property
    def clear(self) -> Candidate | None:
        """The only candidate, where the whole time was read and it fits no other open submit."""
        return None if self.why_not_clear else self.fitting[0]


def search_of(task: Task, window: Window, listing: Listing, open_tasks: Sequence[tuple[Task, Window]]) -> Search:
    """`listing` has rows that the ledger does not know; `open_tasks` are all submits whose id is not known yet."""
    rows = [row for row in listing.rows if _is_near(row, window)]
    found = rank(task, rows)
    rivals = {
        each.listed.provider_task_id: tuple(
            other.id
            for other, its_window in open_tasks
            if other.id != task.id and _is_near(each.listed, its_window) and compare(other, each.listed).fits
        )
        for each in found
        if each.fits
    }
    return Search(task=task, found=found, listing=listing, rivals={key: ids for key, ids in rivals.items() if ids})


def doubts(task: Task, row: ListedTask, window: Window) -> tuple[str, ...]:
    """What speaks against the provider's task being this one, for a person who names it."""
    compared = compare(task, row)
    found: list[str] = []
    if compared.same_model is False:
        found.append(f"its model is {row.model}, and this task's is {task.model}")
    if compared.same_prompt is False:
        found.append("its prompt is another")
    if not _is_near(row, window):
        found.append("it was not created at the time of this submit")
    return tuple(found)


def _is_near(row: ListedTask, window: Window) -> bool:
    return row.created_at_ms is None or window.covers(row.created_at_ms)


def _same(ours: str | None, theirs: str | None) -> bool | None:
    return None if ours is None or theirs is None else text(ours) == text(theirs)


def _closeness(each: Candidate) -> tuple[int, int, int, bool, int]:
    order = {True: 0, None: 1, False: 2}
    return (
        order[each.same_own_id],
        order[each.same_prompt],
        order[each.same_model],
        each.after_ms is None,
        abs(each.after_ms or 0),
    )
