"""What the demo is to show beside its count, and what is amiss where it did not come to pass. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

EARLY_S = 0.05  # the sender counts from its own clock's milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`retried_s`: until the webhook that was answered 500 came again, `waited_s` the one answered 429; None: never.

    `overlapping` webhooks were verified by the secret before and by the one after the rotation. `resumed_at` is the
    number after which the stream was taken up again. `faults`: webhooks by what was wrong with them.
    """

    retried_s: float | None = None
    waited_s: float | None = None
    retry_after_s: float
    asymmetric: int = 0
    overlapping: int = 0
    resumed_at: int | None = None
    notified: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)


def shown_lines(shown: Shown) -> Iterator[str]:
    """One line for each thing that was shown."""
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
        yield f"{shown.notified} ends told to the address in the task's own notify"


def remarks(shown: Shown) -> list[str]:
    """What is wrong."""
    came_early = shown.waited_s is not None and shown.waited_s < shown.retry_after_s - EARLY_S
    amiss = {
        "the webhook that was answered 500 was not sent again": shown.retried_s is None,
        "the webhook that was answered 429 was not sent again": shown.waited_s is None,
        "the webhook that was answered 429 was sent again before its Retry-After": came_early,
        "no webhook was signed with both secrets after the rotation": not shown.overlapping,
        "the stream was not resumed": shown.resumed_at is None,
    }
    return [*(f"{count} webhooks {fault}" for fault, count in shown.faults.items()), *_true(amiss)]


def _true(amiss: Mapping[str, bool]) -> Sequence[str]:
    return [remark for remark, is_so in amiss.items() if is_so]
