"""Every metric that a process counts, by name, and the registry that a scrape reads."""

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from receiver.metrics.counting import Count, Counter, Distribution, Histogram
from receiver.metrics.snapshot import GAUGES, Snapshot, gauges_of

#: Stands for every provider that is not configured, and for every word that is not known.
OTHER = "other"


class Spec(NamedTuple):
    """What a counter or a histogram says of itself. Without buckets it is a counter."""

    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_REPLY = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_DELAY = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)

_TASK = (5.0, 7.5, 11.0, 17.0, 25.0, 38.0, 57.0, 85.0, 128.0, 192.0, 288.0, 432.0, 649.0, 973.0, 1460.0, 2189.0, 3600.0)

SPECS: Mapping[str, Spec] = {
    "whenfinal_callbacks": Spec("Callbacks by what the ledger made of them", ("provider", "verdict")),
    "whenfinal_submits": Spec("Submits by their outcome", ("provider", "outcome")),
    "whenfinal_polls": Spec(
        "Tasks that were polled, singly or by a list, by the answer", ("provider", "kind", "outcome")
    ),
    "whenfinal_tasks_final": Spec(
        "Tasks that ended, by who reported the end", ("provider", "state", "by", "callback_expected")
    ),
    "whenfinal_delivery_attempts": Spec("Attempts to deliver a webhook", ("outcome", "code_class")),
    "whenfinal_delivery_connections": Spec("Connections of webhooks, new or used again", ("reused",)),
    "whenfinal_callback_duration_seconds": Spec("From the head of a callback until it is durable", (), _FAST),
    "whenfinal_commit_duration_seconds": Spec("Time of a commit of callbacks", (), _FAST),
    "whenfinal_commit_batch_size": Spec(
        "Callbacks in a commit", (), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
    ),
    "whenfinal_submit_duration_seconds": Spec("From the POST of a submit to its outcome", ("provider",), _REPLY),
    "whenfinal_poll_duration_seconds": Spec("Time of a status query", ("provider",), _REPLY),
    "whenfinal_task_duration_seconds": Spec("From the submit to the end of a task", ("provider", "state"), _TASK),
    "whenfinal_detection_delay_seconds": Spec(
        "From the end by the provider's clock until it is known here", ("provider", "by"), _DELAY
    ),
    "whenfinal_event_to_delivery_seconds": Spec("From an event to a delivered webhook", (), _DELAY),
    "whenfinal_delivery_duration_seconds": Spec("Time of an attempt to deliver a webhook", (), _REPLY),
    "http_server_request_duration_seconds": Spec(
        "Time of a request to this process",
        ("http_request_method", "http_route", "http_response_status_code"),
        (*_FAST, 2.5, 5.0, 10.0, 30.0, 60.0),
    ),
}

#: Series that are there from the start with 0, because Prometheus takes the first value of a new one for no increase.
#: With a provider as their first label they are there for each configured one.
FROM_START: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "whenfinal_callbacks": (
        ("applied",),
        ("duplicate",),
        ("stale",),
        ("contradiction",),
        ("thin",),
        ("rejected",),
    ),
    "whenfinal_submits": (("accepted",), ("refused",), ("uncertain",)),
    "whenfinal_polls": tuple(
        ("single", outcome)
        for outcome in ("open", "final", "not_found", "throttled", "denied", "error", "unknown_state")
    ),
    "whenfinal_tasks_final": tuple(
        (state, by, expected)
        for state in ("succeeded", "failed")
        for by in ("callback", "poll")
        for expected in ("true", "false")
    ),
    "whenfinal_delivery_attempts": (
        ("delivered", "2xx"),
        *((outcome, code) for outcome in ("failed", "dead") for code in ("4xx", "5xx", "none")),
    ),
}

#: Those that are also counted by minute, for the dashboard; see `receiver.store.minutes`.
BY_MINUTE = (
    "whenfinal_callbacks",
    "whenfinal_submits",
    "whenfinal_polls",
    "whenfinal_tasks_final",
    "whenfinal_delivery_attempts",
    "whenfinal_task_duration_seconds",
)

TICKS = "whenfinal_tick_last_success_timestamp_seconds"

BUILD = "whenfinal_build_info"

#: Gauges of the process itself.
OWN_GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    TICKS: ("When each periodic job last succeeded", ("tick",)),
    BUILD: ("Always 1; the version that runs", ("version", "database")),
}


class Metrics:
    """One for a process. Count in the thread of the event loop only; see `receiver.metrics`."""

    def __init__(self, providers: Collection[str] = (), *, version: str = "", database: str = "") -> None:
        """`providers` are the configured ones; others are counted as `other`."""
        self._providers = frozenset(providers)
        self._build = (version, database)
        self._families: dict[str, Counter | Histogram] = {
            name: Histogram(name, *spec) if spec.buckets else Counter(name, spec.about, spec.labels)
            for name, spec in SPECS.items()
        }
        for name, starting in FROM_START.items():
            has_provider = SPECS[name].labels[0] == "provider"
            for before, labels in product([(each,) for each in providers] if has_provider else [()], starting):
                self.count(name, *before, *labels)
        self._ticks: dict[str, float] = {}
        #: What is open in the ledger as of the last tick; None before the first.
        self.snapshot: Snapshot | None = None
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def provider(self, name: str) -> str:
        """A provider as a label."""
        return name if name in self._providers else OTHER

    def count(self, name: str, *labels: str) -> Count:
        """The count with these values of the labels; raise KeyError for a name that is no counter of `SPECS`."""
        family = self._families[name]
        if not isinstance(family, Counter):
            raise KeyError(name)
        return family.labels(*labels)

    def distribution(self, name: str, *labels: str) -> Distribution:
        """As `count`, of a histogram."""
        family = self._families[name]
        if not isinstance(family, Histogram):
            raise KeyError(name)
        return family.labels(*labels)

    def by_minute(self) -> Iterator[Counter | Histogram]:
        """What is also counted by minute."""
        for name in BY_MINUTE:
            yield self._families[name]

    def tick_succeeded(self, name: str, now_ms: int) -> None:
        self._ticks[name] = now_ms / 1000

    def ticks_ms(self) -> dict[str, int]:
        """When each periodic job of this process last succeeded."""
        return {name: round(at_s * 1000) for name, at_s in self._ticks.items()}

    def collect(self) -> Iterator[Metric]:
        """What a scrape reads."""
        for family in self._families.values():
            yield family.collect()
        yield _gauge(TICKS, {(name,): at_s for name, at_s in self._ticks.items()})
        yield _gauge(BUILD, {self._build: 1.0})
        if self.snapshot is not None:
            yield from gauges_of(self.snapshot)


def metric_names() -> frozenset[str]:
    """The name of every series that this version can show, as rules and dashboards write it."""
    names = {*GAUGES, *OWN_GAUGES}
    for name, spec in SPECS.items():
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if spec.buckets else {f"{name}_total"}
    return frozenset(names)


def _gauge(name: str, values: Mapping[tuple[str, ...], float]) -> Metric:
    about, labels = OWN_GAUGES[name]
    family = GaugeMetricFamily(name, about, labels=labels)
    for each, value in values.items():
        family.add_metric(each, value)
    return family
