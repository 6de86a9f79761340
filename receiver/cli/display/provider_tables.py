"""Tables of providers: what is paused or fails, what was learned of them, and what their models take."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from receiver.cli.display.listing import Listing, cell, table
from receiver.cli.display.times import when
from submitter.api_operations import LearnedDuration, ProviderStatus, ProviderWithDurations, ResumedProvider
from submitter.api_service import ModelLimits, Range
from submitter.providers.schedule import POLL_PRICE_S

MOSTLY = 0.5  # more of an estimate than that is assumed, not learned

MOST_WAITING = 10_000  # polls that are counted; so many means that many or more


def providers_table(found: Sequence[ProviderStatus]) -> Listing:
    """What is wrong with one is not here, because it would not fit; see `provider_troubles`."""
    rows = [
        (
            each.name,
            each.unfinished,
            each.queued,
            _in_flight(each),
            f"{each.tokens:.0f} of {each.burst}",
            each.adapter,
            each.host,
        )
        for each in found
    ]
    return table("provider", "unfinished", "queued", "in flight", "tokens", "adapter", "host", rows=rows)


def durations_table(learned: ProviderWithDurations) -> Listing:
    """How long tasks take. A percentile that is mostly assumed is dim."""
    rows = [
        (
            each.model or "all models",
            " ".join(part for part in (each.resolution, f"{each.length} s" if each.length else None) if part),
            each.count,
            *(
                _seconds(number, is_assumed=each.prior_share > MOSTLY)
                for number in (each.p50_s, each.p95_s, each.p99_s)
            ),
            f"{each.prior_share:.0%}",
            _remark(each),
        )
        for each in learned.durations
    ]
    return table("model", "size", "tasks", "p50", "p95", "p99", "assumed", "", rows=rows)


def _seconds(number: float, *, is_assumed: bool) -> Text:
    return Text(f"{number:.0f} s", style="dim" if is_assumed else "")


def _remark(duration: LearnedDuration) -> Text:
    if duration.is_damaged:
        return Text("damaged, not used", style="yellow")
    return Text("drifting", style="yellow") if duration.is_drifting else Text("")


def learned_lines(learned: ProviderWithDurations) -> Iterator[str]:
    """What the table means."""
    yield f"callbacks that are taken not to come: {learned.callback_miss_rate:.1%}"
    if any(each.is_drifting for each in learned.durations):
        yield "drifting: the last tasks took longer or shorter than expected; what was learned before counts a quarter"
    if any(each.is_damaged for each in learned.durations):
        yield "damaged: what is stored can not be read; it is learned anew from the next tasks"


def waiting_line(learned: ProviderWithDurations, now_ms: int) -> str:
    """How many polls wait for the rate budget, and what a poll must be worth to be made."""
    price = f"the price of a poll is {learned.poll_price_s:.1f} s of expected lateness"
    if learned.polls_waiting is None:
        return price
    if learned.polls_waiting_since is None:
        return f"no poll waits; {price}"
    count = f"{learned.polls_waiting}{' or more' if learned.polls_waiting == MOST_WAITING else ''} due"
    line = f"polls that wait: {count}, the first {when(learned.polls_waiting_since, now_ms)}; {price}"
    if learned.poll_price_s <= POLL_PRICE_S:
        return line
    return f"{line} instead of {POLL_PRICE_S:.0f} s, because the rate budget is too small for all of them"


def _in_flight(status: ProviderStatus) -> str | None:
    """With the limit that holds now. None: the key is not told."""
    if status.in_flight is None:
        return None
    known = [each for each in (status.max_in_flight, status.learned_in_flight) if each is not None]
    return f"{status.in_flight} of {min(known)}" if known else f"{status.in_flight}"


def provider_troubles(found: Sequence[ProviderStatus], now_ms: int) -> Iterator[Listing | str]:
    """A table with a row for each pause, hold, alarm and learned limit, and how they end; nothing without any."""
    rows = [(each.name, trouble) for each in found for trouble in _troubles(each, now_ms)]
    if rows:
        yield table("provider", "problem", rows=rows)
    stopped = [each.name for each in found if _is_stopped(each)]
    if stopped:
        yield f"when the reason is fixed: whenfinal providers resume {stopped[0]}"


def _troubles(status: ProviderStatus, now_ms: int) -> Iterator[Text]:
    if status.paused_until is not None:
        until = when(status.paused_until, now_ms)
        yield _styled(f"polls are paused, {status.paused_reason}; they go on {until}", "yellow")
    if status.submits_paused_until is not None:
        until, reason = when(status.submits_paused_until, now_ms), status.submits_paused_reason
        yield _styled(f"submits are held back, {reason}; the next one is sent {until}", "yellow")
    for alarm in (status.alarm, status.submits_alarm):
        if alarm is not None:
            yield _styled(alarm, "bold red")
    if status.learned_in_flight is not None:
        yield _styled(f"it takes {status.learned_in_flight} tasks in flight, learned from its refusals", "")


def _is_stopped(status: ProviderStatus) -> bool:
    troubles = (status.paused_until, status.submits_paused_until, status.alarm, status.submits_alarm)
    return any(each is not None for each in troubles)


def _styled(text: str, style: str) -> Text:
    return Text(cell(text).plain, style=style)


def resumed_line(resumed: ResumedProvider) -> Text:
    name = resumed.name
    if not resumed.ended:
        return cell(f"{name} has no pause, no hold of submits and no alarm; nothing was changed")
    return cell(f"{name} is polled again, and submits go again; polls due now because of it: {resumed.made_due}")


def models_table(found: Sequence[ModelLimits]) -> Listing:
    rows = [
        (
            each.provider,
            each.model,
            _durations(each),
            ", ".join(each.resolutions),
            ", ".join(each.ratios),
            ", ".join(each.kinds),
            _pictures(each),
            each.prompt_weight,
            "yes" if each.seed else None,
            "yes" if each.watermark else None,
            ", ".join(each.reference_types),
        )
        for each in found
    ]
    names = ("provider", "model", "duration", "resolutions", "ratios", "kinds", "pictures", "prompt weight")
    return table(*names, "seed", "watermark", "reference types", rows=rows)


def _range(limits: Range, unit: str) -> str:
    return f"{limits.least}{unit}" if limits.least == limits.most else f"{limits.least} to {limits.most}{unit}"


def _durations(model: ModelLimits) -> str | None:
    if model.only_durations:
        return f"{', '.join(map(str, model.only_durations))} s"
    return None if model.durations is None else _range(model.durations, " s")


def _pictures(model: ModelLimits) -> str:
    pictures = [] if model.reference_images is None else [_range(model.reference_images, "")]
    first = "first frame or none" if model.first_frame_optional else "first frame"
    frames = {first: model.first_frame, "last frame": model.last_frame}
    return ", ".join([*pictures, *(name for name, has_it in frames.items() if has_it)])
