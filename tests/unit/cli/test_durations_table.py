"""`providers show`: what was learned, what is assumed, and what is wrong with it."""

from receiver.cli.display.provider_tables import durations_table, learned_lines, waiting_line
from receiver.reconcile.model.distribution import EDGES
from receiver.reconcile.model.duration_report import MOST_COUNTED, LearnedProvider, WaitingPolls, learned_duration
from receiver.reconcile.model.durations import UNKNOWN, DurationKey, Histogram, estimate
from receiver.reconcile.model.provider import ProviderStatus
from receiver.web.api.providers import with_durations
from submitter.api_operations import ProviderWithDurations

STATUS = ProviderStatus(
    name="hiapi",
    adapter="hiapi",
    host="hiapi.example",
    tokens=1.0,
    burst=1,
    paused_until_ms=None,
    paused_reason=None,
    alarm=None,
    submits_paused_until_ms=None,
    submits_paused_reason=None,
    submits_alarm=None,
    unfinished=0,
    queued=0,
    in_flight=0,
    max_in_flight=None,
    learned_in_flight=None,
)

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


def _shown(learned: LearnedProvider, waiting: WaitingPolls | None = None) -> ProviderWithDurations:
    return with_durations(STATUS, learned, waiting or WaitingPolls(count=0, since_ms=None, price_s=5.0))


def _waiting(waiting: WaitingPolls, now_ms: int) -> str:
    return waiting_line(_shown(_provider(), waiting), now_ms)


def test_a_provider_shows_percentiles_by_model_and_how_much_of_them_is_assumed() -> None:
    whole, model = _provider().durations
    assert (whole.model, whole.count, whole.prior_share, round(whole.p50_s)) == (None, 0, 1.0, 130)
    assert (model.model, model.resolution, model.length, model.count) == ("horse", "720p", "5", 312)
    assert model.prior_share == round(5 / 55, 3)
    assert 2 * model.p50_s - EDGES[30] < EDGES[31] - EDGES[30]  # half of the provider's seconds at twice the speed
    assert model.p50_s <= model.p95_s <= model.p99_s
    assert len(durations_table(_shown(_provider())).rows) == 2


def test_drift_and_damage_are_told_in_words() -> None:
    assert list(learned_lines(_shown(_provider()))) == ["callbacks that are taken not to come: 2.0%"]
    told = " ".join(learned_lines(_shown(_provider(is_drifting=True, is_damaged=True))))
    assert "drifting: the last tasks" in told
    assert "damaged: what is stored can not be read" in told


def test_the_price_of_a_poll_has_its_unit_and_the_reason_why_it_is_higher() -> None:
    assert _waiting(WaitingPolls(count=0, since_ms=None, price_s=5.0), 0) == (
        "no poll waits; the price of a poll is 5.0 s of expected lateness"
    )
    few = _waiting(WaitingPolls(count=2, since_ms=1_000, price_s=5.0), 3_000)
    assert few == "polls that wait: 2 due, the first 2.0 s ago; the price of a poll is 5.0 s of expected lateness"
    many = _waiting(WaitingPolls(count=MOST_COUNTED, since_ms=0, price_s=37.5), 180_000)
    assert many == (
        "polls that wait: 10000 or more due, the first 3 min ago; the price of a poll is 37.5 s of expected lateness "
        "instead of 5 s, because the rate budget is too small for all of them"
    )
