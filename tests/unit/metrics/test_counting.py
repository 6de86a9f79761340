"""Counters and histograms of a process, and what Prometheus reads of them."""

import pytest
from prometheus_client import generate_latest

from receiver.metrics.counting import Counter, Histogram, Labels, differences, quantile
from receiver.metrics.registry import BY_MINUTE, FROM_START, OTHER, OWN_GAUGES, SPECS, Metrics, metric_names
from receiver.metrics.snapshot import GAUGES, Open, Pause, ProviderSnapshot, Snapshot

AT_MS = 1_790_000_100_000


def _lines(metrics: Metrics) -> set[str]:
    return set(generate_latest(metrics.registry).decode().splitlines())


def test_a_count_is_a_series_with_its_labels_and_nothing_beside() -> None:
    metrics = Metrics(["hiapi"])
    metrics.count("whenfinal_submits", "hiapi", "accepted").add(2)
    metrics.count("whenfinal_submits", "hiapi", "accepted").add()
    found = {line for line in _lines(metrics) if line.startswith("whenfinal_submits")}
    assert 'whenfinal_submits_total{outcome="accepted",provider="hiapi"} 3.0' in found
    assert not [line for line in found if "created" in line]


def test_a_value_falls_into_the_bucket_of_the_first_bound_that_is_not_less() -> None:
    histogram = Histogram("h", "about", (), (1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.labels().observe(value)
    assert dict(histogram.values()) == {("1",): 2, ("2",): 1, ("+Inf",): 1}
    samples = {(each.name, each.labels.get("le")): each.value for each in histogram.collect().samples}
    assert samples[("h_bucket", "2")] == 3
    assert samples[("h_count", None)] == samples[("h_bucket", "+Inf")] == 4
    assert samples[("h_sum", None)] == 12


def test_a_name_that_is_no_counter_or_no_histogram_is_refused() -> None:
    metrics = Metrics()
    for wrong in ("whenfinal_commit_batch_size", "nothing"):
        with pytest.raises(KeyError):
            metrics.count(wrong)
    for wrong in ("whenfinal_submits", "nothing"):
        with pytest.raises(KeyError):
            metrics.distribution(wrong)


def test_a_provider_that_is_not_configured_is_other() -> None:
    assert [Metrics(["hiapi"]).provider(name) for name in ("hiapi", "x" * 9000)] == ["hiapi", OTHER]


def test_only_what_has_grown_since_is_a_difference() -> None:
    counter = Counter("c", "about", ("kind",))
    before: dict[Labels, int] = {}
    counter.labels("a").add(2)
    counter.labels("b")
    assert list(differences(counter.values(), before)) == [(("a",), 2)]
    counter.labels("b").add()
    assert list(differences(counter.values(), before)) == [(("b",), 1)]
    assert list(differences(counter.values(), before)) == []


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ({}, 0.5, None),
        ({"10": 0}, 0.5, None),
        ({"10": 4}, 0.5, 5.0),
        ({"10": 5, "20": 5}, 0.5, 10.0),
        ({"20": 5, "10": 5}, 0.95, 19.0),
        ({"10": 1, "+Inf": 9}, 0.95, 10.0),
    ],
)
def test_a_share_of_the_values_lies_below_a_quantile(counts: dict[str, int], share: float, value: float | None) -> None:
    assert quantile(counts, share) == (None if value is None else pytest.approx(value))


def test_every_series_that_a_process_shows_is_among_the_names() -> None:
    metrics = Metrics(["hiapi"], version="1", database="sqlite")
    for name, spec in SPECS.items():
        values = ["x"] * len(spec.labels)
        if spec.buckets:
            metrics.distribution(name, *values).observe(1)
        else:
            metrics.count(name, *values).add()
    metrics.tick_succeeded("prune", AT_MS)
    pause = Pause(until_ms=AT_MS, reason="throttled")
    provider = ProviderSnapshot(
        name="hiapi", tasks={"running": 1}, polls_paused=pause, budget_per_s=1, poll_price_s=5, queued=Open(number=1)
    )
    metrics.snapshot = Snapshot(
        at_ms=AT_MS, providers=(provider,), subscriptions={"active": 1}, database_bytes=1, wal_bytes=1
    )
    shown = {line.partition("{")[0].partition(" ")[0] for line in _lines(metrics) if not line.startswith("#")}
    assert {name for name in shown if not name.startswith("process_")} == metric_names()
    assert {*GAUGES, *OWN_GAUGES} <= metric_names()
    assert set(BY_MINUTE) <= set(SPECS)


def test_a_gauge_is_as_old_as_its_snapshot() -> None:
    metrics = Metrics(["hiapi"])
    assert not [line for line in _lines(metrics) if line.startswith("whenfinal_snapshot")]
    late = Open(number=7, since_ms=AT_MS - 30_000)
    provider = ProviderSnapshot(name="hiapi", due_polls=late)
    metrics.snapshot = Snapshot(at_ms=AT_MS, providers=(provider,), dead=late)
    assert {
        'whenfinal_due_polls{provider="hiapi"} 7.0',
        'whenfinal_oldest_due_poll_age_seconds{provider="hiapi"} 30.0',
        'whenfinal_provider_denied{provider="hiapi",requests="polls"} 0.0',
        "whenfinal_deliveries_dead 7.0",
        "whenfinal_outbox_oldest_due_age_seconds 0.0",
        f"whenfinal_snapshot_timestamp_seconds {AT_MS / 1000!r}".replace("1790000100.0", "1.7900001e+09"),
    } <= _lines(metrics)


def test_what_alerts_and_rates_need_is_there_from_the_start_for_each_configured_provider() -> None:
    shown = {line.rpartition(" ")[0] for line in _lines(Metrics(["hiapi", "modellix"])) if line.endswith(" 0.0")}
    assert {
        'whenfinal_callbacks_total{provider="modellix",verdict="contradiction"}',
        'whenfinal_submits_total{outcome="uncertain",provider="hiapi"}',
        'whenfinal_tasks_final_total{by="poll",callback_expected="true",provider="hiapi",state="succeeded"}',
        'whenfinal_delivery_attempts_total{code_class="5xx",outcome="dead"}',
    } <= shown
    for name, starting in FROM_START.items():
        own = [label for label in SPECS[name].labels if label != "provider"]
        assert {len(labels) for labels in starting} == {len(own)}, name
