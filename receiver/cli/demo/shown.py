"""What the demo shows beside its counts, and what is wrong where it was not seen. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

EARLY_S = 0.05  # because the sender counts milliseconds of its own clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    #: Until the webhook that was answered 500 came again; None: it never did.
    retried_s: float | None = None
    #: Until the webhook that was answered 429 came again; None: it never did.
    waited_s: float | None = None
    #: The `Retry-After` of that 429.
    retry_after_s: float
    #: Webhooks with an ed25519 signature and CloudEvents attributes.
    asymmetric: int = 0
    #: Webhooks that the secrets before and after the rotation both verified.
    overlapping: int = 0
    #: The `seq` after which the stream was resumed; None: it was not.
    resumed_at: int | None = None
    #: Ends received at the URL in the task's own `notify`.
    notified: int = 0
    #: Tasks that waited in the queue at the same time, at most.
    queued: int = 0
    #: Submits that were reported as uncertain at once.
    uncertain: int = 0
    #: Whether a task that was settled with another's id was settled again with its own.
    corrected: bool = False
    #: Webhooks with a fault, by the fault.
    faults: Mapping[str, int] = field(default_factory=dict)


def shown_lines(shown: Shown) -> Iterator[str]:
    """A line for each thing that was shown."""
    if shown.asymmetric:
        yield f"{shown.asymmetric} webhooks signed with ed25519 as well, with CloudEvents attributes"
    if shown.retried_s is not None:
        yield f"a webhook answered 500 sent again after {shown.retried_s:.1f} s"
    if shown.waited_s is not None:
        yield f"a webhook answered 429, Retry-After {shown.retry_after_s:g}, sent again after {shown.waited_s:.1f} s"
    if shown.overlapping:
        yield f"secret rotated, {shown.overlapping} webhooks signed with the old and the new one"
    if shown.resumed_at is not None:
        yield f"stream resumed at seq {shown.resumed_at}"
    if shown.notified:
        yield f"{shown.notified} ends sent to the URL in the task's own notify"
    yield from _task_lines(shown)


def _task_lines(shown: Shown) -> Iterator[str]:
    if shown.queued:
        yield f"up to {shown.queued} tasks waited in the queue for their provider"
    if shown.uncertain:
        yield f"{shown.uncertain} lost replies reported at once, as task.uncertain"
    if shown.corrected:
        yield "a task settled with another's id was settled again with its own"


def remarks(shown: Shown) -> list[str]:
    """What is wrong."""
    came_early = shown.waited_s is not None and shown.waited_s < shown.retry_after_s - EARLY_S
    problems = {
        "the webhook that was answered 500 was not sent again": shown.retried_s is None,
        "the webhook that was answered 429 was not sent again": shown.waited_s is None,
        "the webhook that was answered 429 was sent again before its Retry-After": came_early,
        "no webhook was signed with both secrets after the rotation": not shown.overlapping,
        "the stream was not resumed": shown.resumed_at is None,
        "no task waited in the queue": not shown.queued,
        "no lost reply was reported as task.uncertain": not shown.uncertain,
        "no wrong settle was put right": not shown.corrected,
    }
    faults = [f"{count} webhooks {fault}" for fault, count in shown.faults.items()]
    return [*faults, *(problem for problem, is_so in problems.items() if is_so)]
