"""`whenfinal tasks settle`: say what lost submits came to, or how tasks ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from receiver.cli.bulk import Act, act_on_all
from receiver.cli.commands.settle_look import look_for_many, look_for_one
from receiver.cli.commands.tasks import print_tasks
from receiver.cli.console import USAGE, CommandFailed, confirm, note
from receiver.cli.display.times import age
from receiver.cli.each import do_each
from receiver.cli.ids import read_ids
from receiver.cli.named_tasks import MaybeTaskNames, existing, find_id, find_task
from receiver.cli.options import Json, options_from
from receiver.cli.remote import exit_status, with_client, words_of
from receiver.cli.task_filters import BulkOptions, check_choice
from receiver.runtime.clock import now_ms
from submitter.api import Task
from submitter.api_tasks import Identification
from submitter.client.calls.tasks import SettleWay
from submitter.client.client import Client
from submitter.errors import ReceiverRefused
from submitter.model import TERMINAL, TaskState
from submitter.providers.json_reader import usable_id

_WAYS = ("--task-id ID", "--refused", "--succeeded URL", "--failed REASON", "--canceled", "--look")

_ONE_WAY = f"give one of {', '.join(_WAYS[:-1])} and {_WAYS[-1]}"

_UNCHECKED = "--force settles without this check"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleOptions(BulkOptions):
    """Exactly one of the first six, beside the filters."""

    provider_task_id: Annotated[
        str | None, typer.Option("--task-id", metavar="ID", help="It was created: the provider's id of it.")
    ] = None
    refused: Annotated[bool, typer.Option("--refused", help="Nothing was created.")] = False
    succeeded: Annotated[
        list[str] | None,
        typer.Option("--succeeded", metavar="URL", help="It succeeded: the URL of a file; may be repeated."),
    ] = None
    failed: Annotated[str | None, typer.Option("--failed", metavar="REASON", help="It failed, and why.")] = None
    canceled: Annotated[bool, typer.Option("--canceled", help="It was canceled.")] = False
    look: Annotated[
        bool,
        typer.Option(
            "--look", help="Search the provider's list; but for a single ID, settle each task that has one candidate."
        ),
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="With --task-id: settle without checking the id at the provider.")
    ] = False

    @property
    def is_one_way(self) -> bool:
        given = (self.provider_task_id is not None, self.refused, bool(self.succeeded), self.failed is not None)
        return [*given, self.canceled, self.look].count(True) == 1


@options_from(SettleOptions)
def settle(names: MaybeTaskNames = None, *, given: SettleOptions, as_json: Json = False) -> None:
    if not given.is_one_way:
        raise CommandFailed(_ONE_WAY, status=USAGE)
    if given.force and given.provider_task_id is None:
        raise CommandFailed("--force goes with --task-id", status=USAGE)
    found = read_ids(names or ())
    if given.look:
        _look(found, given, as_json=as_json)
    elif given.refused:
        _refuse(found, given, as_json=as_json)
    else:
        _one_by_one(found, given, as_json=as_json)


def _look(names: Sequence[str], given: SettleOptions, *, as_json: bool) -> None:
    if len(names) == 1:
        look_for_one(names[0], as_json=as_json)
        return
    if given.are_filters_given or names:
        check_choice(names, given)
    look_for_many(names, given, as_json=as_json)


def _refuse(names: Sequence[str], given: SettleOptions, *, as_json: bool) -> None:
    check_choice(names, given)
    if not names:
        chosen = given.chosen
        act = Act(
            verb="Settle as never created:",
            what="task",
            which=chosen,
            preview=lambda client: client.runs.preview("settle", **chosen),
            start=lambda client, which: client.runs.refuse_tasks(**which),
        )
        act_on_all(act, dry_run=given.dry_run, yes=given.yes, as_json=as_json)
        return
    question = "Settle {} as never created?"
    if len(names) == 1:
        task = with_client(lambda client: find_task(client, names[0]))
        question = f"Settle {task.id} as never created at {task.provider}?"
    confirm(question.format(f"{len(names)} tasks"), yes=given.yes)
    _settle_each(names, SettleWay(refused=True), as_json=as_json)


def _one_by_one(names: Sequence[str], given: SettleOptions, *, as_json: bool) -> None:
    """What is said about tasks that somebody has looked at, so no filter chooses them."""
    if not names or given.are_filters_given or given.everything or given.dry_run:
        hint = "filters and --dry-run go with --refused and --look only"
        raise CommandFailed(f"name the task: whenfinal tasks settle ID …; {hint}", status=USAGE)
    if len(names) > 1 and (given.provider_task_id is not None or given.succeeded):
        raise CommandFailed("--task-id and --succeeded go with one ID", status=USAGE)
    if given.provider_task_id is not None:
        way = _checked_id(names[0], given.provider_task_id, given)
    else:
        way = SettleWay(succeeded=given.succeeded, failed=given.failed, canceled=given.canceled or None)
        confirm(_end_question(names, given), yes=given.yes)
    _settle_each(names, way, as_json=as_json)


def _end_question(names: Sequence[str], given: SettleOptions) -> str:
    end = "failed" if given.failed is not None else "canceled"
    if given.succeeded:
        count = len(given.succeeded)
        end = f"succeeded with {count} file{'s' if count > 1 else ''}"
    if len(names) > 1:
        return f"End {len(names)} tasks as {end}? This is final."
    task = with_client(lambda client: find_task(client, names[0]))
    word = f" ({task.raw_state})" if task.raw_state and task.state is not TaskState.UNCERTAIN else ""
    sent = age(task.submitted_at or task.created_at, now_ms())
    return f"{task.id} at {task.provider} is {task.state.value}{word}, sent {sent} ago. End it as {end}? This is final."


def _checked_id(name: str, text: str, given: SettleOptions) -> SettleWay:
    """Check the id at the provider, and ask for confirmation. Raise CommandFailed where it must not be used."""
    provider_task_id = usable_id(text)
    if provider_task_id is None:
        raise CommandFailed("--task-id: that cannot be the id of a task at a provider", status=USAGE)
    if given.force:
        task = with_client(lambda client: find_task(client, name))
        question = f"Settle {task.id} as {provider_task_id} without checking it at {task.provider}?"
        confirm(question, yes=given.yes)
        return SettleWay(task_id=provider_task_id, force=True)
    seen = with_client(lambda client: _identify(client, name, provider_task_id))
    if seen.doubts and given.yes:
        raise CommandFailed(f"{seen.says}: {'; '.join(seen.doubts)}; nothing was changed; {_UNCHECKED}")
    note(seen.says)
    confirm(f"Settle {seen.task.id} as {provider_task_id}{_consequence(seen)}?", yes=given.yes)
    return SettleWay(task_id=provider_task_id, force=bool(seen.doubts) or None)


async def _identify(client: Client, name: str, provider_task_id: str) -> Identification:
    """What the provider answers about the id. Raise CommandFailed where it must not be used."""

    async def identify(task_id: str) -> Identification:
        return await client.tasks.identify(task_id, provider_task_id)

    try:
        return await existing(identify, name, await find_id(client, name))
    except ReceiverRefused as error:
        words = _in_options(words_of(error.problem))
        unchanged = "" if "nothing was changed" in words else "; nothing was changed"
        raise CommandFailed(f"{words}{unchanged}", status=exit_status(error.problem)) from error


def _in_options(words: str) -> str:
    """The words of the API about its member, as an option."""
    return words.replace("`force`", "--force")


def _consequence(seen: Identification) -> str:
    doubts = f", although {' and '.join(seen.doubts)}" if seen.doubts else ""
    final = "; it has ended, so the next poll makes this final" if seen.state in TERMINAL else ""
    return doubts + final


def _settle_each(names: Sequence[str], way: SettleWay, *, as_json: bool) -> None:
    async def settle_one(client: Client, name: str) -> Task:
        async def settle_task(task_id: str) -> Task:
            return await client.tasks.settle(task_id, **way)

        return await existing(settle_task, name, await find_id(client, name))

    do_each(names, settle_one, partial(print_tasks, as_json=as_json, is_many=len(names) > 1))
