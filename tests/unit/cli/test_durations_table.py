"""`providers show`: what was learned, what is assumed, and what is wrong with it."""

from receiver.cli.display.repair_tables import durations_table, learned_lines
from receiver.reconcile.model.distribution import EDGES
from receiver.reconcile.model.duration_report import LearnedProvider, learned_duration
from receiver.reconcile.model.durations import UNKNOWN, DurationKey, Histogram, estimate

MODEL = DurationKey("hiapi", "horse", "720p", "5")


def _provider(*, is_drifting: bool = False, is_damaged: bool = False) -> LearnedProvider:
    histogram = Histogram(ended=tuple(50.0 if edge == EDGES[30] else 0.0 for edge in EDGES), count=312)
    known = estimate(MODEL, {MODEL: Histogram(ended=histogram.ended, count=312, is_drifting=is_drifting)})
    return LearnedProvider(
        callback_miss_rate=0.0196,
        durations=(
            learned_duration(DurationKey("hiapi"), UNKNOWN, is_damaged=is_damaged, speed=1.0),
            learned_duration(MODEL, known, is_damaged=False, speed=2.0),
        ),
    )


def test_a_provider_shows_percentiles_by_model_and_how_much_of_them_is_assumed() -> None:
    whole, model = _provider().durations
    assert (whole.model, whole.count, whole.prior_share, round(whole.p50_s)) == (None, 0, 1.0, 130)
    assert (model.model, model.resolution, model.length, model.count) == ("horse", "720p", "5", 312)
    assert model.prior_share == round(5 / 55, 3)
    assert 2 * model.p50_s - EDGES[30] < EDGES[31] - EDGES[30]  # half of the provider's seconds at twice the speed
    assert model.p50_s <= model.p95_s <= model.p99_s
    assert len(durations_table(_provider()).rows) == 2


def test_drift_and_damage_are_told_in_words() -> None:
    assert list(learned_lines(_provider())) == ["callbacks that are taken not to come: 2.0%"]
    told = " ".join(learned_lines(_provider(is_drifting=True, is_damaged=True)))
    assert "drifting: the last tasks" in told
    assert "damaged: what is stored can not be read" in told
