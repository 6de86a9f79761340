"""One thing that is wrong with its cure, and the facts that alarms are made of. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from receiver.metrics.registry import OTHER
from receiver.metrics.snapshot import Snapshot
from receiver.store.minutes import SpanCount
from receiver.store.processes import ProcessRow
from receiver.store.stepped_back import SteppedBack
from receiver.store.troubles import Troubles
from receiver.web.dashboard.model.addresses import ROOT


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page that shows what an alarm is about, or that has its cures."""

    words: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """An act that cures it."""

    words: str
    kind: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is wrong."""

    #: One of `alarms.RULES`.
    kind: str
    severity: Severity
    #: What is wrong, with its number and age, in words of ours and names of providers.
    sentence: str
    #: None where it is not known.
    since_ms: int | None = None
    #: What a provider or a caller wrote about it; empty without that.
    said: str = ""
    #: What to do.
    cure: str
    links: tuple[Link, ...] = ()
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known now. Counts are by minute, those of the last hour."""

    now_ms: int
    #: None where none was ever read.
    snapshot: Snapshot | None
    troubles: Troubles = field(default_factory=Troubles)
    #: Of `whenfinal_tasks_final`.
    ends: Sequence[SpanCount] = ()
    #: Of `whenfinal_callbacks`.
    callbacks: Sequence[SpanCount] = ()
    #: Of `whenfinal_submits`.
    submits: Sequence[SpanCount] = ()
    #: Of `whenfinal_polls`.
    polls: Sequence[SpanCount] = ()
    #: Those that say in the ledger that they run.
    processes: Sequence[ProcessRow] = ()
    #: When each periodic job of this process last succeeded.
    ticks_ms: Mapping[str, int] = field(default_factory=dict)
    #: Configured providers that can be asked for a list of their tasks.
    lists_tasks: frozenset[str] = frozenset()
    #: The last time that the ledger stepped back, as of the start; None: never.
    stepped_back: SteppedBack | None = None
    #: The ledger could not be read now, so that the snapshot is all there is.
    is_unreadable: bool = False


def provider_page(name: str) -> Link:
    """Its own page; the list for `other`, which stands for all that are not configured."""
    if name == OTHER:
        return Link(words="Providers", address=f"{ROOT}/providers")
    return Link(words=f"Provider {name}", address=f"{ROOT}/providers/{quote(name, safe='')}")


def lasted(since_ms: int | None, now_ms: int) -> str:
    """`4 min`, `2 h`; `under 1 min` also for what is not known."""
    away_ms = max(0, now_ms - (now_ms if since_ms is None else since_ms))
    for size_ms, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if away_ms >= size_ms:
            return f"{away_ms // size_ms} {unit}"
    return "under 1 min"
