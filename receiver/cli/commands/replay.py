"""`whenfinal replay`: make a range of events due again for one subscription."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from receiver.cli.commands.subscriptions import MISSING, SubscriptionId
from receiver.cli.console import USAGE, CommandFailed, confirm, emit, note, show
from receiver.cli.display.bars import progress
from receiver.cli.display.subscription_tables import replay_line
from receiver.cli.event_numbers import StoredNumbers, stored_numbers
from receiver.cli.ids import existing
from receiver.cli.options import (
    DryRun,
    FilterOptions,
    Json,
    Since,
    Until,
    Yes,
    conditions_of,
    enum_option,
    options_from,
    time_of,
)
from receiver.cli.remote import with_client, words_of
from receiver.webhooks.model.replay import ReplayWhich
from submitter.api_webhooks import ReplayResult
from submitter.client.client import Client
from submitter.errors import ReceiverRefused

_FIRST = "--from-seq"

_UNBOUNDED = f"give a range: by number, time, filter or --only dead; {_FIRST} 1 replays everything"

STEP = 5_000  # events in one request

_CONFLICT = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(FilterOptions):
    """Bounds by number include both ends; by time `since <= at < until`."""

    first_seq: Annotated[int | None, typer.Option(_FIRST, metavar="N", min=0, help="First event.")] = None
    last_seq: Annotated[int | None, typer.Option("--to-seq", metavar="N", min=0, help="Last event.")] = None
    since: Since = None
    until: Until = None
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
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    wanted = _range_of(given)
    if not wanted:
        raise CommandFailed(_UNBOUNDED, status=USAGE)
    if not dry_run and not yes:
        counted = _replay(subscription_id, wanted, dry_run=True)
        confirm(f"Make {counted.made_due} deliveries to {subscription_id} due?", yes=counted.made_due == 0)
    result = _replay(subscription_id, wanted, dry_run=dry_run)
    if as_json:
        emit(result.json_values())
    else:
        show(replay_line(result))


def _range_of(given: ReplayOptions) -> dict[str, Any]:
    """What was given, by the names of the API."""
    bounds = {
        "first_seq": given.first_seq,
        "last_seq": given.last_seq,
        "since": time_of(given.since),
        "until": time_of(given.until),
        "which": None if given.only is None else given.only.value,
    }
    return {**{name: value for name, value in bounds.items() if value is not None}, **conditions_of(given)}


def _replay(subscription_id: str, wanted: dict[str, Any], *, dry_run: bool) -> ReplayResult:
    """Replay a part of the range after the other, so that no request takes long and Ctrl-C ends it between two."""

    async def work(client: Client) -> ReplayResult:
        parts = parts_of(wanted, await stored_numbers(client))
        done: list[ReplayResult] = []
        try:
            with progress() as bars:
                bar = bars.add_task("counted" if dry_run else "replayed", total=len(parts))
                for part in parts:
                    done.append(await _replay_part(client, subscription_id, part, dry_run=dry_run))
                    bars.update(bar, completed=len(done))
        except asyncio.CancelledError:
            if done and not dry_run:
                note(f"deliveries made due so far: {_sum(done).made_due}")
            raise
        return _sum(done)

    return with_client(work)


def parts_of(wanted: dict[str, Any], stored: StoredNumbers, step: int = STEP) -> list[dict[str, Any]]:
    """The range as it was given where it is short, else in parts of `step` events up to the newest one.

    The first part begins where the range does, so that its answer says which events are no longer stored.
    """
    first = max(wanted.get("first_seq", 0), stored.oldest_after + 1)
    last = min(wanted.get("last_seq", stored.newest), stored.newest)
    if last - first < step:
        return [wanted]
    head, *tail = [(start, min(start + step - 1, last)) for start in range(first, last + 1, step)]
    return [
        {**wanted, "last_seq": head[1]},
        *({**wanted, "first_seq": start, "last_seq": end} for start, end in tail),
    ]


async def _replay_part(client: Client, subscription_id: str, part: dict[str, Any], *, dry_run: bool) -> ReplayResult:
    """Raise CommandFailed for a subscription that is not there or disabled."""

    async def replayed(name: str) -> ReplayResult:
        return await client.subscriptions.replay(name, dry_run=dry_run, **part)

    try:
        return await existing(replayed, subscription_id, missing=MISSING)
    except ReceiverRefused as error:
        if error.problem.status != _CONFLICT:
            raise
        words = words_of(error.problem)
        raise CommandFailed(f"{words}: whenfinal subscriptions enable {subscription_id}") from error


def _sum(done: Sequence[ReplayResult]) -> ReplayResult:
    totals = {"matched": sum(each.matched for each in done), "made_due": sum(each.made_due for each in done)}
    return done[0].model_copy(update=totals)
