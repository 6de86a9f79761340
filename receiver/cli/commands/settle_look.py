"""`whenfinal tasks settle --look`: search the lists of the providers for lost submits, and settle what is clear."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from receiver.cli.bulk import Followed
from receiver.cli.console import WRONG, CommandFailed, confirm, emit, note, show
from receiver.cli.display.settle_tables import candidates_table, look_view, looks_table
from receiver.cli.named_tasks import existing, find_id, find_task
from receiver.cli.remote import with_client
from receiver.cli.task_filters import BulkOptions
from submitter.api import Task
from submitter.api_runs import Run
from submitter.api_tasks import Look
from submitter.client.calls.tasks import TaskFilters
from submitter.client.client import Client
from submitter.errors import ReceiverRefused
from submitter.model import TaskState

_GENERAL = ": search its console"  # the advice of the API, which does not know where that is

AT_ONCE = 20  # tasks of one run: its notes hold what was found for each


def look_for_one(name: str, *, as_json: bool) -> None:
    """Show the tasks in the provider's list that this task may be. Change nothing."""
    look = with_client(lambda client: _look(client, name))
    if as_json:
        for candidate in look.candidates:
            emit(candidate.json_values())
    elif look.candidates:
        show(candidates_table(look), "", f"whenfinal tasks settle {look.task} --task-id {look.clear or 'ID'}")
    else:
        show(f"{look.provider} lists no task of that time that is missing from the ledger")
    more = f"; {look.more} more may be it" if look.more else ""
    note(f"{look.provider} showed {look.listed} of its tasks{more}{f'; {look.problem}' if look.problem else ''}")


async def _look(client: Client, name: str) -> Look:
    """Raise CommandFailed where nothing is known, with the place where a person can look."""
    look = await existing(client.tasks.look, name, await find_id(client, name))
    if not look.problem or look.candidates:
        return look
    task = await find_task(client, look.task)
    where = await _console_of(client, look.provider)
    raise CommandFailed(
        f"{look.problem.removesuffix(_GENERAL)}; search the console of the account{where} "
        f"for a task of {task.model or 'this request'} sent at {task.submitted_at or task.created_at}"
    )


async def _console_of(client: Client, provider: str) -> str:
    try:
        return f" at {(await client.providers.get(provider)).host}"
    except ReceiverRefused:
        return ""  # it is not configured any more


@dataclass(slots=True, kw_only=True)
class _Looked:
    """What was found for one task, and what was made of it."""

    look: Look
    #: The run that looked.
    run: str
    #: The task after it was settled.
    settled: Task | None = None
    #: Why it was not, although it was tried.
    refused: str | None = None

    @property
    def reason(self) -> str:
        """Why it is still uncertain; empty where it is not."""
        return self.refused or self.look.why or self.look.problem or ""


def look_for_many(names: Sequence[str], given: BulkOptions, *, as_json: bool) -> None:
    """Show every uncertain task with its best candidate, and settle those with exactly one."""
    looked = with_client(lambda client: _look_for_all(client, names, given.filters))
    clear = [each for each in looked if each.look.clear is not None]
    if not as_json:
        show(looks_table([each.look for each in looked]) if looked else "no task is uncertain")
    if clear and not given.dry_run:
        note(f"{len(clear)} of {len(looked)} have exactly one candidate")
        try:
            confirm("Settle each of these as its candidate?", yes=given.yes)
        except CommandFailed:
            _print_all(looked, as_json=as_json)
            raise
        with_client(lambda client: _settle_all(client, clear))
    _print_all(looked, as_json=as_json)
    for each in looked:
        if each.refused is not None:
            note(f"{each.look.task}: {each.refused}")
    left = sum(each.settled is None for each in looked)
    if left and not given.dry_run:
        raise CommandFailed(f"{left} of {len(looked)} are still uncertain; settle each by its id", status=WRONG)


def _print_all(looked: Sequence[_Looked], *, as_json: bool) -> None:
    for each in looked:
        if as_json:
            emit(look_view(each.look, each.reason, each.settled))
        elif each.settled is not None:
            show(f"{each.look.task} is {each.look.provider}'s {each.settled.provider_task_id}")


async def _look_for_all(client: Client, names: Sequence[str], filters: TaskFilters) -> list[_Looked]:
    """Raise CommandFailed for a name of no task, and where the lists could not be read through."""
    if names:
        ids = [(await find_task(client, name)).id for name in names]
    else:
        wanted = filters.copy()
        wanted["state"] = [TaskState.UNCERTAIN.value]
        ids = [task.id async for task in client.tasks.all(**wanted)]
    return [
        each for start in range(0, len(ids), AT_ONCE) for each in await _looked(client, ids[start : start + AT_ONCE])
    ]


async def _looked(client: Client, ids: Sequence[str]) -> list[_Looked]:
    run = await Followed().follow(client, lambda client: client.runs.look_at_tasks(ids=ids))
    if run.state != "finished":
        raise CommandFailed(f"the search did not come to its end: {run.last_error or run.state}; nothing was changed")
    for each in run.notes:
        if each.look is None:
            note(f"{each.item}: {each.words}")
    return [_Looked(look=each.look, run=run.id) for each in run.notes if each.look is not None]


async def _settle_all(client: Client, clear: Sequence[_Looked]) -> None:
    for run_id, own in groupby(clear, key=lambda each: each.run):
        found = {each.look.task: each for each in own}
        run = await Followed().follow(client, partial(_start, look=run_id, ids=list(found)))
        words = {each.item: each.words for each in run.notes}
        for task_id, each in found.items():
            task = await client.tasks.get(task_id)
            if task.provider_task_id == each.look.clear:
                each.settled = task
            else:
                each.refused = words.get(task_id) or run.last_error or "it was left alone"


async def _start(client: Client, *, look: str, ids: Sequence[str]) -> Run:
    return await client.runs.accept_candidates(look, ids=ids)
