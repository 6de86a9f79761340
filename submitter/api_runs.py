"""The bodies of the HTTP API about acts on many tasks or deliveries, as models. Pure. See `submitter.api`.

An act on all that a filter finds is a run: it goes on in the service, and its state is read by its id.
"""

from typing import Literal

from submitter.api import ApiModel, Time
from submitter.api_tasks import Look


class Sampled(ApiModel):
    """One of the things that a run would work on. `id` is that of a task or of a delivery."""

    id: str
    note: str


class RunPreview(ApiModel):
    """What a run would work on now. Nothing was changed.

    `count` items fit; with `has_more` there are more. `at_most` is how many one run works on, null for all.
    `missing` are ids of the body that are not there: a run fails at each of them.

    A start with this `until` in place of `all` leaves alone what was created after it. `ids` are what an act that
    cannot be taken back would work on: a start with them too works on no others.
    """

    count: int
    has_more: bool
    at_most: int | None
    until: Time
    ids: tuple[str, ...]
    sample: tuple[Sampled, ...]
    missing: tuple[str, ...] = ()


class RunNote(ApiModel):
    """What became of one item, where that has to be said. `look` is what a look at a provider's list found."""

    item: str
    words: str
    look: Look | None = None


class Run(ApiModel):
    """An act on many items. `kind` names it, `actor` who started it.

    `expected` items were found or named by their ids when it began, null where they were not counted to their end.
    `done` and `failed` items were worked on. `notes` are the first of what was left out or went wrong. `last_error`
    says why it failed.
    """

    id: str
    kind: str
    actor: str
    state: Literal["running", "finished", "stopped", "failed"]
    expected: int | None
    done: int
    failed: int
    notes: tuple[RunNote, ...]
    created_at: Time
    ended_at: Time | None
    last_error: str | None

    @property
    def is_ended(self) -> bool:
        return self.state != "running"


class RunsPage(ApiModel):
    """The newest first. `next_cursor` null: this is the last page."""

    runs: tuple[Run, ...]
    next_cursor: str | None
