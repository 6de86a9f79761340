"""What a submit comes to for its caller. Pure."""

from dataclasses import dataclass, field

from receiver.tasks.model.queue import NO_ROOM
from receiver.tasks.model.task import IdempotencyMismatch, Task
from submitter.model import Refusal, Refused, SubmitOutcome, TaskError, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The task exists, waits in the queue, may exist (uncertain), or is being submitted (the same key came twice)."""

    task: Task
    #: The task belongs to an earlier request with the same idempotency key.
    replayed: bool = False
    #: The signing secret for `notify`, where it is not the one that the caller has just given.
    notify_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubmit:
    """Surely nothing was created. The task stays readable."""

    task: Task
    refused: Refused
    replayed: bool = False

    @property
    def is_without_room(self) -> bool:
        """Nothing was sent: the account had no room, and the request does not wait in the queue."""
        return self.refused.error.code == NO_ROOM and self.refused.status is None


SubmitResult = Submitted | RefusedSubmit | IdempotencyMismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedSubmit:
    """One more POST of a submit that got no clear answer."""

    #: As stored afterwards.
    task: Task
    #: The answer to this POST alone, also where an earlier POST leaves the task uncertain. Uncertain where the provider
    #: refused this POST as invalid: the earlier one may have created the task. It holds what the earlier ones proved.
    reply: SubmitOutcome


def replayed_result(earlier: Task, secret: str | None) -> Submitted | RefusedSubmit:
    """The answer to a repeated idempotency key: the same as the first time, from what is stored of it.

    `secret` is the one that the caller gave for `notify`.
    """
    if earlier.state is not TaskState.REFUSED:
        told = None if earlier.notify_secret == secret else earlier.notify_secret
        return Submitted(task=earlier, replayed=True, notify_secret=told)
    return RefusedSubmit(task=earlier, refused=stored_refusal(earlier), replayed=True)


def stored_refusal(task: Task) -> Refused:
    """Why a refused task was refused, as far as that is stored."""
    return Refused(
        # A task that a person settled as refused has no refusal: nothing was created, and a new try may succeed.
        refusal=Refusal.UNAVAILABLE if task.refusal is None else task.refusal,
        error=task.error or TaskError(code="refused", message="the provider gave no reason"),
        status=task.refusal_status,
    )
