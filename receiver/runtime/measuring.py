"""The metrics of a process, and what reads for them what is open in the ledger."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.metadata import version

from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.metrics.registry import Metrics
from receiver.metrics.spans import Spans
from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.waiting import waiting_polls
from receiver.runtime.clock import now_ms
from receiver.runtime.snapshots import Snapshots
from receiver.runtime.store import Store
from receiver.store.open import ledger_at
from receiver.store.url import LedgerFile
from submitter.providers.contract import ConfiguredProvider


def open_spans(settings: Settings) -> AbstractAsyncContextManager[Spans]:
    """Raise ConfigError where OpenTelemetry is wanted and not installed."""
    if settings.trace.otel == "off":
        return nullcontext(Spans())
    try:
        from receiver.runtime.tracing import otel_spans  # noqa: PLC0415 - OpenTelemetry is an extra, and is imported only where it is on
    except ImportError as error:  # the extra is not installed
        raise ConfigError(
            "WHENFINAL_OTEL: OpenTelemetry is not installed", hint="run pip install 'whenfinal[otel]', or leave it off"
        ) from error
    return otel_spans()


def make_metrics(settings: Settings, providers: Mapping[str, ConfiguredProvider]) -> Metrics:
    is_file = isinstance(ledger_at(settings.database.url), LedgerFile)
    return Metrics(tuple(providers), version=version("whenfinal"), database="sqlite" if is_file else "postgres")


def make_snapshots(settings: Settings, store: Store, metrics: Metrics, durations: LearnedDurations) -> Snapshots:
    place = ledger_at(settings.database.url)
    providers, speed = durations.providers, settings.providers.speed

    async def poll_price_s(name: str) -> float:
        known, at_ms = {name: providers[name]}, now_ms()
        (status,) = await store.providers.statuses(known, speed=speed, now_ms=at_ms)
        return (await waiting_polls(store.polls, durations, status, at_ms)).price_s

    return Snapshots(
        metrics=metrics,
        overview=store.overview,
        minutes=store.minutes,
        providers=providers,
        speed=speed,
        poll_price_s=poll_price_s,
        path=place.path if isinstance(place, LedgerFile) else None,
        clock=now_ms,
    )
