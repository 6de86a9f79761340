"""Every exception of the project hangs below `WhenfinalError`; those of `submitter` and of its client are here.

    WhenfinalError
    ├── InvalidRequest          the request breaks rules of ours, of the provider or of the model; nothing was sent
    ├── CallbackError           a callback that does not count
    │   ├── BadSignature        absent where a secret is configured, or wrong
    │   ├── StaleCallback       the signature is right and its time is outside the replay window
    │   ├── UnreadableKeys      fetched, and not the public keys that the provider documents
    │   └── UnreadableCallback  not what the provider documents
    ├── WebhookNotVerified      a message that is not a verified webhook of ours
    ├── TransportError          an HTTP exchange gave no reply
    │   ├── ConnectFailed       no byte of the request left: surely nothing was created
    │   ├── AddressForbidden    the address guard refused the host; nothing was sent
    │   ├── ExchangeTimeout     sent, not answered in time
    │   └── ExchangeBroken      sent, connection lost or reply unreadable as HTTP
    ├── ClientError             a request of our client to a running receiver failed
    │   ├── ReceiverUnreachable no answer, or none that can be read, after every try
    │   ├── ReceiverRefused     answered with a problem, whose fields it carries
    │   ├── CursorExpired       events after the cursor are no longer stored
    │   ├── NotEnded            the wait is over and the task has not ended
    │   └── FileChanged         what was downloaded before is not the beginning of the file
    │
    │   in receiver/
    ├── ConfigError             config/errors.py: settings that are missing, malformed or contradictory
    ├── StoreError              store/errors.py: a transaction was rolled back as a whole
    │   ├── StoreUnavailable    locked, full, read-only or gone: trying again may help
    │   ├── SchemaBehind        the database lacks migrations
    │   └── TransferRefused     a ledger can not be copied from there, or to there
    ├── DatabaseMisconfigured   store/errors.py: the database cannot be opened as it is set
    ├── TokenError              callbacks/model.py: a callback token that does not count
    │   ├── ForgedToken         not signed with one of our keys, or not a token at all
    │   └── ExpiredToken        signed with one of our keys, and too old
    └── CommandFailed           cli/console.py: a command ends with this message and exit status

An expected answer of a provider (refused, throttled, not found) is a value of `submitter.model`, not an exception.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from submitter import base_error

WhenfinalError = base_error.WhenfinalError


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


class InvalidRequest(WhenfinalError):
    """Refused before any network; carries every violation found, never only the first."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(str(violation) for violation in violations))
        self.violations = tuple(violations)


class CallbackError(WhenfinalError):
    """Base of the reasons for which a callback does not count."""


class BadSignature(CallbackError):
    """The provider signature is absent, malformed or wrong."""


class StaleCallback(CallbackError):
    """The signature is right and its timestamp is outside the configured window."""


class UnreadableKeys(CallbackError):
    """A fetched document holds no public key of the documented kind."""


class UnreadableCallback(CallbackError):
    """The body is not the JSON that the provider documents."""


class WebhookNotVerified(WhenfinalError):
    """A header is missing, malformed or repeated, no signature is right, or the time is outside the window."""


class ClientError(WhenfinalError):
    """Base of the exceptions of the client of a running receiver."""


class ReceiverUnreachable(ClientError):
    """The request may have been carried out. Repeating it with the same idempotency key does not pay twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverProblem:
    """An RFC 9457 problem of the receiver."""

    status: int
    type: str
    title: str
    detail: str | None = None
    errors: tuple[Violation, ...] = ()
    #: `name`, `code` and `message` of a provider that refused.
    provider: Mapping[str, str] | None = None
    #: The id of a task that stays readable.
    task: str | None = None
    request_id: str | None = None
    #: When trying again makes sense; None for never.
    retry_after_s: float | None = None
    #: The cursor to go on with, when the given one has expired.
    oldest_after: int | None = None


class ReceiverRefused(ClientError):
    """The receiver, or the provider behind it, refused the request.

    `may_be_done`: it may have been carried out all the same, because an earlier try of it got no answer, or because the
    receiver failed while it worked on it.
    """

    def __init__(self, problem: ReceiverProblem, *, may_be_done: bool = False) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail or 'no detail'}")
        self.problem = problem
        self.may_be_done = may_be_done or problem.status == 500


class CursorExpired(ClientError):
    """Some events after the cursor are no longer stored. All that are stored come after `oldest_after`."""

    def __init__(self, oldest_after: int) -> None:
        super().__init__(f"events after this cursor are no longer stored; the stored events come after {oldest_after}")
        self.oldest_after = oldest_after


class FileChanged(ClientError):
    """The `.part` of a download is not the beginning of the file. Delete it and try again."""


class NotEnded(ClientError):
    """`task` is the id, of a run where that was waited for; `state` the last one seen."""

    def __init__(self, task: str, state: str) -> None:
        super().__init__(f"{task} is still {state}")
        self.task = task
        self.state = state


class TransportError(WhenfinalError):
    """One HTTP exchange gave no status and headers. Messages never hold headers or bodies."""


class ConnectFailed(TransportError):
    """Refused, unreachable, name not found or TLS failed, before any byte of the request was sent."""


class ExchangeTimeout(TransportError):
    """The request may have been processed."""


class ExchangeBroken(TransportError):
    """The connection ended before status and headers were read; the request may have been processed."""


class AddressForbidden(TransportError):
    """The host resolves to an address that outbound calls may not reach; nothing was sent."""
