"""How a client talks to a receiver, without doing it: calls, and conversations that say what to do next. Pure.

A `Call` is one request and how its answer is read. A conversation is a generator: it yields a step, is sent what came
of it, and returns its result. A series gives items on the way. `async_shell` and `sync_shell` carry the steps out, so
retries, waits, pages and streams are written once.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from submitter.client.replies import error_of, read_problem
from submitter.errors import ReceiverUnreachable
from submitter.http.messages import Headers, is_success, read_retry_after_s

T = TypeVar("T")

#: Seconds before the second, third and fourth try of a request that the receiver did not answer.
RETRY_PAUSES_S = (0.2, 1.0, 3.0)

RETRY_AFTER_CAP_S = 10.0  # of one such pause, where the answer names a longer one

#: Statuses by which the receiver, or a proxy before it, says that it has done nothing yet.
RETRYABLE = frozenset({502, 503, 504})

_PROVIDER_REFUSED = "urn:whenfinal:problem:provider-"

#: Problems by which the receiver says that nothing was changed, so that even what must not be repeated can be sent.
#: `unavailable` is none of them, because the ledger may have failed after the change was stored.
_NOTHING_DONE = frozenset(f"urn:whenfinal:problem:{kind}" for kind in ("streams-full", "bodies-full"))

NO_MOVE = "the answer cannot be read: its cursor does not move"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request. `path` is relative to the URL of the receiver; `read` makes the result of the body of a 2xx."""

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Headers = ()
    json: object = None
    headers: Headers = field(default=(), repr=False)
    #: How long the receiver itself may wait before it answers, beside the time of an exchange.
    extra_wait_s: float = 0.0
    #: Whether it may be sent again although it may have been carried out.
    may_be_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status, its headers in any case, and the body. An opened reply has no body yet."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReply:
    """No answer, or one that broke off. Unless `was_sent`, surely nothing was carried out."""

    reason: str
    was_sent: bool = True


# The steps, each with what its conversation is sent for it.


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and read the whole answer: Reply or NoReply."""

    call: Call[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Send a request and read the head of the answer: Reply or NoReply. Replaces what was open."""

    call: Call[Any]
    #: The longest time without a byte.
    silence_s: float


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of what is open; None at its end, NoReply where it breaks off."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close what is open: None."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait, and for a random part of `jitter` times as long: None."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Now:
    """The seconds of a clock that only goes forward."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """An idempotency key that nobody has used: text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Write to the log, as a warning if it `is_new`: None."""

    text: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Give(Generic[T]):
    """Hand an item to the caller: None."""

    item: T


Step = Send | Open | Read | Close | Pause | Now | NewKey | Tell

Conversation = Generator[Step, Any, T]

Series = Generator[Step | Give[T], Any, None]


def answered(call: Call[T]) -> Conversation[T]:
    """Return what a call came to, after a few tries. Raise a ClientError."""
    may_be_done = False
    for pause_s in RETRY_PAUSES_S:
        reply: Reply | NoReply = yield Send(call)
        if not _should_retry(call, reply):
            return _result(call, reply, may_be_done=may_be_done)
        may_be_done = may_be_done or _may_be_done(reply)
        requested_s = None if isinstance(reply, NoReply) else read_retry_after_s(reply.headers.get("retry-after"))
        yield Pause(max(pause_s, min(requested_s or 0.0, RETRY_AFTER_CAP_S)))
    return _result(call, (yield Send(call)), may_be_done=may_be_done)


def _may_be_done(reply: Reply | NoReply) -> bool:
    """Whether the receiver may have carried a request out, although this came of it."""
    if isinstance(reply, NoReply):
        return reply.was_sent
    return read_problem(reply.status, reply.headers, reply.body) is None  # a proxy's


def _should_retry(call: Call[Any], reply: Reply | NoReply) -> bool:
    """Whether the receiver could not do it yet. A provider's refusal is final for this idempotency key."""
    if isinstance(reply, NoReply):
        return call.may_be_repeated or not reply.was_sent
    if reply.status not in RETRYABLE:
        return False
    problem = read_problem(reply.status, reply.headers, reply.body)
    if problem is None:  # a proxy's, which may have passed the request on
        return call.may_be_repeated
    if not call.may_be_repeated:
        return problem.type in _NOTHING_DONE
    return not problem.type.startswith(_PROVIDER_REFUSED)


def _result(call: Call[T], reply: Reply | NoReply, *, may_be_done: bool) -> T:
    if isinstance(reply, NoReply):
        raise ReceiverUnreachable(f"no answer: {reply.reason}")
    if not is_success(reply.status):
        raise_refusal(reply, may_be_done=may_be_done)
    return call.read(reply.body)


def raise_refusal(reply: Reply, *, may_be_done: bool = False) -> NoReturn:
    """Raise the ClientError of an answer that is no success."""
    problem = read_problem(reply.status, reply.headers, reply.body)
    if problem is None:
        raise ReceiverUnreachable(f"status {reply.status} of something that is not whenfinal")
    raise error_of(problem, may_be_done=may_be_done)


class Page(Protocol):
    """A page of any list."""

    @property
    def next_cursor(self) -> str | None: ...


P = TypeVar("P", bound=Page)


def every(page_after: Callable[[str | None], Call[P]], items: Callable[[P], tuple[T, ...]]) -> Series[T]:
    """Give the items of all pages. Raise a ClientError."""
    cursor: str | None = None
    while True:
        page = yield from answered(page_after(cursor))
        for item in items(page):
            yield Give(item)
        if page.next_cursor is None:
            return
        if page.next_cursor == cursor:
            raise ReceiverUnreachable(NO_MOVE)
        cursor = page.next_cursor
