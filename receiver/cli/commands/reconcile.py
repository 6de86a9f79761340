"""`whenfinal reconcile`: poll the providers about unfinished tasks now, or list what would be polled."""

from typing import Annotated

import typer

from receiver.cli.commands.tasks import ACTOR
from receiver.cli.console import USAGE, WRONG, CommandFailed, emit, show
from receiver.cli.display.tables import reconcile_table
from receiver.cli.options import Json, OlderThan, Provider
from receiver.cli.runner import with_services
from receiver.reconcile.model.decisions import PollResult
from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode, ReconcileSummary
from receiver.runtime.services import Services
from submitter import api

#: Results that make the command exit with status 1.
_PROBLEMS = frozenset({PollResult.DENIED, PollResult.FORBIDDEN, PollResult.UNAVAILABLE, PollResult.THROTTLED})


def reconcile(
    *,
    provider: Provider = None,
    older_than: OlderThan = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="ID", help="Only this task: our id or the provider's.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would be polled.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="With --dry-run: poll, and show what would change.")] = False,
    as_json: Json = False,
) -> None:
    if ask and not dry_run:
        raise CommandFailed(
            "--ask goes with --dry-run; without both, providers are polled and changes stored", status=USAGE
        )
    request = ManualRequest(
        condition=ReconcileFilter(provider=provider, older_than_s=older_than, task=task),
        mode=ReconcileMode.of(dry_run=dry_run, ask=ask),
        actor=ACTOR,
    )

    async def work(services: Services) -> ReconcileSummary:
        if provider is not None and provider not in services.providers:
            configured = ", ".join(services.providers) or "none"
            raise CommandFailed(f"{provider} is not configured; configured: {configured}", status=USAGE)
        return await services.manual_reconcile.run(request)

    report = with_services(work)
    if as_json:
        emit(api.ReconcileSummary.model_validate(report).json_values())
    else:
        show(reconcile_table(report, dry_run=dry_run))
    if any(line.finding in _PROBLEMS for line in report.tasks):
        raise typer.Exit(WRONG)
