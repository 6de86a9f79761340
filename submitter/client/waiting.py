"""Wait for what ends, in slices that a proxy lets pass, through times when the receiver is away. Pure."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from submitter.client.conversation import RETRYABLE, Call, Conversation, Now, answered
from submitter.errors import NotEnded, ReceiverRefused, ReceiverUnreachable

#: One wait at the receiver: shorter than the 60 s and 50 s after which nginx and HAProxy end a request.
WAIT_S = 25


class Ends(Protocol):
    """A task or a run."""

    @property
    def id(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def is_ended(self) -> bool: ...


E = TypeVar("E", bound=Ends)


def until_ended(call_for: Callable[[int], Call[E]], timeout_s: float | None) -> Conversation[E]:
    """Return what `call_for`, with the seconds that it may wait, gives when it has ended. Raise NotEnded.

    None waits for ever. Once the receiver has answered, the wait survives times when it is away.
    """
    began_s: float = yield Now()
    left_s, last = timeout_s, None
    while True:
        last = yield from _now_or_last(call_for(WAIT_S if left_s is None else slice_s(left_s)), last)
        if last.is_ended:
            return last
        now_s: float = yield Now()
        left_s = None if timeout_s is None else began_s + timeout_s - now_s
        if left_s is not None and left_s <= 0:
            raise NotEnded(last.id, str(last.state))


def slice_s(left_s: float) -> int:
    """Whole seconds of one wait."""
    return max(0, min(WAIT_S, round(left_s)))


def _now_or_last(call: Call[E], last: E | None) -> Conversation[E]:
    """Return what the call gives, or `last` while the receiver is away."""
    try:
        return (yield from answered(call))
    except ReceiverUnreachable:
        if last is None:
            raise
        return last
    except ReceiverRefused as error:
        if last is None or error.problem.status not in RETRYABLE:
            raise
        return last
