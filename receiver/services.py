"""What a running process is made of, as one value that `bootstrap` wires and everybody else is handed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from receiver.accounts import ConfiguredProvider
from receiver.delivery import Deliverer
from receiver.intake import Intake
from receiver.pruning import Pruner
from receiver.readiness import Readiness
from receiver.reconciler import Reconciler
from receiver.replaying import Replaying
from receiver.settings import Settings
from receiver.store import Store
from receiver.store.commit import GroupCommit
from receiver.stream import Feed
from receiver.submission import Submission
from receiver.subscribing import Subscribing
from submitter.transport import Transport

Clock = Callable[[], int]  # unix milliseconds

__all__ = ["ApiKeyDigest", "Bell", "Clock", "ConfiguredProvider", "Services"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyDigest:
    """A bearer key as it is compared: SHA-256 of its bytes. The key itself is known only to its owner."""

    name: str
    scopes: frozenset[str]
    sha256: bytes = field(repr=False)


class Bell:
    """Rung after a commit that made events or deliveries due, heard by everybody in this process who lives off them.

    On a server that tells of them, the commits of other processes ring it too.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def ring(self) -> None:
        for listener in self._listeners:
            listener()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Services:
    """Open from beginning to end of a process; see `receiver.bootstrap.open_services`."""

    settings: Settings
    store: Store
    providers: Mapping[str, ConfiguredProvider]
    transport: Transport
    webhook_transport: Transport
    commits: GroupCommit
    submission: Submission
    subscribing: Subscribing
    intake: Intake
    reconciler: Reconciler
    deliverer: Deliverer
    replaying: Replaying
    pruner: Pruner
    feed: Feed
    readiness: Readiness
    bell: Bell
    clock: Clock
    secret_keys: tuple[str, ...] = field(repr=False)
    api_keys: tuple[ApiKeyDigest, ...]
