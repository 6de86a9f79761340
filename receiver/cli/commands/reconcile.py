"""`whenfinal reconcile`: poll the providers about unfinished tasks now, or list what would be polled."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from receiver.cli.bulk import run_to_end, show_preview
from receiver.cli.console import USAGE, WRONG, CommandFailed, emit, show
from receiver.cli.display.tables import reconcile_table
from receiver.cli.each import do_each
from receiver.cli.ids import read_ids
from receiver.cli.named_tasks import MaybeTaskNames, existing, find_id
from receiver.cli.options import Json, options_from
from receiver.cli.remote import with_client
from receiver.cli.task_filters import TaskFilterOptions
from submitter.api import ReconcileSummary
from submitter.api_runs import Run
from submitter.client.calls.runs import TasksToActOn
from submitter.client.client import Client

#: Answers to a poll that make the command exit with status 1.
_PROBLEMS = frozenset({"denied", "denied for this task", "no usable answer", "throttled"})

AT_ONCE = 4  # polls of tasks by their ids


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions(TaskFilterOptions):
    """Which tasks, and how far it goes."""

    task: Annotated[
        str | None, typer.Option("--task", metavar="ID", help="Only this task: our id or the provider's.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would be polled.")] = False
    ask: Annotated[bool, typer.Option("--ask", help="With --dry-run: poll, and show what would change.")] = False

    @property
    def is_plain(self) -> bool:
        """Whether only such filters are given as one request about all of them takes."""
        return self.filters == TaskFilterOptions(provider=self.provider, older_than=self.older_than).filters


@options_from(ReconcileOptions)
def reconcile(names: MaybeTaskNames = None, *, given: ReconcileOptions, as_json: Json = False) -> None:
    if given.ask and not given.dry_run:
        raise CommandFailed(
            "--ask goes with --dry-run; without both, providers are polled and changes stored", status=USAGE
        )
    found = read_ids(names or ())
    if found and (given.are_filters_given or given.task is not None):
        raise CommandFailed("give ids or a filter, not both", status=USAGE)
    if found:
        _reconcile_each(found, given, as_json=as_json)
    elif given.task is not None:
        _reconcile_matching(given, as_json=as_json)
    elif given.dry_run:
        _plan(given, as_json=as_json)
    else:
        run_to_end(lambda client: _start(client, given), "task", as_json=as_json)


async def _start(client: Client, given: ReconcileOptions) -> Run:
    """Raise CommandFailed for a provider that is not configured, because it can not be polled."""
    if given.provider is not None:
        names = [each.name for each in (await client.providers.list()).providers]
        if given.provider not in names:
            configured = ", ".join(names) or "none"
            raise CommandFailed(f"{given.provider} is not configured; configured: {configured}", status=USAGE)
    return await client.runs.reconcile_tasks(**_which(given))


def _which(given: ReconcileOptions) -> TasksToActOn:
    return given.acting_on(everything=not given.are_filters_given)


def _plan(given: ReconcileOptions, *, as_json: bool) -> None:
    """Of each task what would be polled, where one request tells it; else how many there are."""
    if given.is_plain:
        _reconcile_matching(given, as_json=as_json)
        return
    if given.ask:
        raise CommandFailed("--ask goes with --provider, --older-than and ids only", status=USAGE)
    which = _which(given)
    show_preview(with_client(lambda client: client.runs.preview("reconcile", **which)), "task", as_json=as_json)


def _reconcile_matching(given: ReconcileOptions, *, as_json: bool) -> None:
    """By one request, whose answer has a line for each task."""
    if given.task is not None and not given.is_plain:
        raise CommandFailed("--task goes with --provider and --older-than only", status=USAGE)
    report = with_client(
        lambda client: client.reconcile(
            provider=given.provider,
            older_than_s=given.older_than,
            task_id=given.task,
            dry_run=given.dry_run,
            ask=given.ask,
        )
    )
    _print_reports([report], dry_run=given.dry_run, as_json=as_json)
    if _has_problem([report]):
        raise typer.Exit(WRONG)


def _reconcile_each(names: Sequence[str], given: ReconcileOptions, *, as_json: bool) -> None:
    reports: list[ReconcileSummary] = []

    async def reconcile_one(client: Client, name: str) -> ReconcileSummary:
        request = partial(client.tasks.reconcile, dry_run=given.dry_run, ask=given.ask)
        report = await existing(request, name, await find_id(client, name))
        reports.append(report)
        return report

    do_each(names, reconcile_one, partial(_print_reports, dry_run=given.dry_run, as_json=as_json), at_once=AT_ONCE)
    if _has_problem(reports):
        raise typer.Exit(WRONG)


def _has_problem(reports: Sequence[ReconcileSummary]) -> bool:
    return any(line.finding in _PROBLEMS for report in reports for line in report.tasks)


def _print_reports(reports: Sequence[ReconcileSummary], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        for report in reports:
            emit(report.json_values())
        return
    whole = ReconcileSummary(
        asked=sum(each.asked for each in reports),
        changed=sum(each.changed for each in reports),
        skipped=sum(each.skipped for each in reports),
        tasks=tuple(line for each in reports for line in each.tasks),
    )
    show(reconcile_table(whole, dry_run=dry_run))
