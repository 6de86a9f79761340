"""The options that choose tasks, and the filters of the API that they become."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from math import ceil
from typing import Annotated

import typer

from receiver.cli.console import USAGE, CommandFailed
from receiver.cli.options import DryRun, Labels, OlderThan, Provider, Since, Until, Yes, enum_option, labels_of, time_of
from receiver.tasks.model.search import EndedBy
from submitter.client.calls.runs import TasksToActOn
from submitter.client.calls.tasks import TaskFilters
from submitter.model import TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilterOptions:
    """Which tasks: all conditions must hold. None, or False, where the option was not given."""

    states: Annotated[
        list[TaskState] | None, enum_option(TaskState, "--state", "Only in this state; may be repeated")
    ] = None
    overdue: Annotated[bool, typer.Option("--overdue", help="Only unfinished tasks past their deadline.")] = False
    contradicted: Annotated[
        bool, typer.Option("--contradicted", help="Only tasks of which two different ends were told.")
    ] = False
    provider: Provider = None
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only this model.")] = None
    labels: Labels = None
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Only this idempotency key.")] = None
    since: Since = None
    until: Until = None
    older_than: OlderThan = None
    ended_by: Annotated[
        list[EndedBy] | None, enum_option(EndedBy, "--ended-by", "Only if this told its end; may be repeated")
    ] = None

    @property
    def are_filters_given(self) -> bool:
        return any(getattr(self, field.name) for field in fields(TaskFilterOptions))

    @property
    def filters(self) -> TaskFilters:
        """Raise CommandFailed for a label whose name is given twice."""
        return self.acting_on(everything=False)

    def acting_on(self, *, everything: bool) -> TasksToActOn:
        """The filters as an act takes them: a filter of nothing is refused, unless `everything` is meant."""
        found = TasksToActOn(
            state=_words(self.states),
            overdue=self.overdue or None,
            contradicted=self.contradicted or None,
            provider=self.provider,
            model=self.model,
            labels=labels_of(self.labels) if self.labels else None,
            key=self.key,
            since=time_of(self.since),
            until=time_of(self.until),
            older_than_s=None if self.older_than is None else ceil(self.older_than),
            ended_by=_words(self.ended_by),
        )
        if everything:
            found["all"] = True
        return found


def _words(values: Sequence[StrEnum] | None) -> list[str] | None:
    return [value.value for value in dict.fromkeys(values)] if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOptions(TaskFilterOptions):
    """Which tasks an act works on, and how it is started."""

    everything: Annotated[bool, typer.Option("--all", help="Every task that this can be done to.")] = False
    dry_run: DryRun = False
    yes: Yes = False

    @property
    def chosen(self) -> TasksToActOn:
        return self.acting_on(everything=self.everything)


def check_choice(names: Sequence[str], given: BulkOptions) -> None:
    """Raise CommandFailed unless the tasks are chosen in one way: by their ids, by a filter, or all."""
    if names and (given.are_filters_given or given.everything):
        raise CommandFailed("give ids or a filter, not both", status=USAGE)
    if names and given.dry_run:
        raise CommandFailed("--dry-run goes with a filter, not with ids", status=USAGE)
    if given.everything and given.are_filters_given:
        raise CommandFailed("--all goes without a filter", status=USAGE)
    if not names and not given.are_filters_given and not given.everything:
        raise CommandFailed("name the tasks by their ids or by a filter; --all means every task", status=USAGE)
