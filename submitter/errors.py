"""The exceptions of both packages, under one base, and those of the submitter.

    WhenfinalError
    ├── SubmitterError
    │   ├── InvalidRequest        the provider does not accept what the caller asked for; nothing was sent
    │   ├── CallbackError         a callback that must not count
    │   │   ├── BadSignature      absent where a secret is configured, or wrong
    │   │   ├── StaleCallback     the signature is right, its time is outside the replay window
    │   │   └── UnreadableCallback  not what the provider documents
    │   ├── WebhookNotVerified    a webhook, or what claims to be one of ours, that must not count
    │   ├── ClientError           a running receiver did not do what our client asked of it
    │   │   ├── ReceiverUnreachable  no answer, or none that can be read, after every try
    │   │   ├── ReceiverRefused   answered with a problem, whose fields it carries
    │   │   ├── CursorExpired     events after the cursor have been deleted
    │   │   └── NotEnded          the wait is over and the task has not ended
    │   └── TransportError        one HTTP exchange did not give a reply
    │       ├── ConnectFailed     no byte of the request left: surely nothing was created
    │       ├── ExchangeTimeout   sent, no reply in time
    │       ├── ExchangeBroken    sent, connection lost or reply unreadable as HTTP
    │       ├── ReplyTooLarge     the reply passed the size cap
    │       └── AddressForbidden  the address guard refused the host; nothing was sent
    ├── ConfigError               settings that are missing, malformed or contradict each other (`receiver.config`)
    ├── TokenError                a callback token that does not count (`receiver.callbacks`)
    ├── StoreError                the ledger did not do what was asked; nothing was changed (`receiver.store`)
    ├── DatabaseMisconfigured     a database URL that can not be opened (`receiver.store`)
    └── DownloadFailed, CommandFailed, …  for the commands (`receiver.tasks`, `receiver.cli`)

Expected answers of a provider (refused, throttled, not found) are values, in `model`, not exceptions. What a caller or
a provider may rightly send to the receiver is answered with values, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class WhenfinalError(Exception):
    """Base of all exceptions of both packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule of a request.

    `field` is a dotted path as the caller wrote it (`video.duration`), `accepted` says what would pass.
    """

    field: str
    rule: str
    accepted: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}; accepted: {self.accepted}"


class SubmitterError(WhenfinalError):
    """Base of the submitter's exceptions."""


class InvalidRequest(SubmitterError):
    """Refused before any network; carries every violation found, never only the first."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(str(violation) for violation in violations))
        self.violations = tuple(violations)


class CallbackError(SubmitterError):
    """Base of the reasons for which a callback does not count."""


class BadSignature(CallbackError):
    """The provider signature is absent, malformed or wrong."""


class StaleCallback(CallbackError):
    """The signature is right and its timestamp is outside the configured window."""


class UnreadableCallback(CallbackError):
    """The body is not the JSON that the provider documents."""


class WebhookNotVerified(SubmitterError):
    """A header is missing, malformed or repeated, no signature is right, or the time is outside the window."""


class ClientError(SubmitterError):
    """Base of what the client of a running receiver raises."""


class ReceiverUnreachable(ClientError):
    """Whether the request was carried out is not known; the same idempotency key asks again without paying twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverProblem:
    """An RFC 9457 problem of the receiver. `provider` holds `name`, `code` and `message` where the provider refused.

    `task` is the id of a task that stays readable. `retry_after_s`: when trying again makes sense, None for never.
    `oldest_after` is there when a cursor has expired.
    """

    status: int
    type: str
    title: str
    detail: str | None = None
    errors: tuple[Violation, ...] = ()
    provider: Mapping[str, str] | None = None
    task: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    oldest_after: int | None = None


class ReceiverRefused(ClientError):
    """The receiver, or the provider behind it, said no."""

    def __init__(self, problem: ReceiverProblem) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail or 'no detail'}")
        self.problem = problem


class CursorExpired(ClientError):
    """Events after the cursor were there and are no longer kept. All that still are come after `oldest_after`."""

    def __init__(self, oldest_after: int) -> None:
        super().__init__(f"events after this cursor are no longer kept; those that are come after {oldest_after}")
        self.oldest_after = oldest_after


class NotEnded(ClientError):
    """`task` is the id; `state` the last one seen."""

    def __init__(self, task: str, state: str) -> None:
        super().__init__(f"task {task} is still {state}")
        self.task = task
        self.state = state


class TransportError(SubmitterError):
    """Base of the ways in which one HTTP exchange gives no reply. Messages never hold headers or bodies."""


class ConnectFailed(TransportError):
    """Refused, unreachable, name not found or TLS failed, before any byte of the request was sent."""


class ExchangeTimeout(TransportError):
    """The request may have been processed."""


class ExchangeBroken(TransportError):
    """The connection ended before a whole reply; the request may have been processed."""


class ReplyTooLarge(TransportError):
    """The reply was longer than the cap; the request was processed."""


class AddressForbidden(TransportError):
    """The host resolves to an address that outbound calls may not reach; nothing was sent."""
