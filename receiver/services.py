"""What a running process is made of, as one value that `bootstrap` wires and everybody else is handed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from receiver.accounts import ConfiguredProvider
from receiver.delivery import Deliverer
from receiver.intake import Intake
from receiver.reconciler import Reconciler
from receiver.settings import Settings
from receiver.store import Store
from receiver.store.commit import GroupCommit
from receiver.stream import Feed
from receiver.submission import Submission
from submitter.transport import Transport

Clock = Callable[[], int]  # unix milliseconds

__all__ = ["ApiKeyDigest", "Clock", "ConfiguredProvider", "Services"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyDigest:
    """A bearer key as it is compared: SHA-256 of its bytes. The key itself is known only to its owner."""

    name: str
    scopes: frozenset[str]
    sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Services:
    """`new_api_key` is set only in the process that made the first key, to be shown once."""

    settings: Settings
    store: Store
    providers: Mapping[str, ConfiguredProvider]
    transport: Transport
    webhook_transport: Transport
    commits: GroupCommit
    submission: Submission
    intake: Intake
    reconciler: Reconciler
    deliverer: Deliverer
    feed: Feed
    clock: Clock
    secret_keys: tuple[str, ...] = field(repr=False)
    api_keys: tuple[ApiKeyDigest, ...]
    new_api_key: str | None = field(default=None, repr=False)
