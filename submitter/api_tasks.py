"""The bodies of the HTTP API about many tasks at once, and about one that is in trouble, as models. Pure.

See `submitter.api`.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import AliasChoices, Field

from submitter.api import ApiModel, Problem, SubmittedTask, Task, TaskDetail, TasksPage, Time, TimelineEntry
from submitter.model import TaskState

#: As what a search took its text.
ReadAs = Literal["task", "event", "delivery", "label", "id_or_key"]


class BatchOutcome(ApiModel):
    """What one task of a batch came to, as `POST /v1/tasks` answers it alone.

    `index` counts from 0 in the order of the batch. `status` 202: `task` is there; 200, of a dry run: it would be
    taken; any other: `problem` is there. `replayed`: an earlier submit with the same idempotency key made the task.
    """

    index: int
    status: int
    replayed: bool
    task: SubmittedTask | None
    problem: Problem | None


class BatchAnswer(ApiModel):
    """An outcome for each task of the batch, in its order."""

    outcomes: tuple[BatchOutcome, ...]


class FoundTasks(TasksPage):
    """The tasks that a text names, the newest first.

    `read_as` says what the text was taken for: an id of ours or its beginning (`task`), an id of an event or of a
    delivery, a label as `name=value`, or else the provider's id or an idempotency key (`id_or_key`).
    """

    read_as: ReadAs


class Explanation(ApiModel):
    """What happened to a task and what comes next.

    `next` is what happens without an operator, `cure` what an operator can do, a sentence each. `left_out` is as in
    `Timeline`.
    """

    task: TaskDetail
    timeline: tuple[TimelineEntry, ...]
    left_out: Mapping[str, int]
    next: tuple[str, ...]
    cure: tuple[str, ...]


class CanceledTask(ApiModel):
    """`was_queued`: it was taken out of the queue, and its provider never got it.

    Else the provider accepted the request; the next poll shows the end.
    """

    task: Task
    was_queued: bool


class Identification(ApiModel):
    """What the provider answers about an id, and what speaks against it being that of our task.

    `asked_for` is the provider's id, `state` that of its task. Nothing was changed.
    """

    task: Task
    asked_for: str
    says: str
    state: TaskState
    doubts: tuple[str, ...]


class Candidate(ApiModel):
    """A task in a provider's list that the ledger does not know, compared with one lost submit.

    `after_s` is its time after the submit began. `same_model` and `same_prompt` are null where one of the two is not
    known. `also_fits` names other lost submits that it may be.
    """

    provider_task_id: str = Field(
        validation_alias=AliasChoices("provider_task_id", "task_id"), serialization_alias="task_id"
    )
    raw_state: str
    model: str | None
    prompt: str | None
    created_at: Time | None
    after_s: float | None
    same_model: bool | None
    same_prompt: bool | None
    fits: bool
    also_fits: tuple[str, ...]


class Look(ApiModel):
    """What the provider's list shows for one lost submit. `task` is our id.

    `clear` is the provider's id of the only task that it can be; null: `why` says why there is none. `listed` rows were
    read. `problem` says why the list was not read, or not to its end. `more` candidates are not in `candidates`, which
    has the likeliest first.
    """

    task: str
    provider: str
    listed: int
    problem: str | None
    clear: str | None
    why: str | None
    candidates: tuple[Candidate, ...]
    more: int
