"""`whenfinal replay`: make a range of events due again for one subscription."""

from dataclasses import dataclass
from typing import Annotated

import typer

from receiver.cli.commands.subscriptions import SubscriptionId, missing
from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import USAGE, CommandFailed, confirm, emit, show
from receiver.cli.display.bars import progress
from receiver.cli.display.subscription_tables import replay_line
from receiver.cli.options import FilterOptions, Json, Yes, enum_option, filter_of, options_from, parsed_option
from receiver.cli.runner import with_services
from receiver.runtime.durations import Moment, parse_moment
from receiver.runtime.services import Services
from receiver.webhooks.model.replay import (
    ReplayCount,
    ReplayRange,
    ReplayWhich,
    SubscriptionNotActive,
    SubscriptionNotFound,
    is_bounded,
    validate_replay,
)
from receiver.webhooks.model.views import replay_result
from submitter.errors import InvalidRequest

_FIRST = "--from-seq"

_UNBOUNDED = f"give a range: by number, time, filter or --only dead; {_FIRST} 1 replays everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(FilterOptions):
    """Bounds by number include both ends; by time `since <= at < until`."""

    first_seq: Annotated[int | None, typer.Option(_FIRST, metavar="N", min=0, help="First event.")] = None
    last_seq: Annotated[int | None, typer.Option("--to-seq", metavar="N", min=0, help="Last event.")] = None
    since: Annotated[
        Moment | None, parsed_option("--since", "WHEN", parse_moment, "From this time on: 2h, 1d, or RFC 3339.")
    ] = None
    until: Annotated[
        Moment | None, parsed_option("--until", "WHEN", parse_moment, "Before this time: 2h, 1d, or RFC 3339.")
    ] = None
    #: Without it all events are replayed, delivered ones as well.
    only: Annotated[
        ReplayWhich | None,
        enum_option(
            (ReplayWhich.DEAD, ReplayWhich.MISSING),
            "--only",
            "Only dead letters, or only events that it has no delivery of",
        ),
    ] = None


@options_from(ReplayOptions)
def replay(
    subscription_id: SubscriptionId,
    *,
    given: ReplayOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; count the deliveries.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    if not dry_run and not yes:
        counted = _replay(subscription_id, given, dry_run=True)
        confirm(f"Make {counted.requeued} deliveries to {subscription_id} due?", yes=counted.requeued == 0)
    count = _replay(subscription_id, given, dry_run=dry_run)
    if as_json:
        emit(replay_result(subscription_id, count, dry_run=dry_run).json_values())
    else:
        show(replay_line(count, dry_run=dry_run))


def _replay(subscription_id: str, given: ReplayOptions, *, dry_run: bool) -> ReplayCount:
    async def work(services: Services) -> ReplayCount:
        wanted = _range_of(given, services.clock())
        _check(wanted, services)
        with progress() as bar:
            line = bar.add_task("counted" if dry_run else "replayed", total=None)
            return await services.replay.replay(
                subscription_id,
                wanted,
                dry_run=dry_run,
                actor=ACTOR,
                on_progress=lambda done, total: bar.update(line, completed=done, total=total),
            )

    try:
        return with_services(work)
    except SubscriptionNotFound:
        raise missing(subscription_id) from None
    except SubscriptionNotActive as error:
        reason = f" ({error.reason})" if error.reason else ""
        hint = f"whenfinal subscriptions enable {subscription_id}"
        message = f"{subscription_id} is disabled{reason} and gets no webhooks; enable it first: {hint}"
        raise CommandFailed(message) from None


def _check(wanted: ReplayRange, services: Services) -> None:
    if not is_bounded(wanted):
        raise CommandFailed(_UNBOUNDED, status=USAGE)
    violations = tuple(validate_replay(wanted, tuple(services.providers)))
    if violations:
        raise InvalidRequest(violations)


def _range_of(given: ReplayOptions, now_ms: int) -> ReplayRange:
    return ReplayRange(
        first_seq=given.first_seq,
        last_seq=given.last_seq,
        since_ms=None if given.since is None else given.since.resolve(now_ms),
        until_ms=None if given.until is None else given.until.resolve(now_ms),
        filter=filter_of(given),
        which=given.only or ReplayWhich.ALL,
    )
